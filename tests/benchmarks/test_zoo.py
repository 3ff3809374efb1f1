"""The zoo's benchmark: its parts on small models, and all of it on the smallest network."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from rich.console import Console

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "zoo.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks.zoo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prepared(folder: Path, activation: str) -> list[str]:
    """What `prepare` writes, for a perceptron with some activation; returns the arguments that measure it."""
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 13]> small (float[N,6] x) => (float[N,4] y)
        <float[6,8] w1, float[8,4] w2> {{ h = MatMul(x, w1)  a = {activation}(h)  y = MatMul(a, w2) }}""")
    rng = np.random.default_rng(0)
    w1, w2 = rng.standard_normal((6, 8), np.float32), rng.standard_normal((8, 4), np.float32)
    weights = [onnx.numpy_helper.from_array(w1, "w1"), onnx.numpy_helper.from_array(w2, "w2")]
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)
    onnx.save(model, folder / "model.onnx")
    x = rng.uniform(-2, 2, (40, 6)).astype(np.float32)
    np.savez(folder / "arrays.npz", calibration=x[:32], x=x[32:], logits=np.maximum(x[32:] @ w1, 0) @ w2)
    (folder / "drop.json").write_text("[]", encoding="utf-8")
    return ["squeezenet", f"--measure={folder}", "--steps=4", "--members=16"]


def test_a_network_is_measured(benchmark: ModuleType, tmp_path: Path) -> None:
    figures = benchmark.step(prepared(tmp_path, "Relu"))
    assert figures["relays"] == 0
    assert figures["neurons"] == 8
    assert len(figures["cosine"]) == 8
    assert min(figures["cosine"]) > 0.98
    assert 10 < figures["compile_peak_mb"] < 2000


def test_a_refusal_is_an_answer(benchmark: ModuleType, tmp_path: Path) -> None:
    figures = benchmark.step(prepared(tmp_path, "Sin"))
    assert list(figures) == ["refused"]
    assert "Sin" in figures["refused"]


def test_a_failure_says_its_last_word(benchmark: ModuleType, tmp_path: Path) -> None:
    assert "unknown network lenet" in benchmark.step(["lenet"])["failed"]
    assert "model.onnx" in benchmark.step(["squeezenet", f"--prepare={tmp_path / 'missing'}"])["failed"]


def test_cosines(benchmark: ModuleType) -> None:
    a, b = np.array([[3.0, 0], [1, 1], [1, 2]]), np.array([[4.0, 0], [1, 0], [-2, -4]])
    np.testing.assert_allclose(benchmark.cosines(a, b), [1, np.sqrt(0.5), -1])


def test_the_table_has_a_line_for_every_network(benchmark: ModuleType) -> None:
    figures: dict[str, Any] = {"model": "densenet121", "nodes": 910, "neurons": 12_919_528, "populations": 129}
    figures |= {"relays": 110, "compile_s": 112.34, "compile_peak_mb": 12345.6, "cosine": [0.9, 0.8], "agreement": 0.5}
    rows = [figures, {"model": "vgg19", "nodes": 46, "refused": "too large"}, {"model": "zfnet512", "failed": "killed"}]
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(benchmark.table(rows, "title"))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["densenet121", "910", "12.92", "M", "129", "110", "112.3", "12346", "0.850", "0.800", "50%"] in lines
    assert ["vgg19", "46", "refused"] in lines
    assert ["zfnet512", "failed"] in lines


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "squeezenet", "--images=1", f"--json={tmp_path / 'figures.json'}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "squeezenet" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert (figures["steps"], figures["members"], figures["images"]) == (4, 16, 1)
    (row,) = figures["models"]
    assert (row["nodes"], row["relays"]) == (66, 0)
    assert row["cosine"][0] > 0.97
