"""One population, opened, in both forms and before there are members."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ganglion.errors import InputError
from ganglion.inspection import OpenedPopulation, Subject, open_population
from ganglion.ir import Graph, GroupNeuron, Input, Membrane, Projection, Readout, Stage, Staircase, passes
from tests import networks
from tests.inspection.helpers import pooled_stages, small_stages


def opened(graph: Graph, name: str) -> OpenedPopulation:
    return open_population(Subject(graph), name)


@given(networks.integer_networks())
@settings(max_examples=15, deadline=None)
def test_both_forms_show_the_same_members(net: Graph) -> None:
    clusters = passes.run(net, [passes.expand_clusters])
    for op in net.of(GroupNeuron):
        graded, explicit = opened(net, op.name), opened(clusters, op.name)
        assert graded.members == explicit.members == tuple(f"{op.name}#{k + 1}" for k in range(op.members))
        np.testing.assert_array_equal(graded.thresholds, explicit.thresholds)
        np.testing.assert_array_equal(graded.inhibition, explicit.inhibition)
        assert graded.inhibited_by is None
        assert explicit.inhibited_by == f"{op.name}#inhibition"
        for name in (*explicit.members, f"{op.name}#inhibition"):
            assert opened(clusters, name).as_json() == explicit.as_json()
        same = ("shape", "level", "steps", "spikes", "interval", "membrane_bits", "channels", "inputs", "members")
        one, other = graded.as_json(), explicit.as_json()
        assert {key: one[key] for key in same} == {key: other[key] for key in same}


@given(networks.integer_networks())
@settings(max_examples=15, deadline=None)
def test_the_figures_are_those_of_the_ops(net: Graph) -> None:
    for op in net.of(Membrane):
        data = json.loads(json.dumps(opened(net, op.name).as_json(), allow_nan=False))
        value = net.typeof(op.name)
        assert data["shape"] == list(value.shape)
        assert len(data["channels"]) == value.shape[0]
        units = np.broadcast_to(op.unit, value.shape[:1])
        assert [c["unit"] for c in data["channels"]] == units.tolist()
        if isinstance(op, GroupNeuron):
            first = np.broadcast_to(op.thresholds[0], value.shape[:1])
            assert [c["thresholds"][0] for c in data["channels"]] == first.tolist()
            assert data["channels"][-1]["inhibition"] == np.atleast_2d(op.inhibition.T)[-1].tolist()
        if op.bias is not None:
            lows, highs = zip(*(c["bias"] for c in data["channels"]), strict=True)
            assert (min(lows), max(highs)) == (op.bias.min(), op.bias.max())
        assert [i["name"] for i in data["inputs"]] == list(op.inputs)
        for entry in data["inputs"]:
            projection = net[entry["name"]]
            assert isinstance(projection, Projection)
            assert (entry["from"], entry["delay"]) == (projection.inputs[0], projection.delay)
            assert (entry["exponent"], entry["weights"]["shape"]) == (
                projection.exponent,
                list(projection.weight.shape),
            )
            assert net.level(entry["from"]) + 1 + entry["delay"] == entry["arrives"] == op.level
            largest = max(-int(projection.weight.min()) - 1, int(projection.weight.max()))
            assert largest < 2 ** (entry["bits"] - 1)


def test_every_population_of_every_stage_opens(golden: Any) -> None:
    texts = []
    for graph in pooled_stages():
        names = [op.name for op in graph.populations] + [graph.readout.name]
        names += [op.name for op in graph.ops if op.mnemonic == "staircase"]
        for name in names:
            population = opened(graph, name)
            text = str(population)
            assert text.startswith(f"{graph[name].mnemonic} {name}\n")
            assert all(i in text for i in population.members[:24])
            assert ("T = 2" in text) == (graph.stage >= Stage.SCHEDULED)
            json.dumps(population.as_json(), allow_nan=False)
            if graph.stage in (Stage.IMPORTED, Stage.QUANTIZED):
                texts.append(f"// {graph.stage.name.lower()}\n{text}")
    golden("opened-populations.txt", "\n\n".join(texts) + "\n")


def test_many_members_and_channels_are_cut_for_people_and_whole_for_machines() -> None:
    net = networks.quantized(networks_with_width(40), 1, 30, "loihi2")
    population = opened(net, "act")
    text = str(population)
    assert "... and 6 more" in text
    assert "... and 16 more" in text
    assert len(population.as_json()["members"]) == 30
    assert len(population.as_json()["channels"]) == 40


def networks_with_width(width: int) -> Graph:
    b = networks.Builder(np.random.default_rng(1))
    b.add(Input(name="x", shape=(3,), scale=1 / 8, low=0, high=8), (3,))
    b.dense(width)
    b.add(Staircase(name="act", inputs=(b.value,), step=1.0, levels=30), (width,))
    b.dense(2)
    b.add(Readout(name="logits", inputs=(b.value,), unit=np.array(1.0)), (2,))
    return Graph(ops=tuple(b.ops))


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("conv5", "'conv5' is no population but an op of kind conv2d", "it feeds act6"),
        ("x", "'x' is no population but an op of kind input", "the populations are act3, max4, act6, logits"),
        ("act", "'pooled' has no population 'act'", "did you mean act6 or act3?"),
        ("logit", "'pooled' has no population 'logit'", "did you mean logits?"),
        ("zzz", "'pooled' has no population 'zzz'", "the populations are act3, max4, act6, logits"),
    ],
)
def test_other_names_get_an_answer(name: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        opened(pooled_stages()[-2], name)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_network_of_many_populations_names_only_some() -> None:
    with pytest.raises(InputError, match="has no population 'q'"):
        opened(small_stages()[0], "q")
