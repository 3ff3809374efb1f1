"""The picture of a sweep: what accuracy costs in time and in synaptic operations."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
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
STYLE: dict[Any, Any] = {  # for matplotlib.rc_context
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
    check_matplotlib()


def check_matplotlib() -> None:
    """Raises `InputError` where matplotlib is not there."""
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

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _panels(sweep, left, right)
        figure.suptitle(sweep.heading, fontsize=11, color=INK)
    write_figure(figure, where)
    return figure


def write_figure(figure: Figure, path: str | PathLike[str]) -> Path:
    """Write `figure` to `path` (.svg, .png or .pdf), whole or not at all; equal figures give equal files.

    Raises `InputError` for another file type, or where the file cannot be written.
    """
    check_plot(path)
    import matplotlib

    file, kind = io.BytesIO(), Path(path).suffix.lower().removeprefix(".")
    metadata = {} if kind == "png" else {"Date" if kind == "svg" else "CreationDate": None}
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format=kind, dpi=160, metadata=metadata)
    return write_whole(Path(path), file.getvalue())


def _panels(sweep: Sweep, left: Axes, right: Axes) -> None:
    by_steps(sweep, left)
    by_operations(sweep, right)
    right.legend(title=legend_title(sweep), loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, alignment="left")


def by_steps(sweep: Sweep, axes: Axes) -> None:
    """Accuracy against T."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    _lines(sweep, axes, lambda row: row.steps)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted({row.steps for row in sweep.rows if not row.problem})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    axes.set_xlabel("time-steps T")
    axes.set_ylabel("agreement with the ANN" if sweep.ann_accuracy is None else "accuracy")


def by_operations(sweep: Sweep, axes: Axes) -> None:
    """Accuracy against synaptic operations per sample."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    _lines(sweep, axes, lambda row: row.operations_per_sample or 0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("synaptic operations per sample")


def _lines(sweep: Sweep, axes: Axes, place: Callable[[Row], float]) -> None:
    """One line per method and tau, in the order of T, and the ANN's."""
    from matplotlib.ticker import FuncFormatter

    rows = [row for row in sweep.rows if not row.problem]
    for (method, tau), own in _looks(rows)[0].items():
        line = sorted((row for row in rows if (row.method, row.members) == (method, tau)), key=lambda row: row.steps)
        look = {"markersize": 7, "markeredgecolor": "white", "markeredgewidth": 0.8, "linewidth": 1.6, **own}
        axes.plot([place(row) for row in line], [_height(row) for row in line], **look)
    if sweep.ann_accuracy is not None:
        label = f"ANN, {100 * sweep.ann_accuracy:.1f} %"
        axes.axhline(sweep.ann_accuracy, color=GREY, linestyle=(0, (5, 3)), linewidth=1.2, zorder=1, label=label)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.3g} %"))


def _looks(rows: Sequence[Row]) -> tuple[dict[tuple[str, Members], dict[str, Any]], str]:
    """How the line of every method and tau looks, and the legend's title: a colour per tau, or, where there are several
    methods, per method, and the marker tells tau.
    """
    from matplotlib import colormaps

    lines: list[tuple[str, Members]] = list(dict.fromkeys((row.method, row.members) for row in rows))
    methods = list(dict.fromkeys(m for m, _ in lines))
    members: list[Members] = list(dict.fromkeys(tau for _, tau in lines))
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


def legend_title(sweep: Sweep) -> str:
    """What tells the lines apart."""
    return _looks([row for row in sweep.rows if not row.problem])[1]


def _height(row: Row) -> float:
    share = row.agreement if row.accuracy is None else row.accuracy
    return float("nan") if share is None else share
