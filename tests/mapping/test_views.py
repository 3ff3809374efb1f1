"""Pictures, words and pages of mappings: what they show is what the mapping says, however large it is."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import ganglion
from ganglion.ir import Graph
from ganglion.mapping import Kept, Mapping, map_network, words
from ganglion.mapping.mesh import ACROSS, chips_of, colours, loads, mesh_of, messages_between_chips
from ganglion.mapping.page import fragment, style
from ganglion.mapping.picture import svg, widths
from tests.backends import networks
from tests.inspection.helpers import HOSTILE
from tests.mapping.test_mapping import small_cores


def real(net: Graph, n: int = 3) -> Any:
    return (networks.codes(net, n) - net.input.zero_point) * net.input.scale


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Mapping:
    """Six chips of eight cores each, on a mesh of 2x2 tiles."""
    changes = {
        "neurocores = 128 ": "neurocores = 7 ",
        "tiles = [8, 4] ": "tiles = [2, 2] ",
        "per_tile = 4 ": "per_tile = 2 ",
    }
    path = small_cores(tmp_path_factory.mktemp("chip"), **changes)
    net = networks.residual()
    mapping = map_network(net, path, form="cluster", x=real(net))
    assert mapping.chips > ACROSS  # more than one line
    return mapping


def test_links_carry_all_hops(many: Mapping) -> None:
    along, down = loads(many)
    rows, columns = many.mesh[1], many.mesh[0] * many.chips
    assert (along.shape, down.shape) == ((rows, columns - 1), (rows - 1, columns))
    hops = many.costs["counts"]["hops"] / many.costs["steps"]
    assert hops > 0
    assert along.sum() + down.sum() == pytest.approx(hops, abs=0.06)
    between = messages_between_chips(many)
    assert len(between) == many.chips - 1
    assert between.sum() >= many.costs["counts"]["off_chip_messages"] / many.costs["steps"] - 0.06


def test_links_by_hand(many: Mapping) -> None:
    """Message by message, tile by tile: along the row of the sender first, then along the column of the receiver."""
    place = many.placement
    assert place is not None
    along, down = loads(many)
    expected = (np.zeros_like(along), np.zeros_like(down))
    for r in many.routes.values():
        for a, b, m in zip(r.sources, r.targets, r.messages, strict=True):
            x, y = (place.chip[i] * many.mesh[0] + place.x[i] for i in (a, b))
            for one in range(min(x, y), max(x, y)):
                expected[0][place.y[a], one] += m
            for one in range(min(place.y[a], place.y[b]), max(place.y[a], place.y[b])):
                expected[1][one, y] += m
    np.testing.assert_allclose(along, expected[0], atol=1e-9)
    np.testing.assert_allclose(down, expected[1], atol=1e-9)


def test_a_link_that_carries_nothing_has_exactly_none(many: Mapping) -> None:
    """Sums that cancel out leave no trace, however the messages are rounded."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        routes = {n: replace(r, messages=rng.random(len(r.messages)) / 3) for n, r in many.routes.items()}
        found = loads(replace(many, routes=routes))
        for shown, carried in zip(found, loads(many), strict=True):
            assert (shown >= 0).all()
            np.testing.assert_array_equal(shown == 0, carried == 0)
    nothing = {n: replace(r, messages=np.zeros(len(r.messages))) for n, r in many.routes.items()}
    silent = mesh_of(replace(many, routes=nothing))
    assert not silent.messages.any()
    assert silent.busiest == ""
    assert svg(replace(many, routes=nothing))


