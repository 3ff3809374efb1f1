"""Values too large for memory are refused by name before they are computed; large ones that fit are not."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ganglion.errors import CompileError, GanglionError, InputError
from ganglion.frontend import fold, import_model, limits, read
from tests import hostile

from .helpers import build, dyadic

ROW = "float[N,60] x"
REFUSED = [name for name, case in hostile.CASES.items() if case[3]]


@pytest.mark.parametrize("name", REFUSED)
def test_absurd_sizes_are_refused_by_name(name: str) -> None:
    *_, node, said = hostile.CASES[name]
    start = time.perf_counter()
    with pytest.raises(CompileError) as caught:
        import_model(hostile.models()[name])
    assert caught.value.origin[0] == node
    assert said in caught.value.message
    assert time.perf_counter() - start < 10


def test_functions_that_multiply() -> None:
    with pytest.raises(InputError, match="the model: has 1,000,000,000,000 nodes, its functions written out"):
        read(hostile.models()["functions"])


def test_functions_that_call_themselves() -> None:
    model = hostile.models()["functions"]
    for function in model.functions:
        for node in function.node:
            node.op_type = "f5"
    with pytest.raises(InputError, match=r"f5|functions"):
        read(model)


def test_values_without_elements() -> None:
    for body, x, node in (
        ("y = Conv(x, w)", "float[N,2,1,1] x", "Conv_0"),
        ("y = Slice(x, one, one)", "float[N,2,1,1] x", "Slice_0"),
        ("y = Neg(x)", "float[N,2,0] x", "x"),
        ("y = Neg(x)", "float[0,2] x", "x"),
    ):
        weights = {"w": dyadic(3, 2, 2, 2), "one": np.array([1])}
        model = build(body, x=x, y="float y", weights={n: a for n, a in weights.items() if f" {n}" in body})
        model.graph.output[0].ClearField("type")
        with pytest.raises(CompileError, match="is empty: it has the size") as caught:
            read(model)
        assert caught.value.origin == (node,)


@pytest.mark.parametrize("axis", [0, 1])
def test_negative_dimensions(axis: int) -> None:
    model = build("y = Neg(x)", x="float[N,2,3] x")
    model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = -1
    with pytest.raises(GanglionError, match=r"x.*-1"):
        read(model)


def test_the_batch_does_not_count() -> None:
    model = read(build("y = Neg(x)", x="float[30,1000000] x"))
    assert model.graph.outputs[0].shape == (30, 1_000_000)
    with pytest.raises(CompileError, match=r"30,000,000 values .* 8,388,608 per sample") as caught:
        read(build("y = Neg(x)", x="float[1,30000000] x"))
    assert caught.value.origin == ("x",)


def test_a_large_weight_that_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganglion.frontend.weights.MOST_BYTES", 100)
    with pytest.raises(CompileError, match="the weights 'w' need 0 MB; at most 0 MB are supported"):
        read(build("y = MatMul(x, w)", x="float[N,3] x", weights={"w": dyadic(3, 20)}))


def test_what_is_freed_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of nodes over one weight holds one result at a time, whichever engine computes it."""
    monkeypatch.setattr(limits, "MOST_COMPUTED", 3000)
    weights = {"v": dyadic(60, 10)}  # of 2400 bytes
    for first in ("a = Neg(v)", "a = com.microsoft.DequantizeLinear(q, s, z)"):
        given = {"q": np.ones((60, 10), np.int8), "s": np.float32(0.5), "z": np.int8(0)} if "q" in first else weights
        body = f"{first} b = Transpose(a) c = Neg(b) d = Neg(c) w = Transpose(d) y = MatMul(x, w)"
        model = read(build(body, x=ROW, weights=given, extra=', "com.microsoft" : 1'))
        assert [node.op_type for node in model.graph] == ["MatMul"]
    with pytest.raises(CompileError, match="one constant too many") as caught:
        read(build("a = Neg(v) b = Abs(v) c = Add(a, v) w = Add(b, c) y = MatMul(x, w)", x=ROW, weights=weights))
    assert caught.value.origin == ("Abs_1",)


def test_a_constant_of_unknown_size_is_left_alone() -> None:
    """Nothing says beforehand how large the result of a foreign node is."""
    body = "w = com.microsoft.ExpandDims(v, zero) y = Mul(x, w)"
    weights = {"v": dyadic(3), "zero": np.array(0, np.int32)}
    model = build(body, x="float[N,3] x", weights=weights, extra=', "com.microsoft" : 1')
    with pytest.raises(CompileError, match="ExpandDims"):
        import_model(model)


def test_slow_nodes_are_computed_by_onnxruntime() -> None:
    assert "Resize" in fold.SLOW
    weights = {"v": np.ones((1, 1, 4, 4), np.float32), "k": np.array([1, 1, 250, 250], np.float32)}
    start = time.perf_counter()
    model = read(build("w = Resize(v, , k) y = Mul(x, w)", x="float[N,1,1000,1000] x", weights=weights))
    assert [node.op_type for node in model.graph] == ["Mul"]
    assert time.perf_counter() - start < 10
