"""Group Neurons that take spikes back or have a bias of their own at each step: one meaning in every engine."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.ir import Array, Graph, GroupNeuron, Membrane, file, passes
from ganglion.simulator import Loops, simulate
from tests import networks
from tests.oracle import linear, spread
from tests.simulator.test_layer_engine import assert_equal

LOOPS: tuple[Loops, ...] = get_args(Loops)


@given(networks.general_networks(), st.integers(1, 5), st.sampled_from(LOOPS), st.integers(1, 2))
@settings(max_examples=80)
def test_the_layer_engine_equals_the_step_engine(net: Graph, samples: int, inner: Any, jobs: int) -> None:
    x = networks.samples(net, samples)
    expected = simulate(net, x, record="all", engine="step", lanes=2)
    assert_equal(simulate(net, x, record="all", loops=inner, jobs=jobs), expected)


@given(networks.general_networks(), st.integers(1, 4), st.sampled_from(["step", "layer"]))
@settings(max_examples=60)
def test_clusters_equal_their_group_neuron(net: Graph, samples: int, engine: Any) -> None:
    """Members that take spikes back see one step later what was sent: it is enough (as for Theorem 3)."""
    x = networks.samples(net, samples)
    expected = simulate(net, x, record="all", engine="step")
    run = simulate(passes.run(net, [passes.expand_clusters]), x, record="all", engine=engine)
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(run.counts[name], counts)
    np.testing.assert_array_equal(run.logits, expected.logits)


@given(networks.general_networks(), st.integers(0, 9))
@settings(max_examples=40)
def test_each_neuron_by_its_definition(net: Graph, seed: int) -> None:
    """Every population again, one neuron at a time, from what its sources sent."""
    x = networks.samples(net, 2, seed)
    run = simulate(net, x, record="all", engine="step")
    for op in net.of(GroupNeuron):
        shape = net.typeof(op.name).shape
        current = currents(net, op, x, run.counts)
        for where in np.ndindex(2, *shape):
            sample, channel = where[0], where[1]
            bias = 0 if op.bias is None else int(spread(op.bias, shape)[where[1:]])
            counts = one_neuron(op, channel, [int(current[t][where]) + bias for t in range(net.steps)])
            got = [int(run.counts[op.name][t][where]) for t in range(net.steps)]
            assert got == counts, (op.name, sample)
            assert all(total >= 0 for total in np.cumsum(got))


def currents(net: Graph, op: Membrane, x: Array, counts: dict[str, Array]) -> list[Array]:
    """What arrives at each step, (N, *shape), by the tests' own linear maps."""
    shape, found = net.typeof(op.name).shape, []
    for t in range(net.steps):
        total = np.zeros((len(x), *shape))
        for p in (net[name] for name in op.inputs):
            source = p.inputs[0]
            sent = net.input.encode(x)[0] if source == net.input.name else counts[source][t]
            total += np.stack([linear(p, one.astype(np.float64)) for one in sent])
        found.append(total)
    return found


def one_neuron(op: GroupNeuron, channel: int, current: list[int]) -> list[int]:
    """The definition in the docstring of `GroupNeuron`."""

    def of(table: Array | None, k: int) -> int:
        assert table is not None
        return int(table[k] if table.ndim == 1 else table[k, channel])

    V, S, sent = 0, 0, []
    for t, arriving in enumerate(current):
        V += arriving
        if op.bias_by_step is not None:
            V += of(op.bias_by_step, t)
        n = sum(of(op.thresholds, k) <= V for k in range(op.members))
        m = min(S, sum(of(op.negative, j) > V for j in range(op.takers)))
        V -= sum(of(op.inhibition, k) for k in range(n))
        V += sum(of(op.excitation, j) for j in range(m))
        S += n - m
        sent.append(n - m)
    return sent


@given(networks.general_networks())
@settings(max_examples=20)
def test_it_survives_the_file(net: Graph) -> None:
    again = file.from_bytes(file.to_bytes(net), "net.onnx")
    assert str(again) == str(net)
