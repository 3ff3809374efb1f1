"""`ganglion compare --ledger`, as people and scripts use it; with Lava at the ladder's end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from rich.console import Console

import ganglion
from ganglion.cli import main
from ganglion.ledger import table_of
from tests.backends.conftest import lava_python
from tests.ledger.test_meaning import relu_net

__all__ = ["lava_python"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """model.onnx, X.npy, Y.npy and net.onnx."""
    x = np.random.default_rng(1).uniform(-1, 1, (24, 2, 6, 6)).astype(np.float32)
    model = relu_net()
    onnx.save(model, tmp_path / "model.onnx")
    np.save(tmp_path / "X.npy", x)
    np.save(tmp_path / "Y.npy", np.arange(24) % 5)
    net = ganglion.compile(model, steps=2, members=2, calibration=x, input_range=(-1, 1))
    ganglion.save(net, tmp_path / "net.onnx")
    return tmp_path


def arguments(files: Path, *more: str) -> list[str]:
    return ["compare", str(files / "model.onnx"), str(files / "net.onnx"), "--input", str(files / "X.npy"), *more]


def test_json(files: Path) -> None:
    out = files / "out.json"
    assert main(arguments(files, "--labels", str(files / "Y.npy"), "--json", str(out), "--ledger")) == 0
    result = json.loads(out.read_text())
    ledger = result["ledger"]
    assert abs(sum(a["loss"] for a in ledger["attributions"]) - ledger["loss"]) < 1e-9
    assert ledger["accuracy"]["onnxruntime"] == result["accuracy"]["onnxruntime"]
    assert ledger["accuracy"]["float spikes"] == result["accuracy"]["float"]
    assert ledger["accuracy"]["integer spikes"] == result["accuracy"]["simulator"]
    assert main(arguments(files, "--json", str(out))) == 0
    assert "ledger" not in json.loads(out.read_text())


def test_what_people_see(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--ledger")) == 0
    text = capsys.readouterr().out
    for word in ("the ladder", "infinite T", "points lost", "population"):
        assert word in text
    book = ganglion.compare(files / "model.onnx", files / "net.onnx", np.load(files / "X.npy"), ledger=True).ledger
    assert book is not None
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table_of(book))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in capture.get()
    heading = "population case T float ger rate % % % bits lost"
    assert any(line.split() == heading.split() for line in lines)
    for name in book.populations:
        assert any(line.split()[:1] == [name] for line in lines), name


def test_errors_come_first(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--ledger", "--target", str(files / "nothing.toml"))) == 2
    assert "nothing.toml" in capsys.readouterr().err
    assert main(arguments(files, "--ledger", "--target", "loihi1")) == 2
    assert "compiled for 'loihi2'" in capsys.readouterr().err


@pytest.mark.lava
def test_lava_is_the_last_rung(files: Path, lava_python: Path) -> None:
    x = np.load(files / "X.npy")
    result = ganglion.compare(
        files / "model.onnx",
        files / "net.onnx",
        x,
        lava="graded",
        lava_samples=5,
        lava_python=lava_python,
        ledger=True,
    )
    book = result.ledger
    assert book is not None
    assert book.rungs[-1] == "lava"
    assert all(book.entry("lava", name).local_error == 0 for name in book.populations)
    assert book.entry("lava", book.populations[0]).headroom_bits is not None
    assert not [a for a in book.attributions if a.rung == "lava"]
