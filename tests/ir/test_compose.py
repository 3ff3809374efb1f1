"""compose is exact: the composed network computes what the chain of linear ops computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ganglion.errors import CompileError
from ganglion.ir import (
    Bias,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool,
    OneToOne,
    Op,
    Readout,
    Reshape,
    Sparse,
    Staircase,
    Sum,
    passes,
)
from ganglion.ir.passes.compose import compose
from tests import networks, oracle


def chain(*ops: Op, shape: tuple[int, ...] = (2, 6, 6)) -> Graph:
    """Input, `ops` one after the other where they name no inputs, readout."""
    whole: list[Op] = [Input(name="x", shape=shape, scale=1.0, low=-8, high=8)]
    for op in ops:
        whole.append(op if op.inputs else replace_inputs(op, (whole[-1].name,)))
    whole.append(Readout(name="out", inputs=(whole[-1].name,), unit=np.array(1.0)))
    return Graph(ops=tuple(whole))


def replace_inputs(op: Op, inputs: tuple[str, ...]) -> Op:
    from dataclasses import replace

    return replace(op, inputs=inputs)


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-8, 9, shape) / 8


def composed_values(composed: Graph, x: Any) -> dict[str, Any]:
    """Every value of a composed network for the input `x`, in units of codes times the input's scale."""
    values: dict[str, Any] = {}
    for op in composed.ops:
        got = [values[i] for i in op.inputs]
        if op.mnemonic == "input":
            values[op.name] = x
        elif isinstance(op, MaxPool):
            values[op.name] = oracle.largest(op, np.sum(got, axis=0))
        elif isinstance(op, (Staircase, Readout)):
            total = np.sum(got, axis=0) + (0 if op.bias is None else oracle.spread(op.bias, got[0].shape))
            if isinstance(op, Staircase):
                total = op.step * np.clip(np.floor(total / op.step + 0.5), 0, op.levels)
            values[op.name] = total
        else:
            values[op.name] = oracle.linear(op, got[0])
    return values


def same(graph: Graph) -> Graph:
    """Compose `graph` and demand that the result computes the same on random integers; returns it."""
    composed = passes.run(graph, [compose])
    for seed in range(3):
        x = np.random.default_rng(seed).integers(-8, 9, graph.input.shape).astype(float)
        expected = oracle.staircase_network(graph, x)["out"]
        values = composed_values(composed, x)
        np.testing.assert_array_equal(values["out"].reshape(-1), expected.reshape(-1))
    return composed


POOL = {"weight": np.full((2, 1, 2, 2), 0.25), "strides": (2, 2), "groups": 2}


@pytest.mark.parametrize(
    ("pool", "conv"),
    [
        (POOL, {"weight": numbers(3, 2, 3, 3), "pads": (1, 1, 1, 1)}),
        (POOL, {"weight": numbers(4, 1, 3, 3), "pads": (1, 1, 1, 1), "groups": 2}),
        (POOL, {"weight": numbers(3, 2, 2, 2), "dilations": (2, 2)}),
        (POOL, {"weight": numbers(3, 2, 3, 3), "pads": (1, 0, 1, 2), "strides": (2, 1)}),
        ({**POOL, "weight": np.full((2, 1, 3, 3), 1 / 8), "pads": (1, 1, 1, 1)}, {"weight": numbers(3, 2, 1, 1)}),
    ],
)
def test_a_pool_and_a_convolution_become_one_convolution(pool: dict[str, Any], conv: dict[str, Any]) -> None:
    composed = same(chain(Conv2d(name="pool", **pool), Conv2d(name="conv", **conv)))
    (projection,) = composed.of(Conv2d)
    assert projection.name == "conv"


def test_a_convolution_and_a_pool_keep_their_groups() -> None:
    first = Conv2d(name="conv", weight=numbers(4, 1, 3, 3), groups=2)
    (projection,) = same(chain(first, Conv2d(name="pool", weight=np.full((4, 1, 2, 2), 0.25), groups=4))).of(Conv2d)
    assert projection.groups == 2


def test_padding_that_would_see_a_result_becomes_a_matrix() -> None:
    first = Conv2d(name="a", weight=numbers(3, 2, 3, 3), pads=(1, 1, 1, 1))
    second = Conv2d(name="b", weight=numbers(2, 3, 3, 3, seed=1), pads=(1, 1, 1, 1))
    composed = same(chain(first, Bias(name="bias", bias=numbers(3)), second))
    assert composed.of(Sparse)
    readout = composed.readout
    assert readout.bias is not None
    assert readout.bias.size == 2 * 6 * 6  # the bias is seen less at the border


