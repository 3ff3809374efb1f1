"""Every linear ONNX op means in the IR what it means to onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from ganglion.errors import CompileError
from ganglion.frontend import Options, import_model
from ganglion.ir import Bias, Conv2d, OneToOne, Reshape, Stage, Staircase

from .helpers import Array, assert_same_meaning, build, dyadic

PLANE = "float[N,C,H,W] y"


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ("", (4, 2, 3, 3)),
        ("strides=[2,1], pads=[1,0,2,1]", (4, 2, 3, 2)),
        ("dilations=[2,1], pads=[2,2,0,0]", (3, 2, 3, 3)),
        ("group=2, pads=[1,1,1,1]", (4, 1, 3, 3)),
        ('auto_pad="SAME_UPPER", strides=[2,2]', (3, 2, 2, 4)),
        ('auto_pad="SAME_LOWER", strides=[2,3]', (3, 2, 2, 4)),
        ('auto_pad="VALID"', (3, 2, 2, 2)),
    ],
)
def test_conv(attributes: str, shape: tuple[int, ...]) -> None:
    attributes = f"<{attributes}>" if attributes else ""
    weights = {"w": dyadic(*shape), "b": dyadic(shape[0], seed=2)}
    graph = assert_same_meaning(build(f"y = Conv{attributes}(x, w, b)", y=PLANE, weights=weights))
    assert graph.stage is Stage.IMPORTED
    (conv,) = graph.of(Conv2d)
    assert conv.weight.dtype == np.float64
    assert conv.weight.flags.c_contiguous
    assert conv.origin == ("Conv_0",)


def test_conv_without_bias() -> None:
    graph = assert_same_meaning(build("y = Conv(x, w)", y=PLANE, weights={"w": dyadic(3, 2, 2, 2)}))
    assert not graph.of(Bias)


@pytest.mark.parametrize(
    ("attributes", "b", "c"),
    [
        ("", (7, 4), (4,)),
        ("<transB=1>", (4, 7), (1, 4)),
        ("<transB=1, alpha=0.5, beta=2.0>", (4, 7), (1, 1)),
        ("<beta=2.0>", (7, 4), ()),
    ],
)
def test_gemm(attributes: str, b: tuple[int, ...], c: tuple[int, ...]) -> None:
    weights = {"b": dyadic(*b), "c": dyadic(*c, seed=1, span=9) + np.float32(0.5)}
    assert_same_meaning(build(f"y = Gemm{attributes}(x, b, c)", x="float[N,7] x", weights=weights))


def test_gemm_without_c_and_with_a_computed_c() -> None:
    weights = {"b": dyadic(7, 4), "d": dyadic(7, 4, seed=5)}
    assert_same_meaning(build("y = Gemm(x, b)", x="float[N,7] x", weights=weights))
    assert_same_meaning(build("z = Gemm(x, b) y = Gemm<beta=3.0>(x, d, z)", x="float[N,7] x", weights=weights))


@pytest.mark.parametrize(
    ("body", "x", "w"),
    [
        ("y = MatMul(x, w)", "float[N,6] x", (6, 4)),
        ("y = MatMul(x, w)", "float[N,3,6] x", (6, 4)),
        ("y = MatMul(x, w)", "float[N,2,3,6] x", (6, 4)),
        ("y = MatMul(w, x)", "float[N,6,3] x", (4, 6)),
        ("y = MatMul(w, x)", "float[N,2,6,3] x", (4, 6)),
        ("y = MatMul(w, x)", "float[N,2,6,3] x", (1, 1, 4, 6)),
    ],
)
def test_matmul(body: str, x: str, w: tuple[int, ...]) -> None:
    rank = "N,A" if x == "float[N,6] x" else "N,A,B" if x.count(",") == 2 else "N,A,B,C"
    assert_same_meaning(build(body, x=x, y=f"float[{rank}] y", weights={"w": dyadic(*w)}))


def test_matmul_across_the_batch_is_refused() -> None:
    with pytest.raises(CompileError, match=r"MatMul_0: .*within each sample") as caught:
        import_model(build("y = MatMul(w, x)", x="float[1,6] x", weights={"w": dyadic(1, 1)}))
    assert caught.value.origin == ("MatMul_0",)


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 1), (1, 2, 1, 1), (2, 6, 5), (5,), (1, 1, 6, 1)])
@pytest.mark.parametrize("op", ["Add(x, c)", "Sub(c, x)", "Mul(x, c)", "Div(x, c)", "Sub(x, c)"])
def test_constants(op: str, shape: tuple[int, ...]) -> None:
    c = (np.abs(dyadic(*shape, span=9)) + np.float32(0.5)).astype(np.float32)
    assert_same_meaning(build(f"y = {op}", y=PLANE, weights={"c": c}))


def test_constant_weights_are_as_small_as_they_can_be() -> None:
    c = np.broadcast_to(np.array([2.0, 3.0], np.float32)[:, None, None], (1, 2, 6, 5)).copy()
    graph = assert_same_meaning(build("y = Mul(x, c)", y=PLANE, weights={"c": c}))
    (factor,) = graph.of(OneToOne)
    assert factor.weight.tolist() == [2.0, 3.0]


def test_branches() -> None:
    weights = {"w": dyadic(2, 2, 1, 1), "v": dyadic(2, 2, 3, 3, seed=3), "c": np.float32(1.5)}
    body = """
        a = Conv(x, w)  b = Conv<pads=[1,1,1,1]>(x, v)
        s = Add(a, b)  d = Sub(s, x)  e = Sum(d, x, c, a)  f = Add(e, e)  y = Neg(f)"""
    assert_same_meaning(build(body, y=PLANE, weights=weights))


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape=[2,2], strides=[2,2]",
        "kernel_shape=[3,2]",
        "kernel_shape=[3,3], pads=[1,1,1,1]",
        "kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1",
        "kernel_shape=[3,3], strides=[2,2], ceil_mode=1",
        "kernel_shape=[3,3], strides=[2,2], pads=[1,0,1,1], ceil_mode=1",
        "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1, count_include_pad=1",
        "kernel_shape=[2,2], dilations=[2,3]",
        'kernel_shape=[3,3], strides=[2,2], auto_pad="SAME_UPPER"',
    ],
)
def test_average_pool(attributes: str) -> None:
    assert_same_meaning(build(f"y = AveragePool<{attributes}>(x)", y=PLANE, opset=19))


@pytest.mark.parametrize("counted", [0, 1])
def test_a_window_that_starts_in_the_padding_is_refused(counted: int) -> None:
    """onnx's shape inference counts it, onnxruntime drops it: a network of the one would not be the other's."""
    attributes = f"kernel_shape=[2,2], strides=[2,2], pads=[1,1,1,1], ceil_mode=1, count_include_pad={counted}"
    text = f"y = AveragePool<{attributes}>(x)"
    with pytest.raises(CompileError, match="starts in the padding"):
        import_model(build(text, x="float[N,2,7,7] x", y=PLANE))


def test_average_pool_without_a_border_is_one_convolution() -> None:
    graph = assert_same_meaning(build("y = AveragePool<kernel_shape=[2,5], strides=[2,1]>(x)", y=PLANE))
    assert [type(op).__name__ for op in graph] == ["Input", "Conv2d", "Readout"]
    assert graph.of(Conv2d)[0].groups == 2


@pytest.mark.parametrize(
    ("body", "y"),
    [
        ("y = GlobalAveragePool(x)", PLANE),
        ("y = ReduceMean<axes=[2,3]>(x)", PLANE),
        ("y = ReduceMean<axes=[-1,-2], keepdims=0>(x)", "float[N,C] y"),
        ("y = ReduceMean<axes=[2]>(x)", PLANE),
        ("z = ReduceMean<axes=[3], keepdims=0>(x) y = ReduceMean<axes=[2], keepdims=0>(z)", "float[N,C] y"),
    ],
)
def test_means(body: str, y: str) -> None:
    assert_same_meaning(build(body, y=y))


@pytest.mark.parametrize("axes", ["[1]", "[0]", "[1,2,3]"])
def test_means_over_channels_are_refused(axes: str) -> None:
    with pytest.raises(CompileError, match="ReduceMean over the axes"):
        import_model(build(f"y = ReduceMean<axes={axes}>(x)", y=PLANE))


@pytest.mark.parametrize(
    ("body", "y"),
    [
        ("y = Flatten(x)", "float[N,M] y"),
        ("y = Flatten<axis=-3>(x)", "float[N,M] y"),
        ("s = Constant<value_ints=[0,-1]>() y = Reshape(x, s)", "float[N,M] y"),
        ("s = Constant<value_ints=[0,2,30]>() y = Reshape(x, s)", "float[N,A,B] y"),
        ("a = Constant<value_ints=[2]>() b = Unsqueeze(x, a) y = Squeeze(b, a)", PLANE),
        # how exporters write x.view(x.size(0), -1) for a dynamic batch
        (
            """s = Shape(x) i = Constant<value_int=0>() n = Gather(s, i) a = Constant<value_ints=[0]>()
            n1 = Unsqueeze(n, a) m = Constant<value_ints=[-1]>() t = Concat<axis=0>(n1, m) y = Reshape(x, t)""",
            "float[N,M] y",
        ),
    ],
)
def test_rearrangements(body: str, y: str) -> None:
    assert_same_meaning(build(body, y=y))


@pytest.mark.parametrize(
    "body",
    [
        "s = Constant<value_ints=[2,-1]>() y = Reshape(x, s)",
        "s = Constant<value_ints=[-1]>() y = Reshape(x, s)",
        "y = Flatten<axis=0>(x)",
    ],
)
def test_rearranging_the_batch_is_refused(body: str) -> None:
    with pytest.raises(CompileError, match="axis 0"):
        import_model(build(body, y="float[A,B] y"))


@pytest.mark.parametrize("batch", ["N", "1", "4"])
def test_the_batch_may_be_dynamic_or_static(batch: str) -> None:
    weights = {"w": dyadic(60, 3)}
    graph = assert_same_meaning(
        build("f = Flatten(x) y = MatMul(f, w)", x=f"float[{batch},2,6,5] x", y=f"float[{batch},3] y", weights=weights)
    )
    assert graph.input.shape == (2, 6, 5)
    assert graph.of(Reshape)[0].shape == (60,)


def batch_norm(channels: int) -> dict[str, Array]:
    return {
        "g": dyadic(channels, seed=1) + np.float32(2),
        "b": dyadic(channels, seed=2),
        "m": dyadic(channels, seed=3),
        "v": np.abs(dyadic(channels, seed=4)) + np.float32(0.5),
    }


def test_batch_norm() -> None:
    graph = assert_same_meaning(build("y = BatchNormalization(x, g, b, m, v)", y=PLANE, weights=batch_norm(2)))
    assert [type(op).__name__ for op in graph] == ["Input", "OneToOne", "Bias", "Readout"]


def test_batch_norm_in_training_mode_is_refused() -> None:
    body = "y, m2, v2 = BatchNormalization<training_mode=1>(x, g, b, m, v)"
    with pytest.raises(CompileError, match="training mode"):
        import_model(build(body, y=PLANE, weights=batch_norm(2)))


def test_identities_leave_nothing_behind() -> None:
    graph = assert_same_meaning(
        build("a = Identity(x) b = Dropout(a) y = Mul(b, two)", y=PLANE, weights={"two": np.float32(2)})
    )
    assert [type(op).__name__ for op in graph] == ["Input", "OneToOne", "Readout"]


def test_float64_models() -> None:
    weights = {
        "w": dyadic(7, 4).astype(np.float64),
        "half": np.array(0.5),
        "zero": np.array(0.0),
        "three": np.array(3.0),
    }
    body = "a = Gemm(x, w) b = Add(a, half) c = Floor(b) d = Clip(c, zero, three) y = Gemm<transB=1>(d, w)"
    graph = assert_same_meaning(build(body, x="double[N,7] x", y="double[N,M] y", weights=weights))
    assert [(s.step, s.levels) for s in graph.of(Staircase)] == [(1.0, 3)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("p, i = MaxPool<kernel_shape=[1,1]>(x) c = Cast<to=1>(i) y = Add(p, c)", "where the maxima lie, is used"),
        ("a = Softmax(x) y = Conv(a, w)", r"Softmax is not supported.*\n.*logits"),
        ("y = LRN<size=3>(x)", r"LRN is not supported.*\n.*--drop LRN"),
        ("y = Mul(x, x)", "not a staircase"),
        ("a = Conv(x, w) y = Mul(x, a)", "a product of computed values"),
        ("a = Conv(x, w) y = Max(x, a)", "Max of several computed values"),
        ("a = GlobalAveragePool(x) y = Add(x, a)", "broadcasts"),
        ("a = Conv(x, w) y = Conv(x, a)", "the weight is computed"),
        ("y = Div(x, zero)", "divides by zero"),
        ("y = Transpose<perm=[1,0,2,3]>(x)", "axis 0 must stay the batch"),
        ('y = Resize<mode="linear">(x, none, twice)', "mode 'linear' is not supported"),
        ("y = Add(x, batched)", "differs between samples"),
    ],
)
def test_what_is_not_supported_is_named(body: str, message: str) -> None:
    weights = {"w": dyadic(2, 2, 1, 1), "zero": np.zeros((), np.float32), "batched": dyadic(4, 2, 6, 5)}
    weights |= {"none": np.zeros(0, np.float32), "twice": np.array([1, 1, 2, 2], np.float32)}
    model = build(body, x="float[4,2,6,5] x" if "batched" in body else "float[N,2,6,5] x", y=PLANE, weights=weights)
    with pytest.raises(CompileError, match=message) as caught:
        import_model(model)
    assert set(caught.value.origin) <= {node.name or f"{node.op_type}_{i}" for i, node in enumerate(model.graph.node)}


def test_all_problems_are_told_at_once() -> None:
    body = "a = LRN<size=3>(x) b = Relu(a) c = Conv(b, w) d = Sigmoid(c) y = Conv(d, w)"
    with pytest.raises(CompileError) as caught:
        import_model(build(body, y=PLANE, weights={"w": dyadic(2, 2, 1, 1)}))
    assert set(caught.value.origin) == {"LRN_0", "Relu_1", "Sigmoid_3"}
    for word in ("a plain ReLU", "--calibration", "Sigmoid", "QCFS", "--drop LRN"):
        assert word in str(caught.value)


def test_only_the_cause_is_told_where_shapes_are_lost() -> None:
    body = "a = Foo.Bar(x) b = Relu(a) y = Conv(b, w)"
    model = build(body, y=PLANE, extra=', "Foo" : 1', weights={"w": dyadic(2, 2, 1, 1)})
    model.graph.node[0].domain, model.graph.node[0].op_type = "Foo", "Bar"
    with pytest.raises(CompileError, match="Foo::Bar is not supported") as caught:
        import_model(model)
    assert caught.value.origin == ("Bar_0",)


def test_batch_norm_in_training_mode_by_its_outputs() -> None:
    """Before opset 14 five outputs, not an attribute, say that batch statistics are used."""
    body = "y, m, v, sm, sv = BatchNormalization(x, one, zero, zero, one) z = Add(m, v)"
    weights = {"one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32)}
    model = build(body, y=f"{PLANE}, float[C] z", opset=13, weights=weights)
    with pytest.raises(CompileError, match="training mode") as caught:
        import_model(model, Options(output="y"))
    assert caught.value.origin == ("BatchNormalization_0",)
