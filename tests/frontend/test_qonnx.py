"""QONNX's quantisers: what they compute, in numpy from their documentation, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.errors import CompileError
from ganglion.frontend import Calibration, Options, import_model, reference, run_onnxruntime
from ganglion.ir import Graph, GroupNeuron, Projection

from .helpers import Array
from .quantised_models import Builder, integer_weights

GENERAL = "qonnx.custom_op.general"
ROUNDINGS: dict[
    str, Callable[[Array], Array]
] = {  # https://github.com/fastmachinelearning/qonnx, docs/qonnx-custom-ops/intquant_v1.md
    "ROUND": np.rint,
    "half_even": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def quant(x: Any, scale: Any, zero: Any, bits: int, signed: int = 1, narrow: int = 0, mode: str = "ROUND") -> Array:
    """Quant, in float32."""
    x, scale, zero = (np.asarray(a, np.float32) for a in (x, scale, zero))
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    y = x / scale + zero
    whole = np.where(y >= 0, 1, -1) if signed and bits == 1 else ROUNDINGS[mode](np.clip(y, low, high))
    return np.asarray((whole - zero) * scale, np.float32)


def bipolar(x: Any, scale: Any) -> Array:
    return np.where(np.asarray(x) >= 0, 1, -1) * np.asarray(scale, np.float32)


def multi_threshold(x: Array, thresholds: Array, scale: float = 1.0, bias: float = 0.0, axis: int = 1) -> Array:
    channels = np.moveaxis(x, axis, -1)
    counts = (channels[..., None] >= thresholds.astype(np.float32)).sum(axis=-1)
    return np.asarray(scale * np.moveaxis(counts, -1, axis) + bias, np.float32)


class QBuilder(Builder):
    """With the nodes of QONNX."""

    domain = GENERAL

    def quant(self, x: str, scale: Any, zero: Any = 0.0, bits: int = 4, op: str = "Quant", **attributes: Any) -> str:
        inputs = (x, *(self.constant(a) for a in (scale, zero, float(bits))))
        attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | attributes
        return self.add(op, *inputs, domain=self.domain, **attributes)

    def bipolar(self, x: str, scale: Any) -> str:
        return self.add("BipolarQuant", x, self.constant(scale), domain=self.domain)

    def thresholds(self, x: str, thresholds: Array, **attributes: Any) -> str:
        table = self.constant(thresholds.astype(np.float32))
        return self.add("MultiThreshold", x, table, domain=self.domain, out_dtype="UINT8", **attributes)


SETTINGS = [
    (4, 1, 0, "ROUND"),
    (4, 1, 1, "ROUND"),
    (4, 0, 0, "half_even"),
    (4, 0, 1, "ROUND"),
    (8, 0, 0, "ROUND"),
    (2, 1, 1, "ROUND"),
    (1, 1, 0, "ROUND"),
    (1, 0, 0, "ROUND"),
    (4, 1, 0, "CEIL"),
    (4, 1, 0, "FLOOR"),
    (4, 0, 0, "UP"),
    (4, 0, 0, "DOWN"),
    (4, 0, 0, "ROUND_TO_ZERO"),
    (4, 1, 0, "HALF_UP"),
    (4, 1, 0, "HALF_DOWN"),
]


@pytest.mark.parametrize(("bits", "signed", "narrow", "mode"), SETTINGS, ids=str)
@pytest.mark.parametrize("zero", [0.0, 3.0])
def test_quant(bits: int, signed: int, narrow: int, mode: str, zero: float) -> None:
    """Weights of integers times a power of two: sums, and so the steps that they reach, are exact."""
    if zero and (bits == 1 or mode in ("HALF_UP", "HALF_DOWN")):
        pytest.skip("a zero point where half of the codes, or the modes' symmetry, end")
    b = QBuilder(3, 6, 6)
    weights, scale = b.rng.normal(size=(5, 3, 3, 3)), 0.375 if bits < 8 else 0.0625
    w = b.quant(b.constant(weights), 0.125, bits=4, narrow=1)
    y = b.add("Conv", b.quant("x", 0.25, bits=4), w)
    attributes: dict[str, Any] = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
    model = b.model(b.quant(y, scale, zero, bits, **attributes), rank=4)
    x = b.samples(32)
    sums = convolution(quant(x, 0.25, 0, 4), quant(weights, 0.125, 0, 4, narrow=1))
    expected = quant(sums, scale, zero, bits, signed, narrow, mode)
    np.testing.assert_array_equal(run_onnxruntime(model, x), expected)
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, expected, rtol=0, atol=1e-6)
    assert np.unique(expected).size >= min(2**bits - 3, 16)
    assert not net.notes
    assert (net.input.low, net.input.high, net.input.scale) == (-8, 7, 0.25)
    (population,) = net.of(GroupNeuron)
    assert population.grid is not None
    assert 0.25 * 0.125 / population.grid in 2.0 ** np.arange(5)  # or a part of it, for the thresholds' sake
    weight_is(net, "conv", quant(weights, 0.125, 0, 4, narrow=1) / 0.125)


def convolution(x: Array, w: Array) -> Array:
    """Conv without padding, in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), w.shape[2:], (2, 3))
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, w))