def test_every_core_has_a_square_of_its_own_within_its_chip(many: Mapping) -> None:
    mesh = mesh_of(many)
    assert {name: len(corners) for name, corners in mesh.cores.items()} == {x.name: x.cores for x in many.layers}
    assert len(mesh.free) == many.chips * many.chip_cores - many.core_count
    assert len(mesh.bare) == many.chips * (many.mesh[0] * many.mesh[1] * many.per_tile - many.chip_cores) > 0
    squares = np.concatenate([*mesh.cores.values(), mesh.free, mesh.bare])
    chips = np.array([(chip.x, chip.y) for chip in mesh.chips])
    for corner in squares:
        inside = (chips <= corner).all(1) & (corner + 1 <= chips + mesh.frame).all(1)
        assert inside.sum() == 1
    apart = np.abs(squares[:, None] - squares).max(2) + 2 * np.eye(len(squares))
    assert apart.min() >= 1
    assert (squares >= 0).all()
    assert (squares + 1 <= (mesh.width, mesh.height)).all()


def test_links_of_the_picture(many: Mapping) -> None:
    """Every link once; at the end of a line of chips two halves."""
    mesh, (along, down) = mesh_of(many), loads(many)
    between = messages_between_chips(many)
    wraps = between[ACROSS - 1 :: ACROSS]
    halves = many.mesh[1] * len(wraps)
    assert halves
    assert len(mesh.links) == len(mesh.messages) == along.size + down.size + halves
    assert mesh.messages.sum() == pytest.approx(along.sum() + down.sum() + wraps.sum())
    for chip, load in zip(mesh.chips, between, strict=False):
        assert chip.below.startswith(f"{load:,.0f}" if load >= 100 else f"{load:.3g}")
    assert mesh.chips[-1].below == ""
    assert mesh.busiest.startswith(f"{max(along.max(), down.max()):.3g} messages between tiles (")


def test_thicker_links_carry_more() -> None:
    messages = np.array([0.0, 1e-9, 1.0, 30.0, 100.0, 100.0])
    thick = widths(messages)
    assert thick[0] == 0
    assert all(a <= b for a, b in pairwise(thick))
    assert 0 < thick[1] < thick[3] < thick[4]
    assert not widths(np.zeros(3)).any()
    assert widths(np.zeros(0)).shape == (0,)


def test_the_picture_is_svg_with_every_population_in_its_colour(many: Mapping) -> None:
    root = ElementTree.fromstring(svg(many, alone=True))
    space = "{http://www.w3.org/2000/svg}"
    groups = {g[0].text: g for g in root.iter(f"{space}g")}
    where, shades = chips_of(many), colours(many)
    assert len(set(shades.values())) == len(many.layers)
    for layer in many.layers:
        title = f"{layer.name}: {words.count(layer.cores, 'core')} on chip {where[layer.name]}"
        assert groups[title].attrib["fill"] == shades[layer.name]
        assert groups[title][1].attrib["d"].count("M") == layer.cores
    place = many.placement
    assert place is not None
    used = np.bincount(place.chip)
    texts = {t.text for t in root.iter(f"{space}text")}
    assert {f"chip {c + 1}: {n} of 7 cores" for c, n in enumerate(used)} <= texts
    assert "http" not in svg(many)
    assert "style" not in svg(many)


def test_a_large_mesh_stays_small(many: Mapping) -> None:
    """A hundred times the routes change widths, not the size: links are of the mesh, not of pairs of cores."""
    routes = {
        name: replace(r, **{k: np.tile(getattr(r, k), 100) for k in ("sources", "targets", "neurons", "messages")})
        for name, r in many.routes.items()
    }
    assert abs(len(svg(replace(many, routes=routes))) - len(svg(many))) < 200
    assert len(svg(many)) < 150 * many.chip_cores * many.chips


def test_ranges_of_chips(many: Mapping) -> None:
    place = many.placement
    assert place is not None
    for layer in many.layers:
        named: set[int] = set()
        for part in chips_of(many)[layer.name].split(", "):
            first, _, last = part.partition("-")
            named |= set(range(int(first), int(last or first) + 1))
        held = {int(c) + 1 for core, c in zip(many.cores, place.chip, strict=True) if core.population == layer.name}
        assert named == held


def cells(html: str, tag: str) -> list[str]:
    return [unescape(re.sub("<.*?>", "", found)) for found in re.findall(f"<{tag}[ >].*?</{tag}>", html, re.DOTALL)]


