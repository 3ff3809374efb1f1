"""Weights in every form that ONNX has for them; those that cannot be used are named."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from ganglion.errors import CompileError, GanglionError, InputError
from ganglion.frontend import read
from ganglion.ir import OneToOne

from .helpers import assert_same_meaning, build, dyadic

PLANE = "float[N,C,H,W] y"
BAD = [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"), (1e35, "values beyond 1e\\+31")]


def refusal(model: onnx.ModelProto, kind: type[GanglionError] = InputError) -> GanglionError:
    with pytest.raises(kind) as caught:
        read(model)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(("bad", "kind"), BAD)
def test_weights_that_are_no_numbers(bad: float, kind: str) -> None:
    w = dyadic(3, 2, 2, 2)
    w[1, 1, 1, 1] = bad
    with pytest.raises(InputError, match=f"the model: the weights 'w' hold {kind}"):
        read(build("y = Conv(x, w)", y=PLANE, weights={"w": w}))
    for body in ("c = Constant<value_float={0}>()", "c = Constant<value_floats=[1.0, {0}]>()"):
        model = build(body.format("1.5") + " y = Mul(x, c)", x="float[N,2] x")
        attribute = model.graph.node[0].attribute[0]
        if attribute.floats:
            attribute.floats[1] = bad
        attribute.f = bad
        with pytest.raises(InputError, match=f"the weights 'c' hold {kind}"):
            read(model)
    model = build("y = Add(x, c)", y=PLANE)
    tensor = onnx.numpy_helper.from_array(np.array([bad], np.float32))
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], value=tensor))
    with pytest.raises(InputError, match=f"the weights 'c' hold {kind}"):
        read(model)


@pytest.mark.parametrize(("bad", "kind"), BAD)
def test_constants_that_are_computed_to_no_numbers(bad: float, kind: str) -> None:
    weights = {"s": np.array([2]), "z": np.zeros(1, np.float32), "big": np.full(1, 1e30, np.float32)}
    computed = {"NaN": "c = Div(z, z)", "infinity": "l = Log(z) c = Neg(l)"}.get(kind, "t = Mul(big, big) c = Sqrt(t)")
    if kind.startswith("values"):
        computed = "k = Constant<value_float=100.0>() c = Mul(big, k)"
    used = {name: array for name, array in weights.items() if f"({name}" in computed}
    with pytest.raises(InputError, match=f"the constants 'c' hold {kind}"):
        read(build(f"{computed} y = Mul(x, c)", x="float[N,2] x", weights=used))


def test_attributes_that_are_no_numbers() -> None:
    model = build("y = Gemm<alpha=2.0>(x, w)", x="float[N,2] x", weights={"w": dyadic(2, 2)})
    model.graph.node[0].attribute[0].f = np.inf
    error = refusal(model, CompileError)
    assert str(error).startswith("Gemm_0: Gemm: alpha is inf")


def test_an_infinite_bound_of_a_clip_is_fine() -> None:
    weights = {"zero": np.float32(0), "top": np.array(np.inf, np.float32), "L": np.float32(3)}
    model = build("a = Clip(x, zero, top) b = Floor(a) y = Min(b, L)", y=PLANE, weights=weights)
    assert_same_meaning(model, input_range=(-4, 4), input_step=1 / 16)


@pytest.mark.parametrize("dtype", [np.float16, np.complex64])
def test_other_precisions_are_refused_by_name(dtype: type[np.generic]) -> None:
    kind = np.dtype(dtype).name
    model = build(
        "y = Conv(x, w)",
        x="float16[N,2,6,5] x",
        y="float16[N,C,H,W] y",
        weights={"w": dyadic(3, 2, 2, 2).astype(dtype)},
    )
    with pytest.raises(CompileError, match=f"'w' are {kind}") as caught:
        read(model)
    assert caught.value.origin == ("Conv_0",)


@pytest.mark.parametrize(
    "constant",
    [
        "Constant<value=float[1,3] {0.5, -2.0, 0.25}>()",
        "Constant<value_floats=[0.5, -2.0, 0.25]>()",
        "Constant<value_float=-1.5>()",
        "ConstantOfShape<value=float[1] {-1.5}>(three)",
    ],
)
def test_every_form_of_a_constant(constant: str) -> None:
    weights = {"three": np.array([3])} if "three" in constant else {}
    graph = assert_same_meaning(build(f"c = {constant} y = Mul(x, c)", x="float[N,3] x", weights=weights))
    assert len(list(graph.of(OneToOne))) == 1


def test_integers_of_every_form() -> None:
    body = "a = Constant<value_ints=[0, -1]>() y = Reshape(x, a)"
    assert read(build(body)).graph.outputs[0].shape == ir.Shape([1, 60])
    body = "one = Constant<value_int=1>() s = Shape(x) n = Gather(s, one) c = Cast<to=1>(n) y = Mul(x, c)"
    assert_same_meaning(build(body, x="float[N,3] x"))


def test_empty_weights_are_refused_by_name() -> None:
    error = refusal(build("y = Mul(x, w)", x="float[N,3] x", weights={"w": np.zeros((0, 3), np.float32)}), CompileError)
    assert str(error).startswith("Mul_0: the weights 'w' are empty: they have shape (0, 3)")
    roi = np.zeros(0, np.float32)  # which exporters write, and nothing reads
    scales = np.array([1, 1, 2, 2], np.float32)
    body = 'y = Resize<mode="nearest">(x, roi, k)'
    assert read(build(body, y=PLANE, weights={"roi": roi, "k": scales})).graph.outputs[0].shape == [1, 2, 12, 10]


def test_weights_that_are_not_what_the_model_says_of_them() -> None:
    for dtype, shape, reason in (
        (onnx.TensorProto.FLOAT, [3], r"have shape \(1, 3\), but are declared as \(3,\)"),
        (onnx.TensorProto.FLOAT, [1, 4], r"have shape \(1, 3\), but are declared as \(1, 4\)"),
        (onnx.TensorProto.DOUBLE, [1, 3], "are float, but are declared as double"),
    ):
        model = build("y = Mul(x, w)", x="float[N,3] x", weights={"w": dyadic(1, 3)})
        model.graph.input.append(onnx.helper.make_tensor_value_info("w", dtype, shape))
        with pytest.raises(InputError, match=f"the model: the weights 'w' {reason}"):
            read(model)


@pytest.mark.parametrize("dims", [[1, 4], [-1, 3], [2, 3], [1, 3, 2**40], [2**62, 2**62]])
def test_weights_whose_shape_does_not_fit_their_numbers(dims: list[int]) -> None:
    model = build("y = Mul(x, w)", x="float[N,3] x", weights={"w": dyadic(40, 3)})
    for wrong in (dims, [dims[0], *dims]):
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(wrong)
        assert "'w'" in str(refusal(model, GanglionError)) or "tensor name: w" in str(refusal(model, GanglionError))


def test_weights_are_held_once() -> None:
    """Weights that stay part of a protobuf message are copied each time that they are read."""
    model = build("y = Conv(x, w)", y=PLANE, weights={"w": dyadic(3, 2, 2, 2)})
    (value,) = read(model).graph.initializers.values()
    assert value.const_value is not None
    assert value.const_value.numpy() is value.const_value.numpy()
