"""A network that keeps a mapping lies on SANA-FE's chip as mapped, and sends the same spikes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.backends import sanafe
from ganglion.backends.sanafe import emit, run
from ganglion.cli import main
from ganglion.errors import InputError
from ganglion.ir import Graph, Membrane, Op, Projection
from ganglion.mapping import Mapping, map_network
from tests.mapping.test_mapping import small_cores

from . import networks
from .reference import simulate

TILES, PER_TILE = (8, 4), 4


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Loihi 1 with cores so small that small networks are cut."""
    return small_cores(tmp_path_factory.mktemp("chip"), **{'name = "loihi1"': 'name = "loihi1"'})


def with_mapping(graph: Graph, chip: str | Path = "loihi1", form: str = "cluster") -> tuple[Graph, Mapping]:
    mapping = map_network(graph, chip, form=form)
    return replace(graph, mapping=mapping.to_text()), mapping


def about(bundle: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((bundle / "ganglion.json").read_text())
    return told


def listed(bundle: Path) -> dict[tuple[str, int], str]:
    """Tile and core of every (group, neuron) in network.yaml."""
    found = {}
    for group, first, last, core in re.findall(
        r"- (\w+)\.(\d+)\.\.(\d+): \[core: ([\d.]+)\]", (bundle / "network.yaml").read_text()
    ):
        for neuron in range(int(first), int(last) + 1):
            assert (group, neuron) not in found
            found[group, neuron] = core
    return found


def without_zeros(graph: Graph) -> Graph:
    """Lists of synapses leave weights of 0 out, and so messages that have no others to bring them to."""

    def changed(op: Op) -> Op:
        if isinstance(op, Projection):
            return replace(op, weight=np.where(op.weight == 0, 1, op.weight).astype(op.weight.dtype))
        return replace(op, interval=None) if isinstance(op, Membrane) else op

    return graph.rebuild([changed(op) for op in graph.ops])


@pytest.mark.parametrize("make", [networks.mlp, networks.convolutions, networks.residual])
def test_every_neuron_is_where_the_mapping_has_it(make: Callable[[], Graph], small: Path, tmp_path: Path) -> None:
    graph, mapping = with_mapping(make(), small)
    bundle = emit(graph, tmp_path / "bundle")
    told, places, p = about(bundle), listed(bundle), mapping.placement
    assert p is not None
    assert told["cores"] == mapping.core_count > len(mapping.layers)
    assert told["placement"]["mapped"] is True
    seen = 0
    for i, core in enumerate(mapping.cores):
        membrane = next(m for m in told["membranes"] if m["name"] == core.population)
        # SANA-FE numbers the tiles of a mesh column after column; chips stand in a row
        tile = (int(p.chip[i]) * TILES[0] + int(p.x[i])) * TILES[1] + int(p.y[i])
        shape = (*membrane["shape"], 1, 1)[:3]
        inside = np.arange(membrane["neurons"]).reshape(shape)[tuple(slice(*edge) for edge in core.box)]
        for group in membrane["groups"]:
            for neuron in inside.ravel().tolist():
                assert places[group, neuron] == f"{tile}.{int(p.slot[i])}"
                seen += 1
    assert seen == len(places)
    assert f"tile[0..{told['tiles'] - 1}]" in (bundle / "arch.yaml").read_text()


@pytest.mark.sanafe
@pytest.mark.xdist_group("sanafe")
@pytest.mark.parametrize("make", [networks.mlp, networks.convolutions, networks.residual])
def test_a_mapped_network_sends_the_same_spikes(
    make: Callable[[], Graph], small: Path, tmp_path: Path, sanafe_python: Path
) -> None:
    graph, mapping = with_mapping(make(), small)
    codes = networks.codes(graph, samples=2)
    expected = simulate(graph, codes)
    ran = run(emit(graph, tmp_path / "bundle"), codes, timeout=120)
    assert ran.mapped
    assert ran.cores == mapping.core_count
    got = {**ran.counts, **ran.potentials}
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values)


