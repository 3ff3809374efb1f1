"""Parameters that do not fit their layer are refused by name, also where onnx's own inference lets them pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion.errors import CompileError
from ganglion.frontend import read

from .helpers import build, dyadic

QUANTISED = "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"
WEIGHTS = "w = DequantizeLinear<axis=0>(c, s, z) y = Conv(x, w)"
CODES = np.ones((3, 2, 2, 2), np.int8)


@pytest.mark.parametrize(
    ("body", "weights", "node", "reason"),
    [
        ("l = Flatten(x) y = Gemm(l, w, b)", {"w": dyadic(60, 3), "b": dyadic(4)}, "Gemm_1", "matrix C has shape"),
        ("l = Flatten(x) y = Gemm(l, w, b)", {"w": dyadic(60, 3), "b": dyadic(1, 1, 3)}, "Gemm_1", "needs (1, 3)"),
        (
            "y = Conv(x, w, b)",
            {"w": dyadic(3, 2, 2, 2), "b": dyadic(2)},
            "Conv_0",
            "the bias has shape (2,); it needs (3,)",
        ),
        ("y = ConvTranspose(x, w, b)", {"w": dyadic(2, 3, 2, 2), "b": dyadic(2)}, "ConvTranspose_0", "it needs (3,)"),
        (
            "y = BatchNormalization(x, a, a, a, v)",
            {"a": np.ones(2, np.float32), "v": np.ones((2, 1), np.float32)},
            "BatchNormalization_0",
            "the variance has shape (2, 1); it needs (2,)",
        ),
        (QUANTISED, {"s": np.float32(0), "z": np.int8(0)}, "QuantizeLinear_0", "a scale is not positive"),
        (
            QUANTISED,
            {"s": np.float32(1), "z": np.zeros(6, np.int8)},
            "QuantizeLinear_0",
            "the zero point has shape (6,)",
        ),
        (
            "a = Flatten(x) q = QuantizeLinear(a, a) y = DequantizeLinear(q, a)",
            {},
            "QuantizeLinear_1",
            "the scale is computed",
        ),
        (
            "q, s, z = DynamicQuantizeLinear(x) y = DequantizeLinear(q, s, z)",
            {},
            "DequantizeLinear_1",
            "the scale is computed",
        ),
        (
            WEIGHTS,
            {"c": CODES, "s": np.ones(2, np.float32), "z": np.zeros(2, np.int8)},
            "DequantizeLinear_0",
            "the scale, along axis 0 of (3, 2, 2, 2), has shape (2,); it needs (channels,)",
        ),
        (
            WEIGHTS.replace("axis=0", "axis=7"),
            {"c": CODES, "s": np.ones(3, np.float32), "z": np.zeros(3, np.int8)},
            "DequantizeLinear_0",
            "along axis 7",
        ),
        (
            WEIGHTS,
            {"c": CODES, "s": np.ones((3, 1), np.float32), "z": np.zeros((3, 1), np.int8)},
            "DequantizeLinear_0",
            "it needs (channels,)",
        ),
    ],
)
def test_parameters_that_do_not_fit(body: str, weights: dict[str, Any], node: str, reason: str) -> None:
    with pytest.raises(CompileError) as caught:
        read(build(body, opset=13, y="float[N,C,H,W] y" if "Flatten" not in body else "float[N,M] y", weights=weights))
    assert caught.value.origin == (node,)
    assert reason in caught.value.message
    assert caught.value.hint


def test_parameters_that_fit() -> None:
    for body, weights in (
        ("l = Flatten(x) y = Gemm(l, w, b)", {"w": dyadic(60, 3), "b": np.float32(1)}),
        ("l = Flatten(x) y = Gemm(l, w, b)", {"w": dyadic(60, 3), "b": dyadic(1, 3)}),
        (WEIGHTS, {"c": CODES, "s": np.ones(3, np.float32), "z": np.zeros(3, np.int8)}),
        (WEIGHTS.replace("axis=0", "axis=-4"), {"c": CODES, "s": np.ones(3, np.float32), "z": np.zeros(3, np.int8)}),
        (WEIGHTS, {"c": CODES, "s": np.ones(1, np.float32), "z": np.zeros(1, np.int8)}),
    ):
        model = build(body, y="float[N,C,H,W] y" if "Flatten" not in body else "float[N,M] y", weights=weights)
        assert read(model).graph.outputs[0].shape is not None
