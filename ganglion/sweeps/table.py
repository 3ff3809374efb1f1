"""The table of a sweep, for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ganglion.ir.html import percent

from .result import Row, Sweep
from .settings import Members

UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def table_of(sweep: Sweep) -> Table:
    """Method by method, tau by tau, T by T; a row that was read from a longer run names it."""
    ann = "" if sweep.ann_accuracy is None else f"; the ANN has {100 * sweep.ann_accuracy:.2f} %"
    methods = list(dict.fromkeys(row.method for row in sweep.rows))
    by = f" by {methods[0]}" if len(methods) == 1 else ""
    title = f"{escape(sweep.model)} on {escape(sweep.target)}{by}{sweep.optimised}: {sweep.samples} samples{ann}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 0))  # within 80 columns
    if not by:
        table.add_column("method", vertical="bottom", no_wrap=True)
    figures = ("accuracy", "as the\nANN", "spikes /\nsample", "syn. op.\n/ sample", "seconds")
    for heading in ("tau", "members\nin all", "T", *figures):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    before: tuple[str, Members] | None = None
    for row in sweep.rows:
        group = row.method, row.members
        if before not in (None, group):
            table.add_section()
        method = [] if by else ["" if before is not None and before[0] == row.method else row.method]
        before = group
        setting = (*method, _tau(row), _short(row.members_in_all), str(row.steps))
        if row.problem:
            table.add_row(*setting, "[red]does not fit[/]", "", "", "", "")
            continue
        seconds = f"{row.seconds:.1f}" if row.run_steps == row.steps else f"[dim]in T={row.run_steps}[/]"
        shares = (row.accuracy, row.agreement)
        costs = (row.spikes_per_sample, row.operations_per_sample)
        table.add_row(*setting, *map(percent, shares), *map(_short, costs), seconds)
    refused = [f"{r.method}, tau = {r.members}, T = {r.steps}: {escape(r.problem)}" for r in sweep.rows if r.problem]
    table.caption = "\n".join(refused) or None
    return table


def _tau(row: Row) -> str:
    return "L" if row.members == "levels" else str(row.members)


def _short(value: float | None) -> str:
    """Three digits, in thousands, millions or billions."""
    if value is None:
        return ""
    for unit, sign in UNITS:
        if value >= unit:
            return f"{value / unit:#.3g}".removesuffix(".") + f" {sign}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
