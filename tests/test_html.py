"""What a notebook shows: the figures of the objects, escaped, in a table that needs nothing from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.comparison import Agreement, Comparison
from ganglion.ir import Conv2d, Graph, Input, Readout, Staircase
from ganglion.ir.html import table
from ganglion.ledger import Attribution, Entry, Ledger
from ganglion.simulator import Run
from ganglion.sweeps import Row, Sweep
from tests.networks import quantized, samples, scheduled


class Page(HTMLParser):
    """The cells of the table, row by row, and the paragraphs; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "p":
            self.notes.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.open[-1] == "p":
            self.notes[-1] += data


@pytest.fixture
def imported() -> Graph:
    rng = np.random.default_rng(0)
    one = np.array(1.0)
    ops = (
        Input(name="x", shape=(1, 4, 4), scale=1 / 8, low=0, high=8),
        Conv2d(name="c", inputs=("x",), weight=rng.integers(-8, 9, (2, 1, 3, 3)) / 8, origin=("conv",)),
        Staircase(name="a<b>", inputs=("c",), step=0.5, levels=4, origin=("relu",)),
        Conv2d(name="d", inputs=("a<b>",), weight=rng.integers(-8, 9, (3, 2, 2, 2)) / 8, origin=("conv2",)),
        Readout(name="logits", inputs=("d",), unit=one, origin=("out",)),
    )
    return Graph(ops=ops, name="net", notes=("5 < 6 & so on",))


def test_a_network_in_one_line(imported: Graph) -> None:
    assert repr(imported) == "Graph('net', imported, 1 staircase, 8 neurons)"
    assert repr(scheduled(imported, 2, 3)) == "Graph('net', scheduled, 1 population, 8 neurons, T = 2, tau = 3)"
    net = quantized(imported, 2, 0, "loihi2")
    assert repr(net) == "Graph('net', quantized, 1 population, 8 neurons, T = 2, tau = L, loihi2)"
    assert str(net).startswith("network net stage=quantized steps=2")


def test_a_network_in_a_notebook(imported: Graph) -> None:
    net = quantized(imported, 2, 3, "loihi2")
    page = Page(net._repr_html_())
    head, *rows = page.rows
    assert head == ["population", "kind", "shape", "neurons", "members", "level", "membrane"]
    assert [row[:6] for row in rows] == [
        ["x", "input", "1x4x4", "16", "", "0"],
        ["a<b>", "group-neuron", "2x2x2", "8", "3", "1"],
        ["logits", "readout", "3x1x1", "3", "", "2"],
    ]
    assert rows[1][6].endswith(" bits")
    assert page.notes == [repr(net)[6:-1], *net.notes]
    assert "5 &lt; 6 &amp; so on" in net._repr_html_()
    clusters = ganglion.expand_clusters(net)
    assert ["a<b>", "cluster", "2x2x2", "8", "3", "1", ""] in Page(clusters._repr_html_()).rows
    assert ["a<b>", "staircase", "2x2x2", "8", "L = 4", "", ""] in Page(imported._repr_html_()).rows


def test_a_run_in_a_notebook(imported: Graph) -> None:
    net = quantized(imported, 2, 3, "loihi2")
    run = ganglion.simulate(net, samples(net, 5), record=["a<b>"])
    page = Page(run._repr_html_())
    assert page.notes == [repr(run)]
    x, a = page.rows[1:]
    counts = run.counts["a<b>"]
    assert counts.any()
    assert a == [
        "a<b>",
        "2x2x2",
        f"{counts.mean():.4f}",
        f"{counts.sum() / 5:,.1f}",
        f"{run.operations['a<b>'] / 5:,.1f}",
    ]
    assert x == ["x", "", "", "", f"{run.operations['x'] / 5:,.1f}"]
    nothing = Run(logits=np.zeros((0, 3)), operations_by_step={"x": np.zeros(2, int)}, samples=0, steps=2, clipped=0.0)
    assert Page(nothing._repr_html_()).rows[1][-1] == "0.0"


