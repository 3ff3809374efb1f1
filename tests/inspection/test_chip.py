"""A network's mapping in every format of inspect; what becomes of one that is spoilt, old, or of another network."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import networkx as nx
import pytest

import ganglion
from ganglion.cli import main
from ganglion.inspection import difference, open_population, schema, subject_of
from ganglion.inspection.chip import Cores
from ganglion.ir import Graph, to_text
from ganglion.mapping import Mapping, map_network, words
from tests.backends import networks
from tests.inspection.test_formats import Page
from tests.mapping.test_mapping import small_cores

VALIDATOR = jsonschema.Draft202012Validator(schema())


def residual() -> Graph:
    return replace(networks.residual(), target="loihi1")


def mlp() -> Graph:
    return replace(networks.mlp(), target="loihi1")


def mapped(target: str = "loihi1", form: str = "cluster", seed: int = 0) -> tuple[Graph, Mapping]:
    net = residual()
    x = (networks.codes(net, 2) - net.input.zero_point) * net.input.scale
    mapping = map_network(net, target, form=form, x=x, seed=seed)
    return replace(net, mapping=mapping.to_text()), mapping


def document(net: Graph) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(ganglion.inspect(net, "json"))
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []
    return data


NETWORK, MAPPING = mapped()
PROBLEMS = {
    "no JSON": ("{", "is damaged: "),
    "another version": (NETWORK.mapping.replace('"mapping":2', '"mapping":1', 1), "has form 1, of another version"),
    "of another network": (map_network(mlp(), "loihi2").to_text(), "is of another network"),
    "spoilt": (NETWORK.mapping.replace('"places":[[0', '"places":[[-1', 1), "places that the chip has not"),
}


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """A network that finds no room on its chip."""
    path = small_cores(tmp_path_factory.mktemp("chip"), **{"in_axons = 4096 ": "in_axons = 8 "})
    return replace(mlp(), mapping=map_network(mlp(), path, form="cluster").to_text())


def test_the_text_has_the_network_and_below_it_the_mapping() -> None:
    text = ganglion.inspect(NETWORK)
    network, _, below = text.partition("\n\n")
    assert network == to_text(NETWORK)
    assert below.startswith(f"mapping of {words.title(MAPPING)}\n  fits: under assumptions; ")
    rows = {line.split()[0]: line for line in below.splitlines() if line.startswith("  ")}
    for layer in MAPPING.layers:
        assert rows[layer.name].endswith(f"{layer.cores}  {layer.binding}")
    for check in MAPPING.checks:
        assert (f": {check}" in below) == (check.verdict != "pass")
    assert "energy, davies18: " in below
    assert ganglion.inspect(residual()) == str(residual())


def test_a_network_that_does_not_fit_says_what_would_help(nowhere: Graph) -> None:
    text = ganglion.inspect(nowhere)
    assert "fits: no; at least " in text
    assert "in-axons: beyond the limit in " in text
    assert "halve tau" in text
    binary = map_network(mlp(), "loihi1", form="graded")  # which is placed, but counts do not travel
    text = ganglion.inspect(replace(mlp(), mapping=binary.to_text()))
    assert "fits: no; " in text
    assert "use the cluster form" in text


def test_the_json_is_that_of_map_and_as_the_schema_has_it(nowhere: Graph) -> None:
    assert document(NETWORK)["mapping"] == json.loads(json.dumps(MAPPING.as_json()))
    assert document(nowhere)["mapping"]["fits"] == "no"
    assert document(residual())["mapping"] is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("fits",), "perhaps"),
        (("cores",), -1),
        (("form",), "analog"),
        (("layers",), []),
        (("layers", 0, "cores"), 0),
        (("layers", 0, "utilisation"), {"neurons": "half"}),
        (("layers", 0, "tile"), [1, 2]),
        (("layers", 0, "colour"), "red"),
        (("checks", 0, "verdict"), "maybe"),
        (("costs", "counts"), {"updates": "many"}),
        (("problem",), "something"),
    ],
)
def test_the_schema_notices_a_spoilt_mapping(path: tuple[Any, ...], value: Any) -> None:
    data = document(NETWORK)
    place = data["mapping"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert list(VALIDATOR.iter_errors(data))


def test_the_page_has_the_mapping(nowhere: Graph) -> None:
    html = ganglion.inspect(NETWORK, "html")
    page = Page(html)
    assert "chip" in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert "On the chip" in page.words
    assert 'class="mesh"' in html
    assert "http" not in html
    for layer in MAPPING.layers:
        assert page.words.count(layer.name) >= 3  # among the ops, in the table, and in the picture
    assert "On the chip" not in ganglion.inspect(residual(), "html")
    assert "It is not placed" in ganglion.inspect(nowhere, "html")


def test_graphs_have_the_cores_of_every_population() -> None:
    cores = {layer.name: layer.cores for layer in MAPPING.layers}
    graph = nx.read_graphml(io.BytesIO(ganglion.inspect(NETWORK, "graphml").encode()), force_multigraph=True)
    assert {name: data["cores"] for name, data in graph.nodes(data=True) if "cores" in data} == cores
    dot = ganglion.inspect(NETWORK, "dot")
    nodes = {line.split('label="')[1].split("\\n")[0]: line for line in dot.splitlines() if "tooltip=" in line}
    assert set(cores) <= set(nodes)
    for name, line in nodes.items():
        told = f'\\n{words.count(cores[name], "core")}"' if name in cores else ""
        assert told in line
        assert ("core" in line) == (name in cores)


def test_one_population_lists_its_cores() -> None:
    for layer in MAPPING.layers:
        opened = open_population(subject_of(NETWORK), layer.name)
        found = opened.on_chip
        assert isinstance(found, Cores)
        data = opened.as_json()["mapping"]
        assert data["cores"] == layer.cores == len(data["places"]) == len(found.cores)
        for place, core in zip(data["places"], found.cores, strict=True):
            assert (place["channels"], place["rows"], place["columns"]) == tuple(map(list, core.box))
            assert place["use"] == core.use
        sent = sum(r.messages.sum() for name, r in MAPPING.routes.items() if NETWORK[name].inputs[0] == layer.name)
        heard = sum(r.messages.sum() for name, r in MAPPING.routes.items() if name in NETWORK[layer.name].inputs)
        assert sum(p["sends"] for p in data["places"]) == pytest.approx(sent, abs=1e-4)
        assert sum(p["hears"] for p in data["places"]) == pytest.approx(heard, abs=1e-4)
        text = str(opened)
        assert f"{words.count(layer.cores, 'core')} of loihi1, cluster form; what binds: {layer.binding}" in text
        assert len(text.splitlines()[-1].split()) >= 9


def test_one_population_of_what_does_not_fit(nowhere: Graph) -> None:
    name = next(x.name for x in Mapping.from_text(nowhere.mapping).layers if x.broken)
    opened = open_population(subject_of(nowhere), name)
    assert str(opened).endswith("\n  not placed: the network does not fit")
    data = opened.as_json()["mapping"]
    assert (data["fits"], data["places"]) == (False, [])
    assert f"would help: {data['remedy']}" in str(opened)
    assert open_population(subject_of(mlp()), name).as_json()["mapping"] is None


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_mapping_that_cannot_be_shown_is_told_in_every_format(name: str, tmp_path: Path) -> None:
    text, problem = PROBLEMS[name]
    net = replace(residual(), mapping=text)
    path = ganglion.save(net, tmp_path / "net.onnx")
    shown = ganglion.inspect(path)
    assert shown.startswith(f"{to_text(net)}\n\nmapping: ")
    assert problem in shown
    assert problem in document(net)["mapping"]["problem"]
    assert problem in ganglion.inspect(path, "html")
    assert "cores" not in ganglion.inspect(path, "graphml")
    assert ganglion.inspect(path, "dot") == ganglion.inspect(residual(), "dot")
    opened = open_population(subject_of(path), net.populations[0].name)
    assert problem in str(opened)
    assert problem in opened.as_json()["mapping"]["problem"]
    found = difference(NETWORK, net)
    assert not found.equal
    assert problem in str(found)


def test_the_command_shows_a_problem_and_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ganglion.save(replace(residual(), mapping="{"), tmp_path / "net.onnx")
    assert main(["inspect", str(path)]) == 0
    assert "mapping: the network's mapping is damaged" in capsys.readouterr().out
    assert main(["inspect", str(path), "--diff", str(path)]) == 0  # the same text
    assert capsys.readouterr().out == "equal\n"


def changes(a: Graph, b: Graph) -> dict[str, str]:
    found = difference(a, b)
    assert (found.only_in_a, found.only_in_b, found.changed) == ((), (), {})
    json.dumps(found.as_json())
    return {change.field: str(change) for change in found.header}


def test_two_mappings_of_one_network_are_compared() -> None:
    assert changes(NETWORK, NETWORK) == {}
    other = changes(NETWORK, mapped("loihi2", "graded")[0])
    assert other["mapping"] == "mapping: loihi1, cluster form -> loihi2, graded form"
    assert {"mapping.core_count", "mapping.binding", "mapping.costs"} & set(other)
    layer = MAPPING.layers[0]
    assert f"{words.count(layer.cores, 'core')}, tiles of" in other[f"mapping of {layer.name}"]


def test_a_network_with_and_without_a_mapping() -> None:
    assert changes(residual(), NETWORK) == {"mapping": "mapping: nothing -> loihi1, cluster form"}
    assert changes(NETWORK, residual()) == {"mapping": "mapping: loihi1, cluster form -> nothing"}


def test_places_alone_make_a_difference() -> None:
    place = MAPPING.placement
    assert place is not None
    moved = replace(MAPPING, placement=replace(place, slot=(place.slot + 1) % MAPPING.per_tile))
    found = changes(NETWORK, replace(NETWORK, mapping=moved.to_text()))
    assert list(found) == ["mapping.places"]
    assert "values differ" in found["mapping.places"]


def test_whatever_differs_in_two_texts_is_a_difference() -> None:
    others: dict[str, Any] = {"notes": ("new",), "mesh": (16, 4), "chip_cores": 64, "seed": 9, "board": "x"}
    for field, value in others.items():
        other = replace(MAPPING, **{field: value})
        assert changes(NETWORK, replace(NETWORK, mapping=other.to_text())) != {}, field