def weight_is(net: Graph, name: str, expected: Array) -> None:
    """The weights of the projection are the model's integers, shifted."""
    (found,) = (p.name for p in net.of(Projection) if p.name.startswith(name) and not p.name.endswith("#low"))
    weights = integer_weights(net, found)
    assert np.abs(expected - np.rint(expected)).max() < 1e-5
    expected = np.rint(expected)
    factor = weights.max() / expected.max()
    assert factor == 2 ** np.rint(np.log2(factor))
    np.testing.assert_array_equal(weights, (factor * expected).reshape(weights.shape))


def test_quant_towards_zero_has_one_step_of_double_width() -> None:
    b = QBuilder(3, 6, 6)
    y = b.add("Conv", b.quant("x", 0.25, bits=4), b.quant(b.constant(b.rng.normal(size=(5, 3, 3, 3))), 0.125))
    with pytest.raises(CompileError, match="unequal width"):
        ganglion.compile(b.model(b.quant(y, 0.375, rounding_mode="DOWN"), rank=4), steps=1, members="levels")


def test_scales_for_each_channel_of_the_weights_and_a_batch_norm() -> None:
    """Not powers of two: onnxruntime's sums are rounded, and no sum here is near a step."""
    b = QBuilder(3, 6, 6)
    weights, scales = b.rng.normal(size=(5, 3, 3, 3)), b.scales(0.15, 5).reshape(5, 1, 1, 1)
    w = b.quant(b.constant(weights), scales, bits=4, narrow=1)
    y = b.add("Conv", b.quant("x", b.scale(0.25), bits=8), w, b.constant(b.rng.normal(size=5)))
    norm = [b.constant(a) for a in (b.rng.normal(size=5), b.rng.normal(size=5), b.rng.normal(size=5), b.scales(1, 5))]
    y = b.add("Relu", b.add("BatchNormalization", y, *norm))
    model, x = b.model(b.quant(y, 0.21, bits=4, signed=0), rank=4), b.samples(32)
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, run_onnxruntime(model, x), rtol=0, atol=1e-6)
    assert ["onnxruntime computes" in note for note in net.notes] == [True]
    signs = np.sign(stored_gain(model)).reshape(5, 1, 1, 1)
    weight_is(net, "conv", quant(weights, scales, 0, 4, narrow=1) / scales.astype(np.float32) * signs)


def stored_gain(model: onnx.ModelProto) -> Array:
    node = next(n for n in model.graph.node if n.op_type == "BatchNormalization")
    tensor = next(t for t in model.graph.initializer if t.name == node.input[1])
    return onnx.numpy_helper.to_array(tensor)


def test_scales_for_each_channel_of_the_activations() -> None:
    b = QBuilder(3, 6, 6)
    y = b.add("Conv", b.quant("x", 0.25, bits=8), b.quant(b.constant(b.rng.normal(size=(5, 3, 3, 3))), 0.15))
    y = b.quant(y, b.scales(0.3, 5).reshape(1, 5, 1, 1), bits=4, signed=0)
    model, x = b.model(y, rank=4), b.samples(32)
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, run_onnxruntime(model, x), rtol=0.005, atol=0.01)
    model = b.model(b.quant(b.add("Conv", y, b.quant(b.constant(b.rng.normal(size=(4, 5, 2, 2))), 0.1)), 0.3), rank=4)
    net = ganglion.compile(model, steps=1, members="levels")
    assert any("its codes are found in float32, not in integers" in note for note in net.notes)


def test_bipolar() -> None:
    b = QBuilder(3, 6, 6)
    first, second = b.rng.normal(size=(6, 3, 3, 3)), b.rng.normal(size=(4, 6, 2, 2))
    y = b.add("Conv", b.quant("x", 0.125, bits=8), b.bipolar(b.constant(first), 0.5))
    y = b.add("Conv", b.bipolar(y, 0.75), b.bipolar(b.constant(second), 0.25))
    model, x = b.model(y, rank=4), b.samples(32)
    hidden = bipolar(convolution(quant(x, 0.125, 0, 8), bipolar(first, 0.5)), 0.75)
    expected = convolution(hidden, bipolar(second, 0.25))
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_array_equal(run_onnxruntime(model, x), expected)
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, expected, rtol=0, atol=1e-6)
    assert [op.members for op in net.of(GroupNeuron)] == [1]
    assert not net.notes


