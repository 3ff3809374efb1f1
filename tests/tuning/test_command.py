"""`ganglion compile --optimize`, as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.cli import main
from ganglion.tuning import Tuning
from tests.ledger.test_meaning import relu_net


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """model.onnx and X.npy."""
    onnx.save(relu_net(), tmp_path / "model.onnx")
    x = np.random.default_rng(1).uniform(-1, 1, (40, 2, 6, 6)).astype(np.float32)
    np.save(tmp_path / "X.npy", x)
    return tmp_path


def arguments(files: Path, *more: str) -> list[str]:
    setting = ["--steps", "2", "--members", "1", "--calibration", str(files / "X.npy"), "--input-range", "-1", "1"]
    return ["compile", str(files / "model.onnx"), "-o", str(files / "net.onnx"), *setting, *more]


def test_the_network_is_the_one_that_python_makes(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = files / "out.json"
    assert main(arguments(files, "--optimize", str(files / "X.npy"), "--json", str(out))) == 0
    text = capsys.readouterr().out
    x = np.load(files / "X.npy")
    net = ganglion.compile(files / "model.onnx", steps=2, members=1, calibration=x, input_range=(-1, 1), optimize=x)
    saved = ganglion.load(files / "net.onnx")
    assert saved.tuning == net.tuning
    assert str(saved) == str(net)
    corrections = Tuning.from_text(net.tuning).corrections
    result = json.loads(out.read_text())
    assert result["optimized"] == {n: {"before": c.before, "after": c.after} for n, c in corrections.items()}
    rows = {" ".join(line.split()) for line in text.replace("│", " ").splitlines()}
    for name, c in corrections.items():
        threshold = f" x {c.scale:g}" if c.scale != 1 else ""
        assert f"{name} {100 * c.before:.1f} % {100 * c.after:.1f} %{threshold}" in rows
    assert "optimised for T = 2 on 40 samples" in text
    model, data = str(files / "model.onnx"), str(files / "X.npy")
    assert main(["compare", model, str(files / "net.onnx"), "--input", data, "--ledger"]) == 0
    assert "recompiled" not in capsys.readouterr().out


def test_without_it_nothing_is_said_of_it(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--json", str(files / "out.json"))) == 0
    assert "optimised" not in capsys.readouterr().out
    assert json.loads((files / "out.json").read_text())["optimized"] == {}


def test_errors(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(files / "other.npy", np.zeros((3, 2, 5, 5)))
    np.save(files / "nan.npy", np.full((3, 2, 6, 6), np.nan))
    for name, message in [
        ("nothing.npy", "cannot read the samples to optimise on"),
        ("other.npy", "those of the calibration"),
        ("nan.npy", "NaN or infinity"),
    ]:
        assert main(arguments(files, "--optimize", str(files / name))) == 2
        assert message in " ".join(capsys.readouterr().err.split())
        assert not (files / "net.onnx").exists()
    own = arguments(files, "--optimize", str(files / "X.npy"))
    own[own.index("-o") + 1] = str(files / "X.npy")
    assert main(own) == 2
    assert "would be overwritten" in capsys.readouterr().err
