"""Networks and results for notebooks: small self-contained tables in the page's own colours, light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from .ops import Cluster, GroupNeuron, Input, MaxPool, Membrane, PhaseNeuron, Readout, Staircase
from .text import summary
from .types import dims, signed_bits, size

if TYPE_CHECKING:
    from .graph import Graph

# no colour of its own: text and lines take the page's, so that nothing has to know whether that is dark
STYLE = (
    "<style>"
    ".ganglion{max-height:32em;overflow:auto;font-size:90%}"
    ".ganglion p{margin:.2em 0 .5em}"
    ".ganglion table{border-collapse:collapse;margin:0;color:inherit;font-size:inherit}"
    ".ganglion th,.ganglion td{padding:.2em .8em;text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}"
    ".ganglion th{border-bottom:1px solid currentColor;font-weight:600;vertical-align:bottom}"
    ".ganglion .text{text-align:left}"
    ".ganglion svg{max-width:100%;height:auto}"
    "</style>"
)


def table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, text: int = 1, notes: Iterable[str] = ()
) -> str:
    """A title, a table and notes below it, as HTML; everything is escaped.

    The first `text` columns hold text and stand left, the others hold numbers and stand right.
    """

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="text"'] * text + [""] * (len(cells) - text)
        marked = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(marked)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f'<div class="ganglion">{STYLE}<p>{escape(title)}</p>'
        f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>{below}</div>"
    )


def percent(share: float | None) -> str:
    """`share` as `99.17 %`; nothing where it is not known."""
    return "" if share is None else f"{100 * share:.2f} %"


def graph_table(graph: Graph) -> str:
    """The network: what spikes, from the input to the readout, and the notes of its compilation."""
    rows = []
    for op in graph.ops:
        if not isinstance(op, (Input, Staircase, GroupNeuron, Cluster, PhaseNeuron, MaxPool, Readout)):
            continue
        shape = graph.typeof(op.name).shape
        members = {
            Staircase: lambda op: f"L = {op.levels}",
            GroupNeuron: lambda op: str(op.members),
            Cluster: lambda op: str(len(op.inputs)),
        }.get(type(op), lambda op: "")(op)
        level = str(graph.level(op.name)) if graph.steps else ""
        interval = op.interval if isinstance(op, Membrane) else None
        bits = "" if interval is None else f"{signed_bits(*interval)} bits"
        rows.append((op.name, op.mnemonic, dims(shape), f"{size(shape):,}", members, level, bits))
    head = ("population", "kind", "shape", "neurons", "members", "level", "membrane")
    return table(summary(graph), head, rows, text=3, notes=graph.notes)