TABLES = {
    "for all": np.arange(1, 16)[None] * 0.8 - 0.3,
    "for each channel": np.arange(1, 16) * np.linspace(0.5, 1.5, 6)[:, None] - np.linspace(-3, 5, 6)[:, None],
    "uneven": np.sort(np.random.default_rng(1).normal(size=(6, 15)) * 5, axis=1),
    "unsorted": np.random.default_rng(2).normal(size=(6, 7)),
    "one": np.linspace(-4, 4, 6)[:, None],
    "many": np.arange(1, 256)[None] * 0.125 - 10,
    "coinciding": np.concatenate([np.zeros((3, 4)), np.arange(4) * np.ones((3, 1))]),
}


def table_model(name: str, **attributes: Any) -> tuple[QBuilder, Array, str]:
    """Conv with whole weights, as FINN leaves them, and thresholds; the weights, and the thresholds' result."""
    b = QBuilder(3, 6, 6)
    weights = b.rng.integers(-7, 8, (6, 3, 3, 3))
    y = b.add("Conv", b.quant("x", 0.125, bits=4), b.constant(weights))
    return b, weights, b.thresholds(y, TABLES[name], **attributes)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("scaled", [False, True])
def test_multi_threshold(name: str, scaled: bool) -> None:
    attributes: Any = {"out_scale": 0.5, "out_bias": -4.0} if scaled else {}
    b, weights, y = table_model(name, **attributes)
    model, x = b.model(y, rank=4), b.samples(32)
    sums = convolution(quant(x, 0.125, 0, 4), weights)
    expected = multi_threshold(sums, TABLES[name], *(attributes.values() if scaled else ()))
    np.testing.assert_array_equal(run_onnxruntime(model, x), expected)
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, expected, rtol=0, atol=1e-6)
    assert np.unique(expected).size >= 2
    even = name not in ("uneven", "unsorted", "coinciding")
    assert ["not evenly spaced" in note for note in net.notes] == [True] * (not even)
    weight_is(net, "conv", weights)


def test_one_table_after_another() -> None:
    """Signed codes between them, whole thresholds at the second: its sums are whole multiples of 1/2."""
    b, first, y = table_model("for each channel", out_scale=0.5, out_bias=-4.0)
    second = b.rng.integers(-3, 4, (4, 6, 3, 3))
    table = np.sort(b.rng.integers(-30, 30, (4, 7)), axis=1)
    model, x = b.model(b.thresholds(b.add("Conv", y, b.constant(second)), table), rank=4), b.samples(32)
    hidden = multi_threshold(convolution(quant(x, 0.125, 0, 4), first), TABLES["for each channel"], 0.5, -4.0)
    expected = multi_threshold(convolution(hidden, second), table)
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(run_onnxruntime(model, x), expected)
    assert np.unique(expected).size == 8
    assert all(op.grid is not None for op in net.of(GroupNeuron))


@pytest.mark.parametrize("steps", [2, 4])
@pytest.mark.parametrize("name", ["for all", "for each channel"])
def test_evenly_spaced_thresholds_serve_several_steps(name: str, steps: int) -> None:
    b, weights, y = table_model(name)
    model, x = b.model(y, rank=4), b.samples(16)
    expected = multi_threshold(convolution(quant(x, 0.125, 0, 4), weights), TABLES[name])
    net = ganglion.compile(model, steps=steps, members=5)
    assert ganglion.compare(model, net, x).equal
    assert np.abs(ganglion.simulate(net, x).logits - expected).mean() < 1.5 / steps


def test_thresholds_after_float_weights() -> None:
    b = QBuilder(3, 6, 6)
    y = b.thresholds(b.add("Conv", "x", b.constant(b.rng.normal(size=(6, 3, 3, 3)))), TABLES["uneven"])
    model, x = b.model(y, rank=4), np.rint(b.samples(16) * 32) / 32
    net = ganglion.compile(model, steps=1, members="levels", target=None, input_range=(-16, 16), input_step=1 / 32)
    assert (ganglion.simulate(net, x).logits != run_onnxruntime(model, x)).mean() < 1e-3


