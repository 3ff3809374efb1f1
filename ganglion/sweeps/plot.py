"""The picture of a sweep: what accuracy costs in time and in synaptic operations."""

from __future__ import annotations

import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganglion.errors import InputError
from ganglion.ir.file import write_whole

from .result import Row, Sweep
from .settings import Members

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = (".svg", ".png", ".pdf")
MARKERS = "osD^vPX*"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d31", "#56b4e9", "#e69f00", "#555555")  # of methods
DASHES = ("solid", (0, (4, 1)), (0, (2, 1)), (0, (1, 1)))  # of tau, beside its marker
INK, GREY, GRID = "#222222", "#777777", "#e4e4e4"
STYLE = {
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.hashsalt": "ganglion",  # the same sweep gives the same file
}


def check_plot(path: str | PathLike[str]) -> None:
    """Raises `InputError` where `path` has another ending than `KINDS`, or matplotlib is not there."""
    if Path(path).suffix.lower() not in KINDS:
        raise InputError(f"cannot draw {path}", hint=f"a plot is a file ending in {', '.join(KINDS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        hint = "pip install 'ganglion[plot]'"
        raise InputError("a plot needs the package matplotlib, which is not installed", hint=hint) from None


def draw(sweep: Sweep, where: str | PathLike[str] | tuple[Axes, Axes]) -> Figure:
    """See `Sweep.plot`."""
    if isinstance(where, tuple):
        _panels(sweep, *where)
        return where[0].get_figure(root=True)  # type: ignore[return-value]
    check_plot(where)
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _panels(sweep, left, right)
        figure.suptitle(f"{sweep.model} on {sweep.target}, {sweep.samples:,} samples", fontsize=11, color=INK)
        file, kind = io.BytesIO(), Path(where).suffix.lower().removeprefix(".")
        metadata = {} if kind == "png" else {"Date" if kind == "svg" else "CreationDate": None}
        figure.savefig(file, format=kind, dpi=160, metadata=metadata)
    write_whole(Path(where), file.getvalue())
    return figure


def _panels(sweep: Sweep, left: Axes, right: Axes) -> None:
    from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    rows = [row for row in sweep.rows if not row.problem]
    looks, title = _looks(rows)
    one = len({row.method for row in rows}) < 2
    for (method, tau), own in looks.items():
        line = sorted((row for row in rows if (row.method, row.members) == (method, tau)), key=lambda row: row.steps)
        look = {
            "markersize": 7 if one else 5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.8,
            "linewidth": 1.6,
            **own,
        }
        heights = [_height(row) for row in line]
        left.plot([row.steps for row in line], heights, **look)
        right.plot([row.operations_per_sample or 0 for row in line], heights, **look)
    measured = sweep.ann_accuracy is not None
    for axes in (left, right):
        if sweep.ann_accuracy is not None:
            label = f"ANN, {100 * sweep.ann_accuracy:.1f} %"
            axes.axhline(sweep.ann_accuracy, color=GREY, linestyle=(0, (5, 3)), linewidth=1.2, zorder=1, label=label)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=3)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.3g} %"))
    steps = sorted({row.steps for row in rows})
    left.set_xscale("log", base=2)
    left.xaxis.set_major_locator(FixedLocator(steps))
    left.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    left.set_xlabel("time-steps T")
    left.set_ylabel("accuracy" if measured else "agreement with the ANN")
    right.set_xscale("log")
    costs = [row.operations_per_sample or 1 for row in rows] or [1]
    wide = max(costs) > 200 * min(costs)  # no room for more than a label a decade
    right.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    right.xaxis.set_major_formatter(EngFormatter())
    right.xaxis.set_minor_formatter(NullFormatter())
    right.set_xlabel("synaptic operations per sample")
    right.legend(title=title, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, alignment="left")


def _looks(rows: Sequence[Row]) -> tuple[dict[tuple[str, Members], dict[str, Any]], str]:
    """How the line of every method and tau looks, and the legend's title: a colour per tau, or, where there are several
    methods, per method, and the marker tells tau.
    """
    from matplotlib import colormaps

    lines = list(dict.fromkeys((row.method, row.members) for row in rows))
    methods, members = list(dict.fromkeys(m for m, _ in lines)), list(dict.fromkeys(tau for _, tau in lines))
    looks: dict[tuple[str, Members], dict[str, Any]] = {}
    for method, tau in lines:
        i, j, name = members.index(tau), methods.index(method), "L" if tau == "levels" else str(tau)
        looks[method, tau] = {"marker": MARKERS[i % len(MARKERS)]}
        if len(methods) == 1:
            looks[method, tau] |= {"color": colormaps["viridis"](0.88 * i / max(len(members) - 1, 1)), "label": name}
        else:
            looks[method, tau] |= {"color": COLOURS[j % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
            looks[method, tau] |= {"label": f"{method}, {name}"}
    return looks, "members τ" if len(methods) == 1 else "method, τ"


def _height(row: Row) -> float:
    share = row.agreement if row.accuracy is None else row.accuracy
    return float("nan") if share is None else share
