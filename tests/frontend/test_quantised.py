"""Quantised models made by hand: at T = 1 and tau = levels they give onnxruntime's codes, every one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import ganglion
from ganglion.errors import CompileError
from ganglion.frontend import run_onnxruntime
from ganglion.ir import GroupNeuron, Projection

from .helpers import Array
from .quantised_models import (
    TYPES,
    WEIGHTS,
    Builder,
    assert_same_codes,
    in_integers,
    integer_weights,
    nearly,
)

ZEROS = {"uint8": (0, 77, 128, 255), "int8": (-128, -33, 0, 127)}
ACTIVATIONS = pytest.mark.parametrize(("kind", "zero"), [(kind, z) for kind, zeros in ZEROS.items() for z in zeros])
TYPED = pytest.mark.parametrize(("kind", "zero"), [("uint8", 0), ("uint8", 131), ("int8", -128), ("int8", 5)])
AXES = pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])


def conv(
    kind: str, zero: int, *, weights: tuple[str, int] = ("int8", 0), relu: bool = False, per_channel: bool = False,
    bias: str = "int32", out: tuple[str, int] | None = None, seed: int = 0,
) -> tuple[Builder, str]:  # fmt: skip
    """Conv 3x3 of a quantised input, and its codes."""
    b = Builder(3, 6, 6, seed=seed)
    s = b.scale(0.03)
    x = b.coded("x", s, zero, kind)
    w_scale = b.scales(0.01, 5) if per_channel else b.scale(0.01)
    w = b.weights(5, 3, 3, 3, kind=weights[0], zero=weights[1], scale=w_scale, axis=0 if per_channel else None)
    biases: dict[str, Callable[[], list[str]]] = {
        "none": list[str],
        "int32": lambda: [b.bias(5, s * w_scale)],
        "float": lambda: [b.constant(b.rng.normal(size=5))],
        "its own scale": lambda: [b.bias(5, np.float32(0.00137))],
    }
    y = b.add("Conv", x, w, *biases[bias](), pads=[1] * 4)
    y = b.add("Relu", y) if relu else y
    kind, zero = out or (kind, zero)
    return b, b.coded(y, b.scale(0.08 if weights[1] in (0, 128) else 0.2), zero, kind)


@ACTIVATIONS
@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_every_zero_point(kind: str, zero: int, weights: tuple[str, int]) -> None:
    b, y = conv(kind, zero, weights=weights)
    model = b.model(y)
    kernel = (kind, weights[0]) != ("int8", "uint8")  # for which there is none
    assert bool(in_integers(model)) == kernel
    assert_same_codes(model, b.samples(), floats=not kernel)


@TYPED
@AXES
@pytest.mark.parametrize("bias", ["none", "int32", "float", "its own scale"])
def test_every_bias(kind: str, zero: int, per_channel: bool, bias: str) -> None:
    b, y = conv(kind, zero, per_channel=per_channel, bias=bias, seed=1)
    assert_same_codes(b.model(y), b.samples(), floats=not in_integers(b.model(y)))


@ACTIVATIONS
def test_relu_is_part_of_the_quantiser_where_its_zero_point_is_lowest(kind: str, zero: int) -> None:
    b, y = conv(kind, zero, relu=True)
    if zero == TYPES[kind][1]:
        with pytest.raises(CompileError, match="constant, it does not depend on its input"):
            ganglion.compile(b.model(y), steps=1, members="levels")
        return
    assert bool(in_integers(b.model(y))) == (zero == TYPES[kind][0])
    net = assert_same_codes(b.model(y), b.samples(), floats=zero != TYPES[kind][0])
    (population,) = net.of(GroupNeuron)
    assert population.members == TYPES[kind][1] - zero


@pytest.mark.parametrize("out", [("int8", 3), ("uint8", 3)])
def test_other_codes_behind_a_layer_than_before_it(out: tuple[str, int]) -> None:
    b, y = conv("uint8" if out[0] == "int8" else "int8", 9, out=out)
    assert_same_codes(b.model(y), b.samples(), floats=True)


def layer(b: Builder, op: str, x: str, x_scale: Any, kind: str, zero: int | None, per_channel: bool) -> str:
    """A layer of the kind `op` with weights of type `kind`."""

    def weights(*shape: int, axis: int) -> tuple[str, Array]:
        scale = b.scales(0.006, shape[axis]) if per_channel else b.scale(0.006)
        w = b.weights(*shape, kind=kind, zero=zero, scale=scale, axis=axis if per_channel else None)
        return w, np.asarray(x_scale * scale, np.float32)

    if op == "Gemm":
        w, unit = weights(12, 7, axis=1)
        return b.add("Gemm", x, w, b.bias(7, unit))
    if op == "Gemm transposed":
        w, unit = weights(7, 12, axis=0)
        return b.add("Gemm", x, w, b.bias(7, unit), transB=1)
    if op == "Gemm without bias":
        return b.add("Gemm", x, weights(12, 7, axis=1)[0])
    if op in ("MatMul", "MatMul of rows"):
        return b.add("MatMul", x, weights(12, 7, axis=1)[0])
    if op == "MatMul, Add":
        return b.add("Add", b.add("MatMul", x, weights(12, 7, axis=1)[0]), b.constant(b.rng.normal(size=7)))
    if op == "MatMul from the left":
        return b.add("MatMul", weights(7, 4, axis=0)[0], x)
    if op == "Conv 1-D":
        w, unit = weights(7, 4, 3, axis=0)
        return b.add("Conv", x, w, b.bias(7, unit), pads=[1, 1])
    if op == "Conv 1x1":
        w, unit = weights(7, 3, 1, 1, axis=0)
        return b.add("Conv", x, w, b.bias(7, unit), strides=[2, 2])
    if op == "Conv grouped":
        w, unit = weights(6, 1, 3, 3, axis=0)
        return b.add("Conv", x, w, b.bias(6, unit), group=3, pads=[1] * 4, dilations=[2, 1])
    assert op == "ConvTranspose"
    return b.add("ConvTranspose", x, weights(3, 4, 2, 2, axis=1)[0], b.constant(b.rng.normal(size=4)), strides=[2, 1])


SHAPES = {"MatMul of rows": (4, 12), "MatMul from the left": (4, 12), "Conv 1-D": (4, 12)} | dict.fromkeys(
    ("Conv 1x1", "Conv grouped", "ConvTranspose"), (3, 6, 6)
)
LAYERS = (
    *(
        "Gemm",
        "Gemm transposed",
        "Gemm without bias",
        "MatMul",
        "MatMul, Add",
        "MatMul of rows",
        "MatMul from the left",
    ),
    *("Conv 1-D", "Conv 1x1", "Conv grouped", "ConvTranspose"),
)


@TYPED
@AXES
@pytest.mark.parametrize("op", LAYERS)
def test_every_layer(op: str, kind: str, zero: int, per_channel: bool) -> None:
    if per_channel and op in ("MatMul of rows", "MatMul from the left"):
        pytest.skip("onnxruntime cannot run the one; the other has a test of its own")
    b = Builder(*SHAPES.get(op, (12,)), seed=2)
    s = b.scale(0.03)
    y = layer(b, op, b.coded("x", s, zero, kind), s, kind, 3, per_channel)
    model = b.model(b.coded(y, b.scale(0.04), zero, kind))
    assert bool(in_integers(model)) == (op != "ConvTranspose")
    assert_same_codes(model, b.samples(), floats=op == "ConvTranspose")


def test_gemm_without_a_zero_point_runs_in_floats() -> None:
    b = Builder(12)
    s = b.scale(0.03)
    model = b.model(b.coded(layer(b, "Gemm", b.coded("x", s, 9, "uint8"), s, "int8", None, False), 0.05, 9, "uint8"))
    assert not in_integers(model)
    assert_same_codes(model, b.samples(), floats=True)


def test_a_scale_for_each_value_of_a_row_is_lost_with_a_note() -> None:
    b = Builder(4, 12)
    s = b.scale(0.03)
    y = layer(b, "MatMul of rows", b.coded("x", s, 5, "uint8"), s, "int8", 0, True)
    nearly(b, b.coded(y, b.scale(0.04), 5, "uint8"), "matmul3: its codes are found in float32, not in integers")


def test_float_weights_get_a_note() -> None:
    b = Builder(3, 6, 6)
    w = b.constant(b.rng.normal(size=(4, 3, 3, 3)))
    y = b.add("Conv", b.coded("x", b.scale(0.03), 5, "uint8"), w)
    nearly(b, b.coded(y, b.scale(0.1), 5, "uint8"), "its weights are floats", most=0.4)


@pytest.mark.parametrize("transposed", [False, True])
def test_weights_that_the_model_quantises_itself(transposed: bool) -> None:
    """As training with fake quantisation leaves them: floats, QuantizeLinear, DequantizeLinear, perhaps Transpose."""
    b = Builder(12)
    x, scale, zero = b.coded("x", b.scale(0.03), 9, "uint8"), b.constant(b.scales(0.01, 7)), b.constant([0] * 7, "int8")
    codes = b.add("QuantizeLinear", b.constant(b.rng.normal(size=(7, 12))), scale, zero, axis=0)
    w = b.add("DequantizeLinear", codes, scale, zero, axis=0)
    y = b.add("MatMul", x, b.add("Transpose", w, perm=[1, 0])) if transposed else b.add("Gemm", x, w, transB=1)
    assert_same_codes(b.model(b.coded(y, b.scale(0.08), 9, "uint8")), b.samples())


@pytest.mark.parametrize(("high", "kernel"), [(6.0, False), (30.0, True)])
def test_clips(high: float, kernel: bool) -> None:
    """Where the quantiser clips as much (6 / 255 for a ReLU6) it is all one; where it does not, floats are clipped."""
    b = Builder(3, 6, 6)
    y = b.add("Conv", b.coded("x", b.scale(0.03), 5, "uint8"), b.weights(4, 3, 3, 3))
    y = b.coded(b.add("Clip", y, b.constant(0.0), b.constant(high)), np.float32(0.0917), 0, "uint8")
    assert bool(in_integers(b.model(y))) == kernel
    net = assert_same_codes(b.model(y), b.samples(), floats=not kernel)
    assert net.of(GroupNeuron)[0].members == min(255, round(high / 0.0917))


@pytest.mark.parametrize("again", [(0.05, 0), (0.031, 7)])
def test_quantised_twice(again: tuple[float, int]) -> None:
    """A Relu between two quantisers, of the same scale and of different ones."""
    b = Builder(3, 6, 6)
    y = b.add("Conv", b.coded("x", b.scale(0.03), 5, "uint8"), b.weights(4, 3, 3, 3))
    y = b.coded(b.add("Relu", b.coded(y, np.float32(0.05), 133, "uint8")), np.float32(again[0]), again[1], "uint8")
    net = assert_same_codes(b.model(y), b.samples())
    assert len(net.of(GroupNeuron)) == (1 if again[0] == 0.05 else 2)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_an_input_of_codes(kind: str) -> None:
    b = Builder(3, 6, 6, kind=kind)
    y = b.add("Conv", b.dequantise("x", b.scale(0.01), 7, kind), b.weights(4, 3, 3, 3))
    net = assert_same_codes(b.model(b.coded(y, b.scale(0.05), 7, kind)), b.samples())
    assert (net.input.low, net.input.high, net.input.scale) == (*TYPES[kind], 1.0)


@pytest.mark.parametrize(("kind", "zero"), [("uint4", 0), ("uint4", 7), ("int4", -8), ("int4", 1)])
@pytest.mark.parametrize("weights", [("int4", 0), ("uint4", 8)])
def test_four_bits(kind: str, zero: int, weights: tuple[str, int]) -> None:
    """onnxruntime has no kernels for them; with an odd number of samples, since it packs two to a byte."""
    b = Builder(3, 5, 5)
    x = b.coded("x", b.scale(0.3), zero, kind)
    w = b.weights(5, 3, 3, 3, kind=weights[0], zero=weights[1], axis=0)
    y = b.coded(b.add("Conv", x, w), b.scale(1.0), zero, kind)
    assert_same_codes(b.model(y), b.samples(31), floats=True, least=8)


@pytest.mark.parametrize(("kind", "low", "high"), [("uint8", 0, 15), ("int8", -8, 7)])
def test_fewer_bits_by_clipping_codes(kind: str, low: int, high: int) -> None:
    """As Brevitas exports them (QCDQ), weights too; onnxruntime runs 8-bit kernels."""
    b = Builder(3, 6, 6)

    def clipped(x: str, scale: Any, zero: Any, kind: str, low: int, high: int, **attributes: Any) -> str:
        codes = b.add("QuantizeLinear", x, b.constant(scale), b.constant(zero, kind), **attributes)
        codes = b.add("Clip", codes, b.constant(low, kind), b.constant(high, kind))
        return b.dequantise(codes, scale, zero, kind, **attributes)

    y = b.coded("x", b.scale(0.03), 0, kind)
    for inputs in (3, 4):
        floats = b.constant(b.rng.normal(size=(4, inputs, 3, 3)))
        w = clipped(floats, b.scales(0.15, 4), [0] * 4, "int8", -7, 7, axis=0)
        y = clipped(b.add("Conv", y, w), b.scale(0.4), 0, kind, low, high)
    assert_same_codes(b.model(y), b.samples())


def test_sixteen_bits_do_not_fit_and_say_so() -> None:
    b = Builder(3, 6, 6)
    y = b.add("Conv", b.coded("x", b.scale(2e-4), 0, "int16"), b.weights(4, 3, 3, 3))
    net = ganglion.compile(b.model(b.coded(y, b.scale(0.1), 0, "int8")), steps=1, members="levels")
    assert any("weights use only" in note or "rounded anew" in note for note in net.notes), net.notes


def test_constants_may_be_nodes() -> None:
    b, y = conv("uint8", 5)
    model = b.model(y)
    net = ganglion.compile(model, steps=1, members="levels")
    constants = [onnx.helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
    nodes = [*constants, *model.graph.node]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    again = ganglion.compile(model, steps=1, members="levels")
    assert again.source != net.source
    assert str(replace(again, source="")) == str(replace(net, source=""))


@pytest.mark.parametrize("per_channel", [False, True])
def test_logits_without_codes_are_exact_sums(per_channel: bool) -> None:
    b = Builder(12)
    x, w = b.coded("x", b.scale(0.03), 9, "uint8"), b.weights(12, 5, axis=1 if per_channel else None)
    model, samples = b.model(b.add("Gemm", x, w)), b.samples()
    net = ganglion.compile(model, steps=1, members="levels")
    expected = run_onnxruntime(model, samples)
    np.testing.assert_allclose(ganglion.simulate(net, samples).logits, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(integer_weights(net, net.of(Projection)[-1].name), stored(model, "gemm").T)


def stored(model: onnx.ModelProto, op: str) -> Array:
    """The integer weights of the first node of this kind, as the file has them."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    makers = {n.output[0]: n for n in model.graph.node}
    node = next(n for n in model.graph.node if n.op_type.lower() == op)
    return arrays[makers[node.input[1]].input[0]].astype(np.int64)


@AXES
def test_weights_are_the_models_own(per_channel: bool) -> None:
    """Shifted by the exponent; the second layer's by more bits than a weight of the target has."""
    for weights in WEIGHTS[0], WEIGHTS[3]:
        b, y = conv("uint8", 0, weights=weights, per_channel=per_channel)
        net = ganglion.compile(b.model(y), steps=1, members="levels")
        (name,) = {p.name.removesuffix("#low") for p in net.of(Projection) if p.name.startswith("conv")}
        found, expected = integer_weights(net, name), stored(b.model(y), "conv") - weights[1]
        shift = 0
        while (found != expected << shift).any():
            shift += 1
            assert shift < 12, "no power of two times the model's weights"
        planes = [p for p in net.of(Projection) if p.name.startswith(name)]
        assert len(planes) == (2 if weights[0] == "uint8" else 1)
        assert all(p.weight.dtype == np.int8 for p in planes)
