"""The ledger for a terminal: what each rung loses and where, and every population's errors."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from .ladder import FLOAT, INFINITE, INTEGER, RECOMPILED, STAIRCASE
from .result import Entry, Ledger

# the rungs that may differ from the ones before them
NARROW = {
    STAIRCASE: "stair\ncase",
    INFINITE: "inf.\nT",
    FLOAT: "float",
    RECOMPILED: "recom\npiled",
    INTEGER: "inte\nger",
}
NAMED = 3  # populations that are named in a line
SHADES = ((0.02, "green"), (0.1, "yellow"), (0.3, "dark_orange"))  # of relative errors; red beyond


def table_of(ledger: Ledger) -> RenderableType:
    """Two tables, and below them the summary and the advice."""
    lines = [ledger.summary, ledger.advice, *ledger.notes]
    return Group(_rungs(ledger), _populations(ledger), *(escape(line) for line in lines if line))


def _rungs(ledger: Ledger) -> Table:
    what = "accuracy" if ledger.labelled else "class as\nthe source"
    table = Table(title=f"the ladder, {ledger.samples} samples")
    table.add_column("rung", vertical="bottom")
    table.add_column(what, justify="right", vertical="bottom")
    table.add_column("points lost", justify="right", vertical="bottom")
    table.add_column("where", vertical="bottom")
    for rung in ledger.rungs:
        here = sorted((a for a in ledger.attributions if a.rung == rung), key=lambda a: -abs(a.loss))
        named = [f"{escape(a.population)} {a.loss:.2f}" for a in here[:NAMED]]
        named += [f"{len(here) - NAMED} others"] if len(here) > NAMED else []
        lost = sum(a.loss for a in here)
        table.add_row(rung, f"{100 * ledger.accuracy[rung]:.2f} %", f"{lost:.2f}" if here else "", ", ".join(named))
    table.add_section()
    table.add_row("all", "", f"{ledger.loss:.2f}", "")
    return table


def _populations(ledger: Ledger) -> Table:
    rungs = [rung for rung in NARROW if rung in ledger.rungs]
    table = Table(
        title="relative error on every rung, and the integer spikes",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("population", vertical="bottom", overflow="fold", min_width=12)
    narrow = {"justify": "right", "vertical": "bottom", "no_wrap": True}
    for heading in (
        *(NARROW[rung] for rung in rungs),
        "rate",
        "clip\n%",
        "dead\n%",
        "sat.\n%",
        "free\nbits",
        "pts\nlost",
    ):
        table.add_column(heading, **narrow)  # type: ignore[arg-type]
    table.pad_edge = False
    losses: dict[str, float] = {}
    for a in ledger.attributions:
        losses[a.population] = losses.get(a.population, 0.0) + a.loss
    for name in [*ledger.populations, *(name for name in losses if name not in ledger.populations)]:
        lost = f"{losses[name]:.2f}" if name in losses else ""
        if name not in ledger.populations:
            table.add_row(escape(name), *[""] * (len(rungs) + 5), lost)
            continue
        end = ledger.entry(INTEGER, name)
        table.add_row(
            escape(name),
            *(_shaded(ledger.entry(rung, name)) for rung in rungs),
            "" if end.rate is None else f"{end.rate:.3f}",
            *(_percent(share) for share in (end.clipped, end.dead, end.saturated)),
            "" if end.headroom_bits is None else str(end.headroom_bits),
            lost,
        )
    return table


def _shaded(entry: Entry) -> str:
    error = entry.relative_error
    colour = next((shade for most, shade in SHADES if error < most), "red")
    return f"[{colour}]{error:.2f}[/]"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
