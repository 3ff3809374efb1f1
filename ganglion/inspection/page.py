"""One HTML page of a network: figures, notes, its place on a chip, and all ops, with links among them.

It needs no other file, no script and no network. Colours follow the reader's choice of light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.resources import files

from ganglion.ir import (
    Cluster,
    Graph,
    IntegrateFire,
    LateralInhibition,
    Membrane,
    Op,
    Projection,
    Staircase,
    format_text,
)
from ganglion.mapping import kept_in
from ganglion.mapping.page import fragment
from ganglion.mapping.page import style as chip_style
from ganglion.version import __version__

from .facts import header, level, shown, summary
from .subject import Subject

HEADINGS = ("op", "level", "inputs", "type", "integer format", "from the nodes")
FIGURES = {
    "stage": "stage",
    "target": "target",
    "steps": "time-steps T",
    "members": "members tau, as asked",
}


def to_html(subject: Subject) -> str:
    """The page."""
    graph = subject.graph
    anchors = {op.name: f"op-{i}" for i, op in enumerate(graph.ops)}
    readers: dict[str, list[str]] = {op.name: [] for op in graph.ops}
    for op in graph.ops:
        for name in dict.fromkeys(op.inputs):
            readers[name].append(op.name)
    head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    rows = "\n".join(_op(subject, op, anchors, readers[op.name]) for op in graph.ops)
    style = (files("ganglion.inspection") / "page.css").read_text(encoding="utf-8")
    kept = kept_in(graph)
    chip = "" if kept is None else f'<h2 id="chip">On the chip</h2>\n{fragment(kept)}'
    style += "" if kept is None else chip_style()
    source = f" Its model has the checksum <code>{escape(graph.source)}</code>." if graph.source else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(graph.name)}: {graph.stage.name.lower()} network</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#ops">To the ops</a>
<header>
<h1>{escape(graph.name)}</h1>
{_figures(graph)}
</header>
<main>
{_notes(graph)}
{chip}
<h2 id="ops">{len(graph)} ops</h2>
<table>
<thead><tr>{head}</tr></thead>
{rows}
</table>
</main>
<footer>Written by ganglion {escape(__version__)}.{source}</footer>
</body>
</html>
"""


def _figures(graph: Graph) -> str:
    head = header(graph)
    pairs = [(words, str(head[key])) for key, words in FIGURES.items() if head[key] is not None]
    pairs += [(key, f"{value:,}") for key, value in summary(graph).items() if value]
    return f'<dl class="figures">{"".join(_pair(term, escape(value)) for term, value in pairs)}</dl>'


def _pair(term: str, value: str) -> str:
    return f"<div><dt>{escape(term)}</dt><dd>{value}</dd></div>"


def _notes(graph: Graph) -> str:
    if not graph.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in graph.notes)
    return f'<h2>Notes</h2>\n<ul class="notes">{items}</ul>'


def _op(subject: Subject, op: Op, anchors: dict[str, str], readers: Iterable[str]) -> str:
    """Two rows: the op in words, and under it what folds out: its fields and its readers."""
    graph = subject.graph
    at = level(graph, op)
    badge = ' <span class="badge">placeholder</span>' if op.name in subject.placeholders else ""
    inputs = [_link(name, anchors) for name in op.inputs]
    inputs += [f"{_link(op.inhibited_by, anchors)} (feedback)"] if isinstance(op, IntegrateFire) else []
    cells = {
        "level": "" if at is None else str(at),
        "inputs": _list(inputs),
        "type": escape(str(graph.typeof(op.name))),
        "format": escape(format_text(op)),
        "origin": escape(", ".join(op.origin)),
    }
    labels = dict(zip(cells, HEADINGS[1:], strict=True))
    row = "".join(
        f'<td class="{key}" data-label="{labels[key]}">{cell}</td>' if cell else "<td></td>"
        for key, cell in cells.items()
    )
    fields = shown(op)
    brief = escape("; ".join(f"{name} {words}" for name, words in fields.items())) or "no fields of its own"
    pairs = [f"<dt>{escape(name)}</dt><dd><code>{escape(words)}</code></dd>" for name, words in fields.items()]
    pairs += [f"<dt>read by</dt><dd>{', '.join(_link(name, anchors) for name in readers)}</dd>"] if readers else []
    return f"""<tbody id="{anchors[op.name]}" class="{_kind(op)}">
<tr><th scope="row">{escape(op.name)}{badge}<br><span class="kind">{op.mnemonic}</span></th>{row}</tr>
<tr><td class="more" colspan="{len(HEADINGS)}"><details><summary>{brief}</summary>
<dl class="fields">{"".join(pairs)}</dl></details></td></tr>
</tbody>"""


def _kind(op: Op) -> str:
    if isinstance(op, Projection):
        return "projection"
    return "population" if isinstance(op, (Membrane, Staircase, Cluster, LateralInhibition)) else "other"


def _link(name: str, anchors: dict[str, str]) -> str:
    return f'<a href="#{anchors[name]}">{escape(name)}</a>'


def _list(items: Iterable[str]) -> str:
    """One item as it is, several as a list."""
    items = list(items)
    return "".join(items) if len(items) < 2 else f"<ul>{''.join(f'<li>{i}</li>' for i in items)}</ul>"
