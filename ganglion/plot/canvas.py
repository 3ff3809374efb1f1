"""The axes that a plot is drawn in, and their look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ganglion.sweeps.plot import GREY, GRID, INK, STYLE, check_matplotlib, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, LIGHT_BLUE = "#3b6ea8", "#dfe9f3"


@contextmanager
def canvas(ax: Axes | None, width: float, height: float) -> Iterator[Axes]:
    """`ax`, or the axes of a new pyplot figure of `width` x `height` inches, while the look of all plots holds.

    Raises `InputError` where matplotlib is not there.
    """
    check_matplotlib()
    import matplotlib

    with matplotlib.rc_context(STYLE):
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.figure(figsize=(width, height), layout="constrained").add_subplot()
        yield ax


def save(ax: Axes, path: str | PathLike[str]) -> Path:
    """Write the whole figure of `ax` to `path` (.svg, .png or .pdf), whole or not at all; returns `path`.

    Raises `InputError` for another file type, or where the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return write_figure(figure, path)


def title(ax: Axes, text: str) -> None:
    ax.set_title(text, fontsize=11, color=INK, loc="left")


def grid(ax: Axes, axis: str) -> None:
    """Light lines behind what is drawn, along "x", "y" or "both"."""
    ax.grid(color=GRID, linewidth=0.8, axis=axis)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    ax.tick_params(length=3)


def names_down(ax: Axes, names: list[str]) -> None:
    """Names along the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


__all__ = ["BLUE", "GREY", "GRID", "INK", "LIGHT_BLUE", "STYLE", "canvas", "grid", "names_down", "save", "title"]
