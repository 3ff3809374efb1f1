"""What the graph says of a network."""

from __future__ import annotations

from dataclasses import replace

from ganglion.ir import GroupNeuron, Projection
from ganglion.reports.network import LONGEST, edges_of, populations_of, short_names

from .helpers import residual_network


def test_populations_and_edges_are_those_of_the_network() -> None:
    net = residual_network()
    populations = populations_of(net)
    edges = edges_of(net, populations)
    assert [p.name for p in populations] == [net.input.name, *(op.name for op in net.populations), net.readout.name]
    assert [p.level for p in populations] == [net.level(p.name) for p in populations]
    pairs = {(populations[e.source].name, populations[e.target].name): e for e in edges}
    for op in net.of(Projection):
        (reader,) = net.consumers(op.name)
        assert pairs[op.inputs[0], reader.name].delay == op.delay
    assert len(pairs) == len(net.of(Projection))
    assert {e.delay for e in edges} == {0, 1}


def test_a_group_neuron_tells_its_cluster() -> None:
    net = residual_network(members=3)
    neuron = populations_of(net)[1]
    assert neuron.kind == "group neuron"
    assert ("members τ", "3") in neuron.facts
    assert [member for member, _, _ in neuron.thresholds] == ["1", "2", "3"]
    assert neuron.highest == 3
    assert neuron.origin


def test_members_that_take_spikes_back_are_told() -> None:
    net = residual_network(members=2)
    first = net.of(GroupNeuron)[0]
    signed = replace(first, negative=-first.thresholds, excitation=first.inhibition)
    neuron = populations_of(net.rebuild([signed if op is first else op for op in net.ops]))[1]
    assert ("members that take spikes back", "2") in neuron.facts
    assert [member for member, _, _ in neuron.thresholds] == ["1", "2", "-1", "-2"]


def test_of_many_members_only_the_first_and_the_last_are_listed() -> None:
    listed = populations_of(residual_network(members=40))[1].thresholds
    assert len(listed) == 33
    assert listed[16][0] == "8 more"
    assert listed[-1][0] == "40"


def test_short_names_are_short_and_different() -> None:
    long = [f"/features/denseblock1/denselayer{i}/relu" for i in range(3)]
    names = ["relu", *long, "/features/denseblock1/xdenselayer1/relu"]
    short = short_names(names)
    assert short[0] == "relu"
    assert all(len(name) <= LONGEST for name in short)
    assert len(set(short)) == len(names)
    assert short_names(long) == short_names(long)
