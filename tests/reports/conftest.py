"""A model, its network and samples as files, as for the sweeps."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganglion
from tests.sweeps.conftest import write_networks


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """model.onnx (QCFS, L = 4), plain.onnx (ReLU), net.onnx (T = 2, tau = 4), X.npy and Y.npy; the current folder."""
    write_networks(tmp_path)
    ganglion.save(
        ganglion.compile(tmp_path / "model.onnx", steps=2, members=4, input_range=(0, 1)), tmp_path / "net.onnx"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path