def test_a_matrix_that_would_be_too_large_is_refused_with_the_layers_named() -> None:
    wide = Conv2d(name="a", weight=np.ones((16, 8, 3, 3)), pads=(1, 1, 1, 1), origin=("/a/Conv",))
    again = Conv2d(name="b", weight=np.ones((64, 16, 3, 3)), pads=(1, 1, 1, 1), origin=("/b/Conv",))
    with pytest.raises(CompileError, match="a relay population can stand between them") as caught:
        compose(chain(wide, again, shape=(8, 64, 64)))
    assert caught.value.origin == ("/a/Conv", "/b/Conv")


def test_flatten_then_dense_then_scale_and_bias() -> None:
    graph = chain(
        Conv2d(name="conv", weight=numbers(3, 2, 3, 3), strides=(2, 2), pads=(0, 1, 1, 0)),
        Reshape(name="flat", shape=(27,)),
        OneToOne(name="scale", weight=np.repeat(numbers(3), 9)),
        Bias(name="shift", bias=numbers(27, seed=2)),
        Staircase(name="act", step=0.5, levels=4),
        Dense(name="fc", weight=numbers(5, 27)),
    )
    composed = same(graph)
    assert composed.typeof("act").shape == (3, 3, 3)  # the population keeps the convolution's shape


def test_a_convolution_after_a_reshape() -> None:
    graph = chain(
        Dense(name="fc", weight=numbers(8, 72)),
        Reshape(name="image", shape=(2, 2, 2)),
        Conv2d(name="conv", weight=numbers(3, 2, 2, 2), pads=(1, 0, 0, 0)),
    )
    assert [op.name for op in same(graph).of(Dense)] == ["conv"]


def test_two_branches_from_one_source_are_merged_where_they_share_a_geometry() -> None:
    graph = chain(
        Conv2d(name="a", weight=numbers(2, 2, 3, 3), pads=(1, 1, 1, 1)),
        Conv2d(name="b", inputs=("x",), weight=numbers(2, 2, 1, 1, seed=1)),
        Sum(name="sum", inputs=("a", "b", "x")),
    )
    composed = same(graph)
    assert [(op.mnemonic, op.weight.shape) for op in composed.ops if isinstance(op, (Conv2d, OneToOne))] == [
        ("conv2d", (2, 2, 3, 3)),
        ("one-to-one", ()),
    ]


def test_a_value_added_to_itself_counts_twice() -> None:
    (projection,) = same(chain(Sum(name="twice", inputs=("x", "x")))).of(OneToOne)
    assert projection.weight == 2


def test_branches_of_different_shape_are_flattened_together() -> None:
    graph = chain(
        Conv2d(name="conv", weight=numbers(4, 2, 6, 6)),
        Reshape(name="flat", shape=(4,)),
        Dense(name="fc", inputs=("x",), weight=numbers(4, 72)),
        Sum(name="sum", inputs=("flat", "fc")),
    )
    assert len(same(graph).of(Dense)) == 1


def test_the_zero_point_of_the_input_reaches_the_bias() -> None:
    graph = chain(Conv2d(name="conv", weight=numbers(2, 2, 3, 3), pads=(1, 1, 1, 1)))
    shifted = graph.rebuild([Input(name="x", shape=(2, 6, 6), scale=0.5, zero_point=3, low=0, high=8), *graph.ops[1:]])
    bias = compose(shifted).readout.bias
    assert bias is not None
    ones = np.full((2, 6, 6), -3 * 0.5)
    np.testing.assert_array_equal(bias, oracle.linear(graph.ops[1], ones))


@given(networks.imported())
@settings(max_examples=50, deadline=None)
def test_drawn_networks(graph: Graph) -> None:
    composed = passes.run(graph, [compose])
    x = networks.samples(graph, 1)[0]
    expected = oracle.staircase_network(graph, x)
    source = composed.input
    values = composed_values(composed, x + source.zero_point * source.scale)  # the zero point sits in the biases
    for op in (*composed.of(Staircase), composed.readout):
        np.testing.assert_array_equal(values[op.name].reshape(-1), expected[op.name].reshape(-1))
