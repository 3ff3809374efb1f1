"""The digits example, with the training cut short."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from rich.console import Console  # noqa: E402
from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # noqa: E402

from tests.models import EXAMPLES, digits  # noqa: E402

pytestmark = pytest.mark.torch


def test_the_split_is_fixed_exact_and_stratified() -> None:
    data, again = digits.load(), digits.load()
    assert data.test_images.shape == (360, 1, 8, 8)
    assert data.train_images.shape == (1437, 1, 8, 8)
    assert data.test_images.dtype == np.float32
    assert data.test_labels.dtype == np.int64
    np.testing.assert_array_equal(data.test_images, again.test_images)
    everything = np.concatenate([data.train_images, data.test_images])
    codes = everything * 16
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert (codes.min(), codes.max()) == (0, 16)
    counts = np.bincount(data.test_labels)
    assert counts.min() >= 34
    assert counts.max() <= 38
    pixels, _ = load_digits(return_X_y=True)
    originals = {image.tobytes() for image in np.asarray(pixels, np.float32) / 16}
    assert {image.tobytes() for image in everything} == originals


def test_a_short_training_learns_exports_and_repeats(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen)  # no terminal: nothing to see
    state = torch.random.get_rng_state()
    first = digits.train_digits(tmp_path / "a", epochs=2, seed=3, dynamo=False, console=console)
    again = digits.train_digits(tmp_path / "b", epochs=2, seed=3, dynamo=False, console=console)
    assert screen.getvalue() == ""
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.accuracy > 0.8
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key])

    x, y = np.load(first.images), np.load(first.labels)
    assert (x.shape, x.dtype, y.shape) == ((360, 1, 8, 8), np.float32, (360,))
    session = onnxruntime.InferenceSession(first.onnx, providers=["CPUExecutionProvider"])
    logits = np.asarray(session.run(["logits"], {"input": x})[0])
    assert np.mean(logits.argmax(1) == y) == pytest.approx(first.accuracy, abs=1 / 360)
    entries = {entry.key: entry.value for entry in onnx.load_model(first.onnx).metadata_props}
    assert entries == {"ganglion.input_range": "0.0,1.0", "ganglion.input_step": "0.0625"}
    floors = [n.name for n in onnx.load_model(first.onnx).graph.node if n.op_type == "Floor"]
    blocks = [f"block{block}.relu{relu}/Floor" for block in (1, 2, 3) for relu in (1, 2)]
    assert floors == ["stem.2/Floor", *blocks]


def test_progress_shows_on_a_terminal(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    digits.train_digits(tmp_path, epochs=1, dynamo=False, console=console)
    assert "training, loss" in screen.getvalue()
    assert "1/1" in screen.getvalue()


def test_the_script_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "digits.py"), "--out", str(tmp_path), "--epochs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "test accuracy" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.npy", "Y.npy", "digits.onnx"]


@pytest.mark.slow
def test_the_full_training_reaches_98_percent(tmp_path: Path) -> None:
    assert digits.train_digits(tmp_path).accuracy >= 0.98
