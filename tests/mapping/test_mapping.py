"""Mappings of small networks: whole, legal, the same each time, kept in the network's file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import ganglion
from ganglion import InputError, targets
from ganglion.ir import Dense, Graph
from ganglion.mapping import Mapping, map_network
from ganglion.mapping.place import Traffic, search_of
from ganglion.mapping.verify import faults
from tests import networks as drawn
from tests.backends import networks

NETWORKS = {"mlp": networks.mlp, "convolutions": networks.convolutions, "residual": networks.residual}
POOLED = {**NETWORKS, "pools": networks.pools}


@pytest.mark.parametrize("form", ["cluster", "graded"])
@pytest.mark.parametrize("name", POOLED)
def test_a_network_maps_onto_loihi2_in_both_forms(name: str, form: str) -> None:
    net = POOLED[name]()
    mapping = map_network(net, "loihi2", form=form)
    assert mapping.fits == "under assumptions"
    assert mapping.chips == 1
    assert faults(net, targets.load("loihi2"), mapping) == []


@settings(max_examples=25, deadline=None)
@given(drawn.integer_networks())
def test_every_drawn_network_maps_without_faults(net: Graph) -> None:
    chip = targets.load("loihi2")
    for form in ("cluster", "graded"):
        mapping = map_network(net, chip, form=form)
        assert mapping.placement is None or faults(net, chip, mapping) == []


def small_cores(tmp_path: Path, **changes: str) -> Path:
    """A chip of small cores, for which even small networks have to be cut."""
    text = (Path(targets.__file__).parent / "loihi1.toml").read_text()
    for old, new in {"neurons = 1024 ": "neurons = 48 ", 'name = "loihi1"': 'name = "small"', **changes}.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "small.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_small_cores_hold_a_network_that_is_cut(name: str, tmp_path: Path) -> None:
    net, path = NETWORKS[name](), small_cores(tmp_path)
    mapping = map_network(net, path, form="cluster")
    assert mapping.core_count > len(mapping.layers)
    assert mapping.placement is not None
    assert faults(net, targets.load(path), mapping) == []
    assert all(layer.use["neurons"] <= 48 for layer in mapping.layers)


def way(mapping: Mapping) -> float:
    """Hops of all messages of a time-step."""
    place = mapping.placement
    assert place is not None
    return sum(
        float(place.distance(r.sources, r.targets, mapping.mesh[0]) @ r.messages) for r in mapping.routes.values()
    )


def test_equal_seeds_give_equal_mappings_and_swaps_shorten_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, path = networks.convolutions(), small_cores(tmp_path)
    first, second = (map_network(net, path, form="cluster", seed=3) for _ in range(2))
    assert first.to_text() == second.to_text()
    monkeypatch.setattr("ganglion.mapping.place.TRIES", 0)
    assert way(first) < way(map_network(net, path, form="cluster", seed=3))


def test_a_swap_gains_what_the_ways_become_shorter(tmp_path: Path) -> None:
    """Every swap that is made, against the way of all messages before and after."""
    rng = np.random.default_rng(1)
    cores = 12
    pairs = np.array([(a, b) for a in range(cores) for b in range(cores) if a != b and rng.random() < 0.4])
    messages = rng.random(len(pairs))
    found = search_of(
        Traffic(cores=cores, sources=pairs[:, 0], targets=pairs[:, 1], messages=messages),
        np.array([(x, y) for x in range(4) for y in range(4)], float).T,
    )

    def total() -> float:
        a, b = (found.places[:, pairs[:, i]] for i in (0, 1))
        return float(np.abs(a - b).sum(0) @ messages)

    moved = 0
    for _ in range(300):
        before, core, spot = total(), int(rng.integers(cores)), int(rng.integers(16))
        other = int(found.holds[spot])
        promised = found.gain(core, spot, other)
        promised += found.gain(other, int(found.at[core]), core) if other >= 0 else 0.0
        stays = spot == found.at[core]
        found.try_swap(core, spot)
        assert before - total() == pytest.approx(promised if promised > 1e-9 and not stays else 0.0)
        moved += before != total()
        assert sorted(found.holds[found.holds >= 0].tolist()) == list(range(cores))
        np.testing.assert_array_equal(found.holds[found.at], np.arange(cores))
        np.testing.assert_array_equal(found.spots[:, found.at], found.places)
    assert moved > 5


def test_costs_count_what_was_measured() -> None:
    net = networks.mlp()
    x = (networks.codes(net, 3) - net.input.zero_point) * net.input.scale
    run = ganglion.simulate(net, x, record="all")
    mapping = map_network(net, "loihi1", form="cluster", x=x)
    counts = mapping.costs["counts"]
    assert mapping.samples == 3
    assert counts["spikes"] == pytest.approx(run.spikes_per_sample, abs=0.06)
    assert mapping.costs["ann"]["macs"] == sum(op.weight.size for op in net.of(Dense))
    energy = mapping.costs["energy_uJ"]
    assert all(0 < energy[k]["low"] < energy[k]["high"] for k in ("davies18", "sanafe", "static"))


def test_loihi_2_has_counts_and_never_joules() -> None:
    net = networks.mlp()
    x = (networks.codes(net, 2) - net.input.zero_point) * net.input.scale
    costs = map_network(net, "loihi2", x=x).costs
    assert costs["counts"]["messages"] is not None
    assert costs["energy_uJ"] is None
    assert "J" not in json.dumps({k: v for k, v in costs.items() if k not in ("energy_uJ", "included", "excluded")})


def test_what_does_not_fit_names_the_limit_and_a_remedy(tmp_path: Path) -> None:
    path = small_cores(tmp_path, **{"in_axons = 4096 ": "in_axons = 8 "})
    mapping = map_network(networks.mlp(), path, form="cluster")
    assert (mapping.fits, mapping.placement, mapping.chips) == ("no", None, 0)
    assert "in-axons" in mapping.binding
    assert "of 8" in mapping.binding
    broken = next(layer for layer in mapping.layers if layer.broken)
    assert "halve tau" in broken.remedy


def test_counts_do_not_travel_where_spikes_are_binary() -> None:
    mapping = map_network(networks.mlp(), "loihi1", form="graded")
    assert any(c.name == "payload" and c.verdict == "fail" and "cluster" in c.remedy for c in mapping.checks)


def test_max_pools_need_programmable_neurons() -> None:
    mapping = map_network(networks.pools(), "loihi1", form="cluster")
    assert any(c.name == "neuron" and c.verdict == "fail" for c in mapping.checks)


def test_a_board_can_be_too_small(tmp_path: Path) -> None:
    path = small_cores(tmp_path, **{"neurocores = 128 ": "neurocores = 1 ", "pohoiki_springs = 768": "tiny = 1"})
    mapping = map_network(networks.convolutions(), path, form="cluster", board="tiny")
    assert mapping.fits == "no"
    assert any(c.name == "chips" and c.verdict == "fail" for c in mapping.checks)


def test_bad_options_are_named() -> None:
    net = networks.mlp()
    with pytest.raises(InputError, match="no form"):
        map_network(net, "loihi2", form="analog")
    with pytest.raises(InputError, match="no board"):
        map_network(net, "loihi2", board="raspberry")
    with pytest.raises(InputError, match="no hardware"):
        map_network(net, replace(targets.load("loihi2"), hardware=None))
    with pytest.raises(InputError, match="quantised"):
        map_network(ganglion.expand_clusters(net), "loihi2")
    with pytest.raises(InputError, match="no samples"):
        map_network(net, "loihi2", x=np.zeros((0, *net.input.shape)))
