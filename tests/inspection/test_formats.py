"""Text, Graphviz, GraphML, HTML and the container of every stage, and of names that no format may stumble over."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion.errors import CompileError, InputError
from ganglion.inspection import FORMATS, document, subject_of
from ganglion.inspection.drawing import label
from ganglion.inspection.formats import TextFormat
from ganglion.ir import Cluster, Graph, IntegrateFire, LateralInhibition, Projection, Stage
from ganglion.ir.file import from_bytes
from tests.inspection.helpers import hostile, pooled_stages, renamed, small_stages, write_plain_model

EVERY = [*small_stages(), *pooled_stages()]
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def test_the_formats_by_name() -> None:
    assert set(FORMATS) == {*get_args(TextFormat), "onnx"}


@pytest.mark.parametrize("graph", EVERY, ids=lambda g: f"{g.name}-{g.stage.name}")
def test_the_container_of_every_stage_is_the_same_network(graph: Graph) -> None:
    data = ganglion.inspect(graph, "onnx")
    assert ganglion.inspect(from_bytes(data, "it")) == str(graph) == ganglion.inspect(graph)


@pytest.mark.parametrize("graph", EVERY, ids=lambda g: f"{g.name}-{g.stage.name}")
def test_graphml_loads_again_whole(graph: Graph) -> None:
    for network in (graph, hostile(graph)[0]):
        expected = network.to_networkx()
        back = nx.read_graphml(io.BytesIO(ganglion.inspect(network, "graphml").encode()), force_multigraph=True)
        assert set(back.nodes) == set(expected.nodes)
        assert back.number_of_edges() == expected.number_of_edges()
        for name, values in expected.nodes(data=True):
            read = back.nodes[name]
            assert {key: read[key] for key in values} == values
            assert read["placeholder"] is False
        assert back.graph["stage"] == graph.stage.name.lower()
        assert edge_data(back) == edge_data(expected)


def edge_data(graph: Any) -> list[tuple[str, str, str, int]]:
    return sorted((a, b, values["kind"], values["position"]) for a, b, values in graph.edges(data=True))


def test_graphml_refuses_a_name_that_xml_cannot_hold() -> None:
    graph = renamed(small_stages()[-1], {"a": "a\x00"})
    with pytest.raises(InputError, match=r"GraphML cannot hold the name 'a.x00'"):
        ganglion.inspect(graph, "graphml")


def edges_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if " -> " in line and "style=invis" not in line]


@pytest.mark.parametrize("graph", EVERY, ids=lambda g: f"{g.name}-{g.stage.name}")
def test_dot_has_an_edge_per_projection_and_a_node_per_population(graph: Graph) -> None:
    text = ganglion.inspect(graph, "dot")
    nodes = re.findall(r"^\s*n\d+ \[", text, flags=re.MULTILINE)
    edges = edges_of(text)
    if graph.stage == Stage.IMPORTED:
        assert len(nodes) == len(graph)
        assert len(edges) == sum(len(op.inputs) for op in graph.ops)
        return
    assert len(nodes) == len([op for op in graph.ops if not isinstance(op, (Projection, Cluster))])
    of_cluster = {name: c.name for c in graph.of(Cluster) for name in c.inputs}
    reached = sum(len({of_cluster.get(r.name, r.name) for r in graph.consumers(p.name)}) for p in graph.of(Projection))
    inhibiting = sum(len(op.inputs) for op in graph.of(LateralInhibition))
    assert len(edges) == reached + 2 * inhibiting
    assert len([e for e in edges if "style=dashed" in e]) == len(graph.of(IntegrateFire)) == inhibiting
    late = [p for p in graph.of(Projection) if p.delay]
    assert len([e for e in edges if "delay" in e]) == len(late)
    if graph.stage >= Stage.SCHEDULED:
        assert len(re.findall(r"rank=same", text)) == graph.depth + 1


def test_dot_of_a_small_network(golden: Any) -> None:
    *_, quantized, clustered = small_stages()
    golden("small-network.dot.txt", ganglion.inspect(quantized, "dot") + ganglion.inspect(clustered, "dot"))


@given(st.text())
@settings(max_examples=200)
def test_a_label_is_one_string_that_shows_the_name(name: str) -> None:
    written = label(name)
    assert STRING.fullmatch(written), written
    shown = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], written[1:-1]).replace("&amp;", "&")
    assert shown == re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", "\ufffd", name)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("graph", small_stages(), ids=lambda g: g.stage.name)
def test_graphviz_shows_hostile_names(graph: Graph) -> None:
    network, names = hostile(graph)
    text = ganglion.inspect(network, "dot")
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    drawn = set(re.findall(r"<text[^>]*>(.*?)</text>", done.stdout.decode()))
    shown = {t.replace("&quot;", '"').replace("&#39;", "'").replace("&#45;", "-").replace("&#160;", " ") for t in drawn}
    shown = {t.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for t in shown}
    populations = [op for op in network.ops if not isinstance(op, (Projection, Cluster))]
    assert {op.name for op in populations} <= shown
    assert len(names) == len(graph)


class Page(HTMLParser):
    """What a page holds; complains about tags that do not match."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {key for key, _ in attrs}
        self.ids += [value or "" for key, value in attrs if key == "id"]
        self.links += [value or "" for key, value in attrs if key == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("graph", EVERY, ids=lambda g: f"{g.name}-{g.stage.name}")
def test_the_page_is_whole_and_links_within_itself(graph: Graph) -> None:
    for network in (graph, hostile(graph)[0]):
        text = ganglion.inspect(network, "html")
        page = Page(text)
        assert len(page.ids) == len(set(page.ids)) == len(network) + 1
        assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
        assert all(link.startswith("#") for link in page.links)  # nothing of another place
        assert not page.tags & {"script", "img", "link", "iframe"}
        assert "src" not in page.attributes
        assert not re.search(r"url\(|@import|https?:", text)
        assert "prefers-color-scheme: dark" in text
        for op in network.ops:
            assert op.name in page.words
            assert op.mnemonic in page.words
        for note in network.notes:
            assert note in page.words


def test_the_text_names_the_integer_formats(golden: Any) -> None:
    text = ganglion.inspect(pooled_stages()[-2])
    assert re.search(r"weights \d+ bits << \d", text)
    assert re.search(r"membrane \d+ bits, thresholds \d+ bits", text)
    golden("pooled-network.txt", text + "\n")


def test_a_plain_relu_is_shown_with_placeholders(tmp_path: Path) -> None:
    model = write_plain_model(tmp_path / "plain.onnx")
    with pytest.raises(CompileError, match="no levels"):
        ganglion.compile(model, steps=1, members=1)
    subject = subject_of(model)
    assert subject.placeholders == {"r"}
    text = ganglion.inspect(model)
    assert [line.split()[0] for line in text.splitlines() if "[placeholder]" in line] == ["%r"]
    assert "// placeholders stand for the levels of the activation 'r'" in text
    for op in document(subject)["ops"]:
        assert op["placeholder"] == (op["name"] == "r")
    assert ganglion.inspect(model, "html").count('class="badge"') == 1
    assert "levels: placeholder" in ganglion.inspect(model, "dot")
    assert any("placeholders stand" in note for note in from_bytes(ganglion.inspect(model, "onnx"), "it").notes)


def test_what_cannot_be_imported_at_all_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        ganglion.inspect(write_plain_model(tmp_path / "lrn.onnx", "Tanh"))
    assert caught.value.origin == ("act",)
    dropped = ganglion.inspect(write_plain_model(tmp_path / "tanh.onnx", "Identity"), drop=["LRN"])
    assert "there is no LRN to drop" in dropped


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got int"):
        ganglion.inspect(3)  # type: ignore[call-overload]
    with pytest.raises(InputError, match="unknown format 'pdf'"):
        ganglion.inspect(small_stages()[0], "pdf")  # type: ignore[call-overload]
    with pytest.raises(InputError, match="cannot read"):
        ganglion.inspect(tmp_path / "nothing.onnx")
    with pytest.raises(InputError, match="is a network: it has no nodes to drop"):
        ganglion.inspect(small_stages()[0], drop=["LRN"])