def test_a_comparison_in_a_notebook(ledger: Ledger) -> None:
    result = Comparison(
        samples=1000,
        readout="logits",
        accuracy={"onnxruntime": 0.5, "float": None, "lava": None},
        agreement={"onnxruntime": 1.0, "float": 0.25, "lava": None},
        distance={"onnxruntime": 0.0, "float": 0.125, "lava": None},
        pairs={"a_vs_b": {"p": Agreement(1000, 0), "logits": Agreement(10, 0)}},
    )
    page = Page(result._repr_html_())
    assert page.rows[1:] == [["onnxruntime", "50.00 %", "100.00 %", "0.00 %"], ["float", "", "25.00 %", "12.50 %"]]
    assert page.notes[1:] == ["a vs b: equal to the bit"]
    result.pairs["a_vs_b"]["p"].different = 3
    assert Page(result._repr_html_()).notes[1:] == ["a vs b: 3 of 1,010 values differ"]
    result.ledger = ledger
    assert result._repr_html_().endswith(ledger._repr_html_())


def test_a_sweep_in_a_notebook() -> None:
    rows = [
        Row(
            steps=2, members="levels", accuracy=0.5, agreement=0.75, spikes_per_sample=1234.5, operations_per_sample=2e6
        ),
        Row(steps=4, members=8, problem="<too long>"),
    ]
    sweep = Sweep(model="net", target="loihi2", samples=9, ann_accuracy=0.75, runs=1, rows=rows)
    page = Page(sweep._repr_html_())
    assert page.rows[1:] == [
        ["gn", "L", "2", "50.00 %", "75.00 %", "1,234.5", "2,000,000.0", ""],
        ["gn", "8", "4", "", "", "", "", "<too long>"],
    ]
    assert page.notes == ["net on loihi2: 9 samples; the ANN has 75.00 %"]
    corrected = replace(sweep, rows=[replace(rows[0], optimized=5), rows[1]])
    assert Page(corrected._repr_html_()).notes == [
        "net on loihi2, optimised on 5 samples: 9 samples; the ANN has 75.00 %"
    ]
    assert Page(replace(sweep, ann_accuracy=None)._repr_html_()).notes == ["net on loihi2: 9 samples"]


@pytest.fixture
def ledger() -> Ledger:
    def entry(name: str, rung: str, error: float) -> Entry:
        return Entry(
            name=name, rung=rung, absolute_error=0.0, relative_error=error, cosine=1.0, sqnr_db=None, clipped=None,
            dead=0.0, saturated=None, rate=None, headroom_bits=None, local_error=None,
        )  # fmt: skip

    return Ledger(
        samples=10,
        labelled=True,
        rungs=("source", "int"),
        populations=("p", "q"),
        accuracy={"source": 1.0, "int": 0.9},
        loss=10.0,
        entries=[entry("p", "source", 0.0), entry("q", "source", 0.0), entry("p", "int", 0.25)],
        attributions=[Attribution(rung="int", population="p", loss=10.0)],
        first_offender=("int", "p"),
        summary="p loses it",
        advice="",
        points={},
        notes=["no Lava"],
    )


def test_a_ledger_in_a_notebook(ledger: Ledger) -> None:
    page = Page(ledger._repr_html_())
    assert page.rows == [
        ["", "source", "int"],
        ["accuracy", "100.00 %", "90.00 %"],
        ["p", "0.00 %", "25.00 %"],
        ["q", "0.00 %", ""],
    ]
    assert page.notes[1:] == ["p loses it", "no Lava"]


def test_tables_escape_everything() -> None:
    page = Page(table("<t>", ("a", "b"), [("<script>", "&")], notes=["</div>"]))
    assert page.rows == [["a", "b"], ["<script>", "&"]]
    assert page.notes == ["<t>", "</div>"]
