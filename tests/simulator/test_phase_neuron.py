"""Phase neurons: one meaning in both engines, in time, in the proofs and in the file."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.errors import InternalError
from ganglion.inspection import Subject, open_population
from ganglion.ir import (
    Dense,
    Graph,
    GroupNeuron,
    Input,
    MaxPool,
    Membrane,
    OneToOne,
    PhaseNeuron,
    Projection,
    Readout,
    Spikes,
    Staircase,
    file,
    passes,
)
from ganglion.methods import Phase
from ganglion.simulator import Loops, simulate
from tests import networks
from tests.ir.test_quantize import small
from tests.oracle import spread
from tests.simulator.test_general_neuron import currents
from tests.simulator.test_layer_engine import assert_equal

ONE = np.array(1.0)
LOOPS: tuple[Loops, ...] = get_args(Loops)


@given(networks.phase_networks(), st.integers(1, 5), st.sampled_from(LOOPS), st.integers(1, 2))
@settings(max_examples=60)
def test_the_layer_engine_equals_the_step_engine(net: Graph, samples: int, inner: Any, jobs: int) -> None:
    x = networks.samples(net, samples)
    expected = simulate(net, x, record="all", engine="step", lanes=2)
    assert_equal(simulate(net, x, record="all", loops=inner, jobs=jobs), expected)


@given(networks.phase_networks(), st.integers(0, 9))
@settings(max_examples=40)
def test_each_neuron_by_its_definition(net: Graph, seed: int) -> None:
    """Every population again, one neuron at a time, from what its sources sent."""
    x = networks.samples(net, 2, seed)
    run = simulate(net, x, record="all", engine="step")
    for op in net.of(PhaseNeuron):
        shape = net.typeof(op.name).shape
        current = currents(net, op, x, run.counts)
        for where in np.ndindex(2, *shape):
            bias = 0 if op.bias is None else int(spread(op.bias, shape)[where[1:]])
            U = sum(int(at[where]) + bias for at in current)
            falling = [int(row if row.ndim == 0 else row[where[1]]) for row in op.thresholds]
            first = next((s for s, threshold in enumerate(falling) if threshold <= U), None)
            expected = [int(op.payloads[s]) if s == first else 0 for s in range(net.steps)]
            assert [int(run.counts[op.name][s][where]) for s in range(net.steps)] == expected


@given(networks.phase_networks())
@settings(max_examples=30)
def test_whoever_sends_once_does(net: Graph) -> None:
    """The claim that the proofs rest on, of phase neurons and of pools of them; and what that counts as spikes."""
    run = simulate(net, networks.samples(net, 3), record="all")
    for op in [*net.of(PhaseNeuron), *net.of(MaxPool)]:
        kind = net.typeof(op.name)
        assert isinstance(kind, Spikes)
        sent = run.counts[op.name] != 0
        assert run.spikes[op.name] == sent.sum() if kind.once else isinstance(op, MaxPool)
        assert not kind.once or sent.sum(axis=0).max() <= 1


def test_every_layer_needs_a_window_of_its_own() -> None:
    net = networks.phase(small(), 4, "loihi2")
    levels = [op.level for op in net.of(Membrane)]
    assert levels == [1, 5, 9]  # each sends in the step in which its window is complete
    assert [net.level(op.name) for op in net.of(PhaseNeuron)] == [4, 8]
    assert all(op.delay == 0 for op in net.of(Projection))


@given(networks.phase_networks())
@settings(max_examples=20)
def test_it_survives_the_file_and_has_the_same_clusters(net: Graph) -> None:
    assert str(file.from_bytes(file.to_bytes(net), "net.onnx")) == str(net)
    clusters = passes.run(net, [passes.expand_clusters])  # one neuron is no cluster: nothing changes but the stage
    x = networks.samples(net, 2)
    assert_equal(simulate(clusters, x, record="all"), simulate(net, x, record="all"))


def skip() -> Graph:
    """A skip connection beside a layer, which waits for a window of it."""
    rng = np.random.default_rng(0)

    def dense(name: str, source: str, out: int = 6) -> Dense:
        return Dense(name=name, inputs=(source,), weight=rng.integers(-8, 9, (out, 6)) / 16)

    def stairs(name: str, *sources: str) -> Staircase:
        return Staircase(name=name, inputs=sources, step=0.25, levels=4)

    readout = Readout(name="logits", inputs=("fc4",), unit=np.array(1.0))
    return Graph(
        ops=(
            *(Input(name="x", shape=(6,), scale=1 / 16, low=0, high=16), dense("fc1", "x"), stairs("a", "fc1")),
            *(
                dense("fc2", "a"),
                stairs("b", "fc2"),
                dense("fc3", "b"),
                OneToOne(name="skip", inputs=("a",), weight=ONE),
            ),
            *(stairs("c", "fc3", "skip"), dense("fc4", "c", 3), readout),
        )
    )


def test_branches_that_wait_longer_than_a_synapse_can() -> None:
    """Payloads wait in a Group Neuron with a member for each, and come out as they went in."""
    source, T = passes.run(skip(), [passes.compose]), 5
    grouped = passes.group(source, 1, lambda op, tau: Phase(base=2.0).neuron(op, tau, T))
    free, short = (passes.schedule(grouped, T, max_delay=most) for most in (None, 4))
    x = networks.samples(free, 3)
    assert [op.name for op in short.of(GroupNeuron)]
    np.testing.assert_array_equal(simulate(short, x, engine="step").logits, simulate(free, x).logits)


def test_a_window_of_another_length_is_noticed() -> None:
    net = networks.phase(small(), 4, "loihi2")
    with pytest.raises(InternalError, match="4 phases in windows of 3 steps"):
        passes.run(net.rebuild(net.ops, steps=3), [lambda graph: graph])


def test_it_can_be_opened() -> None:
    net = networks.phase(small(), 4, "loihi2")
    name = net.of(PhaseNeuron)[0].name
    told = str(open_population(Subject(net), name))
    assert "one spike in 4 steps, after as many have been collected" in told
    assert "it sends in the steps 4 to 7" in told