def test_the_page_has_every_population_resource_condition_and_cost(many: Mapping) -> None:
    html = fragment(Kept(mapping=many))
    rows = [row for row in re.findall("<tr>.*?</tr>", html, re.DOTALL) if 'class="swatch"' in row]
    assert len(rows) == len(many.layers)
    for layer, row in zip(many.layers, rows, strict=True):
        for name, share in layer.utilisation.items():
            assert f"{100 * share:,.1f}\u00a0%" in row
            assert f'title="{layer.use[name]:,} of {layer.limits[name]:,}"' in row
        assert row.count('class="share binds"') == 1
        assert f"<td>{layer.cores}</td>" in row
    text = unescape(html)
    for check in many.checks:
        assert check.detail in text
        assert check.remedy in text
    assert many.costs["excluded"] in text
    assert f"{many.costs['energy_uJ']['davies18']['low']:,g}" in text
    assert "Busiest: " in text
    assert "the mean over 3 samples" in text


def test_a_network_that_does_not_fit_is_shown_without_a_mesh(tmp_path: Path) -> None:
    path = small_cores(tmp_path, **{"in_axons = 4096 ": "in_axons = 8 "})
    mapping = map_network(networks.mlp(), path, form="cluster")
    html = unescape(fragment(Kept(mapping=mapping)))
    assert 'class="mesh' not in html
    assert "It is not placed" in html
    assert "form: no.</strong> At least " in html
    assert 'class="share over"' in html
    for layer in mapping.layers:
        if layer.broken:
            assert layer.binding in html
            assert layer.remedy in html
    assert any(line.startswith("in-axons: beyond the limit in ") for line in words.helps(mapping))
    assert 'class="mesh' not in mapping._repr_html_()


def test_without_spikes_the_page_says_what_messages_mean() -> None:
    html = fragment(Kept(mapping=map_network(networks.mlp(), "loihi2")))
    assert "as if every member fired at every step" in html
    assert "not measured (map --input X.npy)" in html


def test_a_problem_is_all_that_is_shown() -> None:
    html = fragment(Kept(problem="<b> & so on"))
    assert "&lt;b&gt; &amp; so on" in html
    assert "<table" not in html


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_out(many: Mapping, name: str) -> None:
    layers = tuple(replace(x, name=name) if i == 0 else x for i, x in enumerate(many.layers))
    cores = tuple(replace(c, population=name) if c.population == many.layers[0].name else c for c in many.cores)
    mapping = replace(many, layers=layers, cores=cores, network=name, target=name)
    html = fragment(Kept(mapping=mapping))
    assert name in unescape(html)
    ElementTree.fromstring(svg(mapping, alone=True))
    assert "<x>" not in html
    assert '="a"b' not in html


def test_the_style_sheet_knows_the_classes_of_the_page(many: Mapping) -> None:
    html = fragment(Kept(mapping=many))
    used = {name for names in re.findall(r'class="([^"]+)"', html) for name in names.split()}
    unknown = {name for name in used if f".{name}" not in style()}
    assert unknown == set()
    for page in ("inspection/page.css", "reports/page/style.css"):  # whose own rules would reach into it
        others = (Path(ganglion.__file__).parent / page).read_text(encoding="utf-8")
        assert {name for name in used if re.search(rf"\.{name}\b(?!-)", others)} == set()
    assert "prefers-color-scheme: dark" in style()


def test_a_mapping_in_a_notebook(many: Mapping) -> None:
    html = many._repr_html_()
    assert cells(html, "th") == ["population", "shape", "members", "tile", "cores", "chips", "what binds"]
    assert len(cells(html, "tr")) == len(many.layers) + 1
    assert html.count("<svg") == 1
    assert words.verdict(many) in unescape(html)


def test_fewer_cores_are_helped_to(many: Mapping) -> None:
    """Every population of several cores says what binds it and what would take fewer of them."""
    for layer in many.layers:
        assert bool(layer.remedy) == (layer.cores > 1)
    told = " ".join(words.helps(many))
    for layer in many.layers:
        assert layer.remedy in told
