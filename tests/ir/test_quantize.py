"""quantize keeps to the target's integers, proves that membranes fit, and says what it had to give up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion import targets
from ganglion.errors import CompileError
from ganglion.ir import (
    Array,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    Input,
    MaxPool,
    Membrane,
    OneToOne,
    Op,
    Projection,
    Readout,
    Sparse,
    Staircase,
    Sum,
    interval,
    linear,
    passes,
    signed_bits,
)
from ganglion.ir.passes.quantize import quantize
from ganglion.simulator import simulate
from tests import networks


def small(weight: float = 1.0, step: float = 0.25, high: int = 16, width: int = 4) -> Graph:
    """Two dense layers, a residual between them."""
    rng = np.random.default_rng(0)
    return Graph(
        ops=(
            Input(name="x", shape=(width,), scale=1 / 16, low=0, high=high),
            Dense(name="fc1", inputs=("x",), weight=weight * rng.normal(size=(6, width)), origin=("/fc1",)),
            Staircase(name="a", inputs=("fc1",), step=step, levels=4),
            Dense(name="fc2", inputs=("a",), weight=rng.normal(size=(6, 6))),
            Sum(name="sum", inputs=("fc2", "a")),
            Staircase(name="b", inputs=("sum",), step=step, levels=4),
            Dense(name="fc3", inputs=("b",), weight=rng.normal(size=(3, 6))),
            Readout(name="logits", inputs=("fc3",), unit=np.array(1.0)),
        )
    )


@given(networks.integer_networks())
@settings(max_examples=60, deadline=None)
def test_every_number_fits_the_target(net: Graph) -> None:
    target = targets.load(net.target)
    for op in net.of(Projection):
        assert op.weight.dtype == np.int8
        assert np.abs(op.weight.astype(int)).max(initial=0) <= target.max_weight
        assert 0 <= op.exponent <= target.max_exponent
        assert 0 <= op.delay <= target.max_delay
    for membrane in net.of(Membrane):
        assert membrane.interval is not None
        assert signed_bits(*membrane.interval) <= target.membrane_bits
        assert membrane.interval == interval.potential_bounds(net, membrane)
        expected = (
            ()
            if target.scales == "population" or isinstance(membrane, (MaxPool, Readout))
            else net.typeof(membrane.name).shape[:1]
        )
        assert membrane.unit.shape == expected


def assert_rounded_in_sum(weight: Array, exact: Array) -> None:
    """Rounded to a neighbour, with as few to the farther one as keep the sum of every row."""
    rows, wanted = (a.reshape(len(a), -1).astype(float) for a in (weight, exact))
    assert (np.abs(rows - wanted) < 1).all()
    assert (np.abs((rows - wanted).sum(axis=1)) <= 0.5 + 1e-9).all()
    moved = (rows != np.rint(wanted)).sum(axis=1)
    assert (moved <= np.abs((np.rint(wanted) - wanted).sum(axis=1)) + 0.5 + 1e-9).all()


def whole(upper: Projection, lower: Op) -> Projection:
    """The projection that was split into two."""
    assert isinstance(lower, Projection)
    weight = (upper.weight.astype(int) << (upper.exponent - lower.exponent)) + lower.weight
    return replace(lower, weight=weight)


@given(networks.imported(), st.sampled_from([1, 2, 4]), st.sampled_from([1, 3, 4]))
@settings(max_examples=40, deadline=None)
def test_the_formulas(graph: Graph, steps: int, members: int) -> None:
    """Weights, biases and tables are what the definition says, from Delta and the exponents."""
    real = networks.scheduled(graph, steps, members)
    net = quantize(real, targets.load("loihi2"))
    for op in net.of(Membrane):
        before = real[op.name]
        assert isinstance(before, Membrane)
        channels = net.typeof(op.inputs[0]).shape[0]
        delta = np.broadcast_to(op.unit, (channels,))
        for name in op.inputs:
            if name.endswith("#low"):
                continue
            p, q = real[name], net[name]
            assert isinstance(p, Projection)
            assert isinstance(q, Projection)
            if f"{name}#low" in net:
                q = whole(q, net[f"{name}#low"])
            reached = delta[q.offset : q.offset + q.map_shape(net.typeof(q.inputs[0]).shape)[0]]
            if isinstance(q, Sparse):
                unit = reached[q.channel_of()] * 2.0**q.exponent
                np.testing.assert_array_equal(q.weight, np.rint(p.weight / unit))
            elif p.weight.ndim:
                unit = reached.reshape(-1, *(1,) * (p.weight.ndim - 1)) * 2.0**q.exponent
                if isinstance(q, OneToOne):
                    np.testing.assert_array_equal(q.weight, np.rint(p.weight / unit))
                else:
                    side = linear.repeated(p) if isinstance(p, Conv2d) else 1
                    once = (..., slice(None, None, side), slice(None, None, side)) if side > 1 else ...
                    assert_rounded_in_sum(q.weight[once], (p.weight / unit)[once])
                    if isinstance(q, Conv2d):  # what was equal stays equal
                        assert linear.repeated(q) >= side
        if before.bias is not None and op.bias is not None:
            np.testing.assert_array_equal(
                op.bias.reshape(channels, -1), np.rint(before.bias.reshape(channels, -1) / delta[:, None])
            )
        if isinstance(op, GroupNeuron):
            k = np.arange(1, members + 1)[:, None]
            np.testing.assert_array_equal(op.thresholds, np.ceil((k - 0.5) * op.scale / delta))
            reset = np.rint(np.cumsum(np.full(members, op.scale))[:, None] / delta)  # rint(k * q)
            np.testing.assert_array_equal(np.cumsum(op.inhibition, axis=0), reset)


def test_a_skip_connection_keeps_the_bits_of_the_layer_beside_it() -> None:
    graph = small()
    graph = scaled(graph, "fc2", 1 / 16)
    net = networks.quantized(graph, 2, 4, "loihi2")
    layer, skip = net["fc2"], next(iter(net.of(OneToOne)))
    assert isinstance(layer, Dense)
    assert np.abs(layer.weight).max() >= 64  # eight bits in use, although the skip's weight is far larger
    assert skip.exponent > layer.exponent


@given(networks.integer_networks(), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_no_input_leaves_the_proven_interval(net: Graph, seed: int) -> None:
    """The step engine checks every potential against the interval; corners of the input included."""
    x = networks.samples(net, 3, seed)
    source = net.input
    corners = np.random.default_rng(seed).choice([source.low, source.high], (3, *source.shape))
    x = np.concatenate([x, (corners - source.zero_point) * source.scale])
    simulate(net, x, engine="step", lanes=6)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.lists(st.integers(1, 9), min_size=5, max_size=5),
    st.integers(-30, 30),
    st.integers(0, 30),
)
def test_the_reset_of_an_interval_is_tight(gaps: list[int], inhibition: list[int], low: int, width: int) -> None:
    thresholds, amounts = np.cumsum(gaps), np.array(inhibition[: len(gaps)])
    reset = np.concatenate([[0], np.cumsum(amounts)])
    after = [v - reset[np.sum(v >= thresholds)] for v in range(low, low + width + 1)]
    got = interval.after_reset(np.array([low]), np.array([low + width]), thresholds, amounts)
    assert [int(bound[0]) for bound in got] == [min(after), max(after)]


def test_weights_give_way_until_the_membrane_fits_and_the_note_says_so() -> None:
    narrow = replace(targets.load("loihi2"), membrane_bits=17)
    net = quantize(networks.scheduled(small(high=255), 4, 4), narrow)
    assert any("a: in" in note and "of 8 bits" in note for note in net.notes)
    op = net["a"]
    assert isinstance(op, Membrane)
    assert op.interval is not None
    assert signed_bits(*op.interval) <= 17


def test_a_membrane_that_cannot_fit_is_an_error_that_names_the_layer() -> None:
    narrow = replace(targets.load("loihi2"), membrane_bits=9)
    real = networks.scheduled(small(high=255, width=300), 8, 4)
    named = real.rebuild([replace(op, origin=(f"/{op.name}",)) for op in real.ops])
    with pytest.raises(CompileError, match="membrane potential of 'a' may reach") as caught:
        quantize(named, narrow)
    assert caught.value.origin == ("/a",)
    assert "--input-range" in caught.value.hint


def test_thresholds_that_collapse_are_an_error() -> None:
    coarse = replace(targets.load("loihi2"), max_exponent=0)
    with pytest.raises(CompileError, match="not positive and strictly increasing"):
        quantize(networks.scheduled(small(weight=1000.0), 1, 8), coarse)


def test_a_delay_beyond_the_target_is_an_error() -> None:
    graph = small(width=6)
    graph = graph.rebuild([replace(op, inputs=("fc2", "x")) if op.name == "sum" else op for op in graph.ops])
    with pytest.raises(CompileError, match="extra delay of 1 steps; loihi2 has 0"):
        quantize(networks.scheduled(graph, 1, 4), replace(targets.load("loihi2"), max_delay=0))


def test_a_dead_layer_compiles() -> None:
    real = networks.scheduled(scaled(small(), "fc1", 0), 2, 4)
    net = passes.run(real, [partial(quantize, target=targets.load("loihi2"))])
    assert simulate(net, np.ones((2, 4))).rates["a"] == 0


def scaled(graph: Graph, name: str, by: float) -> Graph:
    """`graph` with the weights of one projection multiplied."""
    ops = [
        replace(op, weight=op.weight * by) if isinstance(op, Projection) and op.name == name else op for op in graph.ops
    ]
    return graph.rebuild(ops)