def test_thresholds_of_the_last_axis() -> None:
    """NHWC, between two Transposes, as FINN prefers it: the same table for all channels is fine, others are refused."""
    b = QBuilder(3, 6, 6)
    y = b.add("Conv", b.quant("x", 0.125, bits=4), b.constant(b.rng.integers(-7, 8, (6, 3, 3, 3))))
    y = b.add("Transpose", y, perm=[0, 2, 3, 1])
    model = b.model(b.thresholds(y, TABLES["for all"], data_layout="NHWC"), rank=4)
    x = b.samples(16)
    net = ganglion.compile(model, steps=1, members="levels")
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, run_onnxruntime(model, x), rtol=0, atol=1e-6)
    model = b.model(b.thresholds(y, TABLES["for each channel"], data_layout="NHWC"), rank=4)
    assert run_onnxruntime(model, x).shape == (16, 4, 4, 6)
    with pytest.raises(CompileError, match="not on axis 1") as error:
        ganglion.compile(model, steps=1, members="levels")
    assert "NCHW" in error.value.hint


@pytest.mark.parametrize("opset", [9, 11, 13, 21])
@pytest.mark.parametrize("domain", [GENERAL, "onnx.brevitas", "finn.custom_op.general"])
def test_old_opsets_and_other_domains(opset: int, domain: str) -> None:
    """A whole network: quantised input, dense layer behind a Flatten, logits of floats."""
    b = QBuilder(3, 6, 6, opset=opset)
    b.domain = domain
    y = b.add("Conv", b.quant("x", 0.125, bits=8), b.quant(b.constant(b.rng.normal(size=(6, 3, 3, 3))), 0.125))
    y = b.add("Flatten", b.quant(b.add("Relu", y), 0.5, bits=4, signed=0, op="IntQuant"))
    w = b.add("Transpose", b.quant(b.constant(b.rng.normal(size=(5, 96))), 0.25), perm=[1, 0])
    y = b.add("Add", b.add("MatMul", y, w), b.constant(np.arange(5) / 8))
    model, x = b.model(y, rank=2), b.samples(16)
    net = ganglion.compile(model, steps=1, members="levels")
    expected = run_onnxruntime(model, x)
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, expected, rtol=0, atol=1e-5)
    result = ganglion.compare(model, net, x)
    assert result.equal
    assert result.agreement["simulator"] == 1.0
    source = reference(model, Options())
    np.testing.assert_array_equal(run_onnxruntime(source, x), expected)
    assert {n.status for n in ganglion.check(model)} == {"supported", "changed"}


def test_calibration_runs_such_models() -> None:
    """A plain ReLU beside quantisers: its levels come from samples."""
    b = QBuilder(3, 6, 6)
    y = b.add("Conv", b.quant("x", 0.125, bits=8), b.quant(b.constant(b.rng.normal(size=(6, 3, 3, 3))), 0.125))
    model, x = b.model(b.add("Relu", y), rank=4), b.samples(16)
    graph = import_model(model, Options(calibration=Calibration(samples=x, levels=8)))
    assert len(graph.notes) == 0
    net = ganglion.compile(model, steps=4, members=8, calibration=x)
    assert ganglion.compare(model, net, x).distance["simulator"] < 0.1  # type: ignore[operator]


def wrong(change: str) -> onnx.ModelProto:
    b = QBuilder(3, 6, 6)
    match change:
        case "scale":
            y = b.quant("x", [0.0])
        case "bits":
            y = b.quant("x", 0.5, bits=0)
        case "mode":
            y = b.quant("x", 0.5, rounding_mode="STOCHASTIC")
        case "computed scale":
            y = b.add("Quant", "x", "x", b.constant(0.0), b.constant(4.0), domain=GENERAL)
        case "thresholds":
            y = b.thresholds("x", np.array([1.0, 2.0]))
        case "axes":
            y = b.thresholds(b.add("Flatten", "x"), np.ones((3, 2)))
        case "unknown axes":
            y = b.thresholds(b.add("Unsqueeze", "x", b.constant([1], "int64")), np.ones((3, 2)))
        case "gain":
            y = b.thresholds("x", np.array([[1.0, 2.0]]), out_scale=0.0)
        case _:
            y = b.add("Trunc", "x", *(b.constant(v) for v in (0.5, 0.0, 8.0, 4.0)), domain=GENERAL)
    return b.model(y, rank=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("scale", "a scale is not positive"),
        ("bits", "a bit width of"),
        ("mode", "the rounding mode 'STOCHASTIC' is unknown"),
        ("computed scale", "its scale is missing, or computed by the network"),
        ("thresholds", "thresholds of shape"),
        ("axes", "3 rows of thresholds for 108 channels"),
        ("unknown axes", "2 and 4 axes are supported"),
        ("gain", "out_scale is 0"),
        ("operator", "Trunc is not supported"),
    ],
)
def test_what_is_wrong_is_said(change: str, message: str) -> None:
    with pytest.raises(CompileError, match=message) as error:
        ganglion.compile(wrong(change), steps=1, members="levels")
    assert error.value.origin
