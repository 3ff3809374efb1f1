# Every target sets up what it needs. `make` prints this list.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
LINKED := ganglion/ir ganglion/frontend ganglion/simulator ganglion/backends ganglion/targets
WORKERS ?= auto
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint check bench bench-quick bench-zoo clean setup

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup  ## the main job on real data: train, compile, simulate, run on Lava, compare (about 3 minutes)
	@$(RUN)/python examples/demo.py --out demo

test: setup  ## the tests, without the slow ones and those in a browser
	@$(RUN)/python -m pytest -m "not slow and not browser" -n $(WORKERS)

test-all: setup $(VENV)/.browser  ## all tests
	@$(RUN)/python -m pytest -rs -n $(WORKERS)

lint: setup  ## ruff, mypy --strict and the import contract
	@$(RUN)/ruff check .
	@$(RUN)/ruff check $(LINKED)
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports

check: lint  ## lint, and pyright (which needs node)
	@$(RUN)/pyright

bench: setup .venv-peers/.tried  ## measure; speed beside onnxruntime, SpikingJelly and Lava, memory (about 25 minutes)
	@$(RUN)/python -m benchmarks.bench

bench-quick: setup  ## measure; ResNet-18 alone, without the peers (under a minute)
	@$(RUN)/python -m benchmarks.bench --quick

bench-zoo: setup  ## measure; the model zoo's networks: compile time, memory, cosine (about 10 minutes)
	@$(RUN)/python benchmarks/zoo.py

clean:  ## remove everything that make has made
	rm -rf .venv .venv-lava .venv-peers .venv-sanafe build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(VENV)/.ready .venv-lava/.tried .venv-sanafe/.tried

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,torch]"
	@touch $@

$(VENV)/.browser: $(VENV)/.ready scripts/browser.sh
	@sh scripts/browser.sh $(VENV)

.venv-peers/.tried: benchmarks/requirements-peers.txt scripts/peers_environment.sh
	@sh scripts/peers_environment.sh $(PYTHON) .venv-peers

.venv-sanafe/.tried: constraints-sanafe.txt scripts/sanafe_environment.sh
	@sh scripts/sanafe_environment.sh $(PYTHON) .venv-sanafe

.venv-lava/.tried: constraints-lava.txt scripts/lava_environment.sh
	@sh scripts/lava_environment.sh .venv-lava
