"""The short scripts, on a digits network whose training was cut short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import ganglion
from ganglion.ir import MaxPool, fingerprint, size
from tests.backends.conftest import lava_python
from tests.models import EXAMPLES, digits

pytestmark = pytest.mark.torch
__all__ = ["lava_python"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits")
    digits.train_digits(out, epochs=2, dynamo=False)
    return out


def run(script: str, *arguments: str | Path, code: int = 0, **environment: str) -> str:
    """What `script` prints; it must exit with `code` and complain of nothing."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, env=os.environ | environment
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_digits_are_trained_once(tmp_path: Path) -> None:
    model, images, labels = digits.digits_files(tmp_path, epochs=1)
    assert (images.shape, labels.shape) == ((360, 1, 8, 8), (360,))
    before = model.stat().st_mtime_ns
    assert digits.digits_files(tmp_path)[0].stat().st_mtime_ns == before
    (tmp_path / "Y.npy").unlink()
    digits.digits_files(tmp_path, epochs=1)
    assert model.stat().st_mtime_ns > before


def test_first_network(folder: Path) -> None:
    told = run("first_network.py", "--out", folder, "--members", "3")
    net = ganglion.compile(folder / "digits.onnx", steps=2, members=3)
    assert fingerprint(ganglion.load(folder / "first-network.onnx")) == fingerprint(net)
    result = ganglion.simulate(net, np.load(folder / "X.npy"))
    right = 100 * (result.logits.argmax(axis=1) == np.load(folder / "Y.npy")).mean()
    assert told.splitlines()[:2] == [repr(net), repr(result)]
    assert f"{right:.1f} % of 360 test images" in told
    for name, rate in result.rates.items():
        assert re.search(rf"{name} +{rate:.3f} spikes", told)


def test_from_quantised(tmp_path: Path) -> None:
    told = run("from_quantised.py", "--out", tmp_path, "--epochs", "1")
    lines = re.findall(r"^  (\S+) +(\d+) of ([\d,]+) codes differ; (\d+) values occur$", told, re.MULTILINE)
    net = ganglion.compile(tmp_path / "quantised.onnx", steps=1, members="levels")
    names = [op.name for op in net.populations if not isinstance(op, MaxPool)]  # its codes are quantised behind it
    assert [name for name, *_ in lines] == [*names, "output"]
    neurons = sum(size(net.typeof(name).shape) for name in names) + 10
    assert all(int(different) == 0 and int(values) > 100 for _, different, _, values in lines)
    assert sum(int(n.replace(",", "")) for _, _, n, _ in lines) == 360 * neurons
    assert "the same codes as onnxruntime" in told


def test_find_the_layer(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    told = " ".join(run("find_the_layer.py", "--out", folder, "--plot", tmp_path / "errors.svg").split())
    model, x, y = folder / "digits.onnx", np.load(folder / "X.npy"), np.load(folder / "Y.npy")
    net = ganglion.compile(model, steps=1, members=1)
    ledger = ganglion.compare(model, net, x, labels=y, ledger=True).ledger
    assert ledger is not None
    assert ledger.loss > 10
    assert f"where {ledger.loss:.2f} points of accuracy go" in told
    assert " ".join(ledger.summary.split()) in told
    assert " ".join(ledger.advice.split()) in told
    printed = re.findall(r"│ (\S+) │ [\d.]+ % │ (-?[\d.]+) │", told)
    assert [name for name, _ in printed] == list(ledger.populations)
    readout = sum(a.loss for a in ledger.attributions if a.population not in ledger.populations)
    assert sum(float(points) for _, points in printed) + readout == pytest.approx(ledger.loss, abs=0.05)
    assert "<svg" in (tmp_path / "errors.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_paper_figures(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    told = run("paper_figures.py", "--out", tmp_path, "--work", folder, "--levels", "4", "--images", "40")
    exact = ganglion.compile(folder / "digits.onnx", steps=1, members="levels", target=None)
    x, y = np.load(folder / "X.npy")[:40], np.load(folder / "Y.npy")[:40]
    wanted = ganglion.simulate(exact, x, record="all").counts
    for column, tau in enumerate((1, 4)):
        net = ganglion.compile(folder / "digits.onnx", steps=4, members=tau)
        result = ganglion.simulate(net, x, record="all")
        told_right = re.search(rf"^tau = {tau}, T = 4: ([\d.]+) %$", told, re.MULTILINE)
        assert told_right is not None
        assert told_right[1] == f"{100 * (result.logits.argmax(axis=1) == y).mean():.2f}"
        for name, counts in result.counts.items():  # a spike of tau members is worth L / tau levels
            v, w = counts.sum(axis=0) * (4 / tau / 4), wanted[name][0].astype(float)
            cells = re.search(rf"│ {name} +│ +([\d.]+) % │ +([\d.]+) % │", told)
            assert cells is not None
            error = 100 * np.linalg.norm(v - w) / np.linalg.norm(w)
            assert float(cells[1 + column]) == pytest.approx(error, abs=0.06)
    for picture in ("rates.svg", "tau.svg"):
        assert "<svg" in (tmp_path / picture).read_text(encoding="utf-8")


@pytest.mark.lava
def test_deploy_to_lava(folder: Path, lava_python: Path) -> None:
    told = run("deploy_to_lava.py", "--out", folder, "--images", "2", "--lava-python", lava_python)
    with np.load(folder / "lava-counts.npz") as recorded:
        net = ganglion.compile(folder / "digits.onnx", steps=2, members=4)
        result = ganglion.simulate(net, np.load(folder / "X.npy")[:2], record="all")
        for name, counts in result.counts.items():
            np.testing.assert_array_equal(recorded[name], counts)
    assert "equal to the simulator, every spike count at every step" in told


def test_deploying_without_lava_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "python")
    told = run("deploy_to_lava.py", "--out", folder, "--lava-python", nowhere, code=3)
    assert "it cannot run here: no Python with Lava was found" in told
    assert "pip install lava-nc==0.10.0" in told
    (command,) = re.findall(r"^  python (.*)$", told, re.MULTILINE)
    program, *options = command.split()
    assert Path(program).is_file()
    assert np.load(options[options.index("--input") + 1]).shape == (4, 1, 8, 8)


@pytest.mark.slow
def test_train_for_methods() -> None:
    told = run("train_for_methods.py", "--epochs", "2", COLUMNS="120")
    rows = [line.split("  ") for line in told.splitlines() if "%" in line]
    assert len(rows) == 8
    for method in ("if", "deng-gu", "dual-threshold"):
        assert any(method in [cell.strip() for cell in row] for row in rows)
    assert told.count("threshold ReLU, shifted") == 2
