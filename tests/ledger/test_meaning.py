"""What populations stand for in the model: the folded network has the source's activations, whatever the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.ledger import Ledger, ledger_of
from tests.frontend.helpers import build
from tests.frontend.test_quantize_static import quantised


def weights(seed: int, *shape: int, about: float = 0.4) -> Any:
    return (about * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def relu_net(*, last: str = "Relu") -> onnx.ModelProto:
    """Plain, clipped and shifted ReLUs, a max pool, a concatenation, a residual join, a linear bottleneck."""
    body = f"""
        a = Conv<pads=[1,1,1,1]>(x, w1, b1)
        r = Relu(a)
        m = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r)
        c = Conv<pads=[1,1,1,1]>(m, w2, b2)
        k = Clip(c, zero, six)
        j = Add(k, m)
        e = Conv(j, w3)
        f = Conv<pads=[1,1,1,1]>(e, w4)
        g = {last}(f)
        t = Concat<axis=1>(g, m)
        u = Flatten(t)
        y = Gemm<transB=1>(u, w5)
    """
    constants = {
        "w1": weights(1, 6, 2, 3, 3), "b1": weights(2, 6), "w2": weights(3, 6, 6, 3, 3), "b2": weights(4, 6),
        "w3": weights(5, 3, 6, 1, 1), "w4": weights(6, 8, 3, 3, 3), "w5": weights(7, 5, 14 * 3 * 3, about=0.1),
        "zero": np.float32(0), "six": np.float32(1.5),
    }  # fmt: skip
    return build(body, x="float[N,2,6,6] x", weights=constants)


def folded_errors(ledger: Ledger) -> list[float]:
    return [ledger.entry("folded", name).relative_error for name in ledger.populations]


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_plain_activations(granularity: Any) -> None:
    model = relu_net()
    x = np.random.default_rng(0).uniform(-1, 1, (40, 2, 6, 6)).astype(np.float32)
    net = ganglion.compile(
        model, steps=2, members=8, calibration=x[:20], calibration_granularity=granularity, input_range=(-1, 1)
    )
    ledger = ledger_of(model, net, x)
    assert len(ledger.populations) >= 4
    assert max(folded_errors(ledger)) < 1e-5
    for name in ledger.populations:
        errors = [ledger.entry(rung, name).relative_error for rung in ("infinite T", "float spikes")]
        assert 0 < errors[0] < errors[1] < 0.5  # clipping alone, then T steps as well


def test_a_relay_stands_for_a_linear_value() -> None:
    """Of which the maximum is taken: it is linear, and has a population of its own."""
    body = """
        c = Conv<pads=[1,1,1,1]>(x, w1, b1)
        m = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c)
        r = Relu(m)
        u = Flatten(r)
        y = Gemm<transB=1>(u, w2)
    """
    constants = {"w1": weights(1, 4, 2, 3, 3), "b1": weights(2, 4), "w2": weights(3, 5, 36)}
    body = body.replace("r = Relu(m)", "v = Conv(m, w3)\n r = Relu(v)")
    model = build(body, x="float[N,2,6,6] x", weights=constants | {"w3": weights(4, 4, 4, 1, 1)})
    x = np.random.default_rng(0).uniform(-1, 1, (40, 2, 6, 6)).astype(np.float32)
    net = ganglion.compile(model, steps=2, members=8, calibration=x[:20], input_range=(-1, 1))
    assert any(name.endswith(".relay") for name in (op.name for op in net.populations))
    ledger = ledger_of(model, net, x)
    assert max(folded_errors(ledger)) < 1e-5
    (relay,) = (name for name in ledger.populations if name.endswith(".relay"))
    assert 0 < ledger.entry("staircase", relay).relative_error < 0.01  # 510 levels


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize(("activations", "weight_type"), [("QUInt8", "QInt8"), ("QInt8", "QInt8")])
def test_quantised_models(form: str, activations: str, weight_type: str, tmp_path: Path) -> None:
    model, x = quantised(tmp_path, form, activations, weight_type, True)
    net = ganglion.compile(model, steps=1, members="levels")
    ledger = ledger_of(model, net, x[:60])
    assert max(folded_errors(ledger)) < 0.02  # onnxruntime's own codes, read from between its kernels
    assert ledger.loss == 0
    assert max(ledger.entry("integer spikes", name).local_error or 0 for name in ledger.populations) < 1e-3