@pytest.mark.sanafe
@pytest.mark.xdist_group("sanafe")
def test_spikes_pay_for_the_way_that_the_mapping_gives_them(small: Path, tmp_path: Path, sanafe_python: Path) -> None:
    """The hops that the mapping counts, at their price, are the energy of SANA-FE's network, beside its messages."""
    graph = without_zeros(networks.convolutions())
    x = (networks.codes(graph, 1) - graph.input.zero_point) * graph.input.scale
    mapping = map_network(graph, small, form="cluster", x=x)
    p = mapping.placement
    assert p is not None
    east, north, messages = 0.0, 0.0, 0.0
    for r in mapping.routes.values():
        a, b = r.sources, r.targets
        across = (p.chip[a] - p.chip[b]) * TILES[0] + p.x[a] - p.x[b]
        east += graph.steps * float(np.abs(across) @ r.messages)
        north += graph.steps * float(np.abs(p.y[a] - p.y[b]) @ r.messages)
        messages += graph.steps * float(r.messages.sum())
    messages += mapping.costs["counts"]["spikes"]  # to the other members of its cluster, on its own core
    assert min(east, north) > 0
    mapped = replace(graph, mapping=mapping.to_text())
    ran = run(emit(mapped, tmp_path / "bundle"), graph.input.encode(x)[0], timeout=120)
    np.testing.assert_allclose(ran.parts["network"], 1e-12 * (3.0 * east + 4.2 * north + 111.0 * messages))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: networks.mlp(), "there is no mapping"),
        (lambda: with_mapping(networks.mlp(), form="graded")[0], "is of the graded form, without explicit members"),
        (lambda: with_mapping(networks.mlp(), "loihi2")[0], "is for loihi2, which is another chip"),
    ],
)
def test_without_such_a_mapping_cores_are_filled_in_order(
    make: Callable[[], Graph], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ganglion.save(make(), tmp_path / "net.onnx")
    assert main(["emit", str(path), "--backend", "sanafe", "-o", str(tmp_path / "bundle")]) == 0
    assert about(tmp_path / "bundle")["placement"]["mapped"] is False
    assert listed(tmp_path / "bundle") == listed(emit(networks.mlp(), tmp_path / "plain"))
    shown = capsys.readouterr().out
    assert "placement: cores are filled in the network's order" in shown
    assert told in shown


def test_a_network_that_does_not_fit_has_no_places(tmp_path: Path) -> None:
    tiny = small_cores(tmp_path, **{'name = "loihi1"': 'name = "loihi1"', "in_axons = 4096 ": "in_axons = 8 "})
    bundle = emit(with_mapping(networks.mlp(), tiny)[0], tmp_path / "bundle")
    assert "has no places" in about(bundle)["placement"]["told"]


def test_a_mapping_of_another_network_is_not_followed(small: Path, tmp_path: Path) -> None:
    other, _ = with_mapping(networks.residual(), small)
    told = about(emit(replace(networks.mlp(), mapping=other.mapping), tmp_path / "bundle"))["placement"]
    assert not told["mapped"]
    assert "its mapping is of another network" in told["told"]


def test_a_slice_keeps_no_mapping(small: Path, tmp_path: Path) -> None:
    graph, _ = with_mapping(networks.residual(), small)
    bundle = ganglion.emit(graph, "sanafe", tmp_path / "bundle", populations=2)
    assert about(bundle)["placement"]["mapped"] is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["cores"].pop(), "neurons without a core"),
        (lambda d: d["cores"].append(d["cores"][0]), "holds no neurons of its own"),
        (lambda d: d["cores"][0].__setitem__(0, "stranger"), "stranger"),
        (lambda d: d["places"][1].__setitem__(0, 99), "cores off the mesh"),
        (lambda d: d["places"][3].__setitem__(0, 4), "cores off the mesh"),
        (lambda d: d.__setitem__("places", [[a[0]] * len(a) for a in d["places"]]), "a place of their own"),
        (lambda d: d.pop("form"), "form"),
        (lambda d: d.__setitem__("mapping", 9), "version 9"),
    ],
)
def test_a_damaged_mapping_is_named(change: Callable[[Any], None], message: str, small: Path, tmp_path: Path) -> None:
    graph, _ = with_mapping(networks.residual(), small)
    spoiled = json.loads(graph.mapping)
    change(spoiled)
    with pytest.raises(InputError, match=f"the mapping of 'residual/block' is damaged.*{message}"):
        sanafe.emit(replace(graph, mapping=json.dumps(spoiled)), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
