"""A small model with two staircases, a plain one, and samples, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.test_cli import write_model


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """model.onnx (QCFS, L = 4), plain.onnx (ReLU), X.npy (24 samples) and Y.npy."""
    write_networks(tmp_path)
    return tmp_path


def write_networks(folder: Path, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    layers = {
        "w1": rng.normal(size=(4, 1, 3, 3)) / 3,
        "w2": rng.normal(size=(64, 12)) / 8,
        "b2": rng.normal(size=12) / 8,
    }
    head = {"w3": rng.normal(size=(12, 3)) / 2}
    numbers = {"theta": 1.0, "levels": 4.0, "half": 0.5, "zero": 0.0, "one": 1.0}

    def network(first: list[Any], second: list[Any]) -> list[Any]:
        return [
            helper.make_node("Conv", ["x", "w1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
            *first,
            helper.make_node("Flatten", ["y1"], ["f"]),
            helper.make_node("Gemm", ["f", "w2", "b2"], ["c2"]),
            *second,
            helper.make_node("MatMul", ["y2", "w3"], ["logits"]),
        ]

    staircases = network(_qcfs("c1", "y1"), _qcfs("c2", "y2"))
    write_model(folder / "model.onnx", staircases, layers | head | numbers, ("N", 1, 8, 8), 3)
    relus = [[helper.make_node("Relu", [f"c{i}"], [f"y{i}"])] for i in (1, 2)]
    write_model(folder / "plain.onnx", network(*relus), layers | head, ("N", 1, 8, 8), 3)
    np.save(folder / "X.npy", rng.uniform(0, 1, (24, 1, 8, 8)).astype(np.float32))
    np.save(folder / "Y.npy", rng.integers(0, 3, 24))


def _qcfs(x: str, y: str) -> list[Any]:
    chain = [
        ("Div", "theta"),
        ("Clip", "zero", "one"),
        ("Mul", "levels"),
        ("Add", "half"),
        ("Floor",),
        ("Div", "levels"),
    ]
    names = [x, *(f"{y}.{i}" for i in range(len(chain) - 1)), y]
    return [
        helper.make_node(op, [before, *others], [after])
        for (op, *others), before, after in zip(chain, names, names[1:], strict=False)
    ]
