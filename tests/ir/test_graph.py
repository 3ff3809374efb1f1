"""The graph, its printed form, its networkx form, and what the verifier catches."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from ganglion.errors import CompileError, InternalError
from ganglion.ir import (
    BY_MNEMONIC,
    OPS,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    Input,
    LateralInhibition,
    Membrane,
    Op,
    Projection,
    Readout,
    Stage,
    Sum,
    passes,
)
from ganglion.ir.passes.schedule import levels_of
from ganglion.ir.verify import verify
from tests import networks
from tests.ir.test_quantize import small


@pytest.fixture
def net() -> Graph:
    return networks.quantized(small(), 2, 3, "loihi2")


def test_text_between_the_passes(golden: Any) -> None:
    texts: list[str] = []

    def watch(name: str, graph: Graph) -> None:
        texts.append(f"// after {name}\n{graph}")

    from functools import partial

    from ganglion import targets

    graph = small()
    graph = graph.rebuild([replace(op, origin=(f"/{op.name}/node",)) for op in graph.ops])
    steps: list[passes.Pass] = [
        passes.compose,
        partial(passes.group, members=3),
        partial(passes.schedule, steps=2),
        partial(passes.quantize, target=targets.load("loihi2")),
        passes.expand_clusters,
    ]
    passes.run(graph, steps, watch=watch)
    golden("small-network.txt", "\n\n".join(texts) + "\n")


def test_equal_text_means_equal_arrays(net: Graph) -> None:
    victim = net.of(Dense)[0]
    weight = victim.weight.copy()
    weight[0, 0] += 1
    changed = net.rebuild([replace(op, weight=weight) if op is victim else op for op in net.ops])
    assert str(changed) != str(net)


def test_networkx_has_every_op_and_edge(net: Graph) -> None:
    clusters = passes.run(net, [passes.expand_clusters])
    for graph in (net, clusters):
        g = graph.to_networkx()
        assert set(g.nodes) == {op.name for op in graph.ops}
        feedback = sum(len(op.inputs) for op in graph.of(LateralInhibition))
        assert g.number_of_edges() == sum(len(op.inputs) for op in graph.ops) + feedback
        assert "\n".join(nx.generate_graphml(g)).startswith("<graphml")
    assert nx.is_directed_acyclic_graph(net.to_networkx())
    assert not nx.is_directed_acyclic_graph(clusters.to_networkx())


def test_levels_are_longest_paths() -> None:
    graph = networks.scheduled(small(), 2, 3)
    g = graph.to_networkx()
    for op in graph.of(Membrane):
        paths = [len(p) // 2 for p in nx.all_simple_paths(g, "x", op.name)]
        assert levels_of(graph)[op.name] == op.level == max(paths)


def test_arrays_are_read_only() -> None:
    op = Dense(name="fc", weight=np.ones((2, 2)))
    with pytest.raises(ValueError, match="read-only"):
        op.weight[0, 0] = 2


def test_every_op_has_its_own_mnemonic_and_equation() -> None:
    assert len(BY_MNEMONIC) == len(OPS)
    for op in OPS:
        assert op.__doc__
        assert re.search(r"=|<-|stands for|sends|same values", op.__doc__), op


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ([Dense(name="a", inputs=("nothing",), weight=np.ones((1, 1)))], "which nothing before it defines"),
        ([Input(name="a", shape=(1,), scale=1.0, low=0, high=1)] * 2, "defined twice"),
        ([Input(name="", shape=(1,), scale=1.0, low=0, high=1)], "empty"),
    ],
)
def test_a_broken_graph_is_an_internal_error(ops: list[Op], message: str) -> None:
    with pytest.raises(InternalError, match=message):
        Graph(ops=tuple(ops))


X = Input(name="x", shape=(2, 4, 4), scale=1.0, low=0, high=1)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Conv2d(name="c", inputs=("x",), weight=np.ones((2, 3, 3, 3))), "do not fit 2 input channels"),
        (Conv2d(name="c", inputs=("x",), weight=np.ones((2, 2, 5, 5))), "the kernel reaches over 5 places"),
        (Conv2d(name="c", inputs=("x",), weight=np.ones((3, 1, 1, 1)), groups=2), "in 2 groups"),
        (Conv2d(name="c", inputs=("x",), weight=np.ones((2, 2, 1, 1)), strides=(0, 1)), "not usable"),
        (Dense(name="c", inputs=("x",), weight=np.ones((2, 3))), "do not fit an input of 32 values"),
        (Readout(name="c", inputs=("x",), unit=np.ones(3)), r"the membrane unit has shape \(3,\)"),
        (replace(X, name="c", scale=-1.0), "must be positive"),
        (replace(X, name="c", high=2**20), "do not fit 16 bits"),
    ],
)
def test_an_op_that_cannot_be_names_its_onnx_node(op: Op, message: str) -> None:
    with pytest.raises(CompileError, match=message) as caught:
        Graph(ops=(X, replace(op, origin=("/layer1/Conv",))))
    assert "/layer1/Conv" in str(caught.value)


def spoiled(net: Graph, name: str, **changes: Any) -> Graph:
    return net.rebuild([replace(op, **changes) if op.name == name else op for op in net.ops])


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda g: spoiled(g, "fc2", delay=1), "paths_are_balanced"),
        (lambda g: spoiled(g, "b", level=7), "paths_are_balanced"),
        (lambda g: g.rebuild(g.ops, steps=0), "paths_are_balanced"),
        (lambda g: spoiled(g, "fc1", weight=g["fc1"].weight.astype(float)), "everything_is_integer"),
        (lambda g: spoiled(g, "a", thresholds=g["a"].thresholds * 1.0), "everything_is_integer"),
        (lambda g: g.rebuild(g.ops, stage=Stage.CLUSTERED), "only_ops_of_the_stage"),
        (lambda g: g.rebuild(g.ops[:-1]), "one_input_one_readout"),
        (lambda g: spoiled(g, "fc1", exponent=30), "membranes_fit"),
        (
            lambda g: g.rebuild(
                [*g.ops[:1], Dense(name="d", inputs=("x",), weight=np.eye(4, dtype=np.int8)), *g.ops[1:]]
            ),
            "projections_join_populations",
        ),
    ],
)
def test_the_verifier_names_the_broken_rule(net: Graph, spoil: Any, rule: str) -> None:
    verify(net)
    with pytest.raises(InternalError, match=rule) as caught:
        verify(spoil(net))
    assert "group-neuron" in caught.value.ir_text


def test_the_verifier_looks_into_clusters(net: Graph) -> None:
    clusters = passes.run(net, [passes.expand_clusters])
    verify(clusters)
    with pytest.raises(InternalError, match="share input, bias and level"):
        verify(spoiled(clusters, "a#2", bias=np.ones(6, np.int32)))


def test_a_pass_that_breaks_the_network_is_named(net: Graph) -> None:
    def clumsy(graph: Graph) -> Graph:
        return spoiled(graph, "fc2", delay=1)

    def crashing(graph: Graph) -> Graph:
        raise ZeroDivisionError

    for step in (clumsy, crashing):
        with pytest.raises(InternalError, match=f"pass '{step.__name__}'") as caught:
            passes.run(net, [step])
        assert "network" in caught.value.ir_text


def test_a_pass_must_keep_the_origins(net: Graph) -> None:
    named = net.rebuild([replace(op, origin=(op.name,)) for op in net.ops])
    with pytest.raises(InternalError, match="lost their origin: a"):
        passes.run(named, [lambda g: spoiled(g, "a", origin=())])


def test_branches_of_different_shapes_are_the_users_error() -> None:
    conv = Conv2d(name="c", inputs=("x",), weight=np.ones((2, 2, 2, 2)))
    with pytest.raises(CompileError, match="different shapes"):
        Graph(ops=(X, conv, Sum(name="s", inputs=("x", "c"), origin=("/Add",))))


def test_members_of_a_cluster(net: Graph) -> None:
    clusters = passes.run(net, [passes.expand_clusters])
    neuron = net["a"]
    assert isinstance(neuron, GroupNeuron)
    members = clusters.clusters()["a#inhibition"]
    assert [m.name for m in members] == ["a#1", "a#2", "a#3"]
    for k, member in enumerate(members):
        np.testing.assert_array_equal(member.threshold, neuron.thresholds[k])
    assert clusters.level("a") == clusters.level("a#inhibition") == neuron.level
    assert all(isinstance(clusters[name], Projection) for name in members[0].inputs)
