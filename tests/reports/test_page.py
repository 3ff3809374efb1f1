"""The page: complete, safe, and small; the data in it are the figures that went in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from ganglion.ir import dims
from ganglion.mapping import Kept, Mapping, map_network
from ganglion.mapping.page import fragment
from ganglion.reports.data import as_plain
from ganglion.reports.page import as_script_data, page
from ganglion.reports.result import ReportData
from tests.networks import samples

from .helpers import HOSTILE, example_data, renamed, residual_network

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def data() -> ReportData:
    return example_data()


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return page(data)


class Elements(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def held(html: str) -> Any:
    found = DATA.search(html)
    assert found is not None
    return json.loads(found[1])


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    for tag, attributes in Elements(html).found:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "").startswith(("#", "data:")) or name not in attributes, (tag, attributes)
        assert "style" not in attributes  # the page's policy would forbid it
        assert not any(name.startswith("on") for name in attributes)
    outside = re.sub(r"<script>.*?</script>|<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert "http" not in outside.replace("http-equiv", "")
    assert "url(" not in outside
    assert "@import" not in outside
    assert "default-src 'none'" in html


def test_our_own_scripts_name_no_address(html: str) -> None:
    own = [s for s in re.findall(r"<script>(.*?)</script>", html, re.DOTALL) if s.startswith('(() => {\n"use strict"')]
    assert len(own) == 1
    assert "http" not in own[0]
    assert "innerHTML" not in own[0]


def test_every_label_and_reference_leads_somewhere(html: str) -> None:
    elements = Elements(html).found
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert name not in attributes or attributes[name] in ids
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids
    used = set(re.findall(r'\$\("([\w-]+)"\)', html))
    assert used
    assert used <= set(ids)


def test_the_data_are_the_figures_that_went_in(data: ReportData, html: str) -> None:
    plain = held(html)
    assert plain == as_plain(data)
    assert [p["name"] for p in plain["populations"]][1:-1] == [op.name for op in data.net.populations]
    for p in plain["populations"]:
        assert p["shape"].replace("\u00d7", "x") == dims(data.net.typeof(p["name"]).shape)
    assert plain["summary"]["network_accuracy"] == data.ledger.accuracy["integer spikes"]
    assert plain["summary"]["first_offender"] == list(data.ledger.first_offender or ())
    for row in plain["spikes"]:
        assert row["operations"] == pytest.approx(data.run.operations[row["name"]] / data.run.samples, rel=1e-3)
        if row["spikes"] is not None:
            assert row["spikes"] == pytest.approx(data.run.spikes[row["name"]] / data.run.samples, rel=1e-3)
    for name, shown in plain["raster"]["populations"].items():
        counts = np.array(shown["counts"])
        assert counts.shape == (2, data.net.steps, len(shown["neurons"]))
        assert (np.array(shown["totals"]) >= counts.sum(axis=2)).all()
        assert counts.max() <= data.net.typeof(name).high  # type: ignore[union-attr]
    (problem,) = [row for row in plain["sweep"]["rows"] if row["problem"]]
    assert problem["steps"] == 8


def test_delays_are_named_where_they_have_room(data: ReportData) -> None:
    plain = as_plain(data)
    delayed = [i for i, e in enumerate(plain["edges"]) if e["delay"]]
    assert delayed
    for shape in ("wide", "narrow"):
        assert plain["layouts"][shape]["labelled"] == delayed  # each join has one


@pytest.mark.parametrize("where", ["network", "population", "model", "note"])
def test_no_name_can_break_out_of_the_page(where: str) -> None:
    net = residual_network()
    if where == "population":
        net = renamed(net, net.populations[0].name, HOSTILE)
    data = example_data(net.rebuild(net.ops, name=HOSTILE) if where == "network" else net)
    data = replace(data, model=HOSTILE) if where == "model" else data
    data = replace(data, notes=[HOSTILE]) if where == "note" else data
    html = page(data)
    assert "alert(1)</script>" not in html
    assert html.count("</script>") == 4  # the data, two libraries, and our own
    assert held(html) == as_plain(data)


def test_script_data_hold_what_json_allows_and_html_does_not() -> None:
    text = as_script_data({HOSTILE: [1.5, None, "τ"]})
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {HOSTILE: [1.5, None, "τ"]}
    with pytest.raises(ValueError, match="Out of range"):
        as_script_data(float("nan"))


def test_infinities_become_null(data: ReportData) -> None:
    entries = [replace(data.ledger.entries[0], relative_error=float("inf"), cosine=float("nan"))]
    plain = as_plain(replace(data, ledger=replace(data.ledger, entries=entries)))
    (entry,) = plain["ledger"]["populations"]
    assert (entry["relative_error"], entry["cosine"]) == (None, None)


def test_without_a_sweep_there_are_no_figures_of_it(data: ReportData) -> None:
    plain = held(page(replace(data, sweep=None, firing={})))
    assert plain["sweep"] is None
    assert plain["firing"] == []


@pytest.fixture(scope="module")
def on_chip(data: ReportData) -> ReportData:
    """The same network, and where it lies."""
    x = samples(data.net, 3)
    return replace(data, net=replace(data.net, mapping=map_network(data.net, "loihi2", x=x).to_text()))


def test_a_mapped_network_has_a_section_on_the_chip(on_chip: ReportData, html: str) -> None:
    mapping = Mapping.from_text(on_chip.net.mapping)
    mapped = page(on_chip)
    (section,) = re.findall(r'<section id="chip".*?</section>', mapped, re.DOTALL)
    assert fragment(Kept(mapping=mapping)) in section
    chip = {"target": "loihi2", "fits": mapping.fits, "cores": mapping.core_count, "chips": 1}
    assert held(mapped)["summary"]["chip"] == chip
    assert held(html)["summary"]["chip"] is None
    assert 'class="on-chip"' not in html  # an empty section, which a script hides
    for check in (test_nothing_is_loaded_from_elsewhere, test_every_label_and_reference_leads_somewhere):
        check(mapped)


def test_a_mapping_that_cannot_be_read_is_told(data: ReportData) -> None:
    text = page(replace(data, net=replace(data.net, mapping="{")))
    assert held(text)["summary"]["chip"] == {}
    (section,) = re.findall(r'<section id="chip".*?</section>', text, re.DOTALL)
    assert "the network&#x27;s mapping is damaged" in section


def test_the_size(html: str) -> None:
    assert len(html.encode()) < 1_400_000  # of which the libraries are 1.2 MB


def test_the_licences_are_in_the_page(html: str) -> None:
    for words in ("The Cytoscape Consortium", "The Apache Software Foundation", "Mike Bostock", "Apache License"):
        assert words in html
