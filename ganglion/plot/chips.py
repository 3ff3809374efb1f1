"""A mapping as a picture: chips, cores, and the traffic between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion.errors import InputError
from ganglion.mapping import Mapping, words
from ganglion.mapping.mesh import colours, mesh_of
from ganglion.mapping.picture import SQUARE, widths

from .canvas import GREY, GRID, INK, canvas, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCH = 5.0  # squares of cores per inch of a new figure, of one chip
WIDEST = 11.0  # inches
LEGEND = 30  # populations that a legend names
BESIDE, LETTER = (0.8, 0.18), 0.085  # inches: how wide it is without its letters, how high a line; and a letter


def mesh(mapping: Mapping, ax: Axes | None = None) -> Axes:
    """The cores of `mapping` on their chips, coloured by population; links as thick as the messages that they carry.

    Messages per time-step, both ways together, along the row of tiles first and then along the column; where no spikes
    were measured, as if every member fired at every step. Up to 30 populations are named in a legend.

    Raises `InputError` for a network that does not fit, and so has no places.
    """
    if mapping.placement is None:
        raise InputError(f"'{mapping.network}' is not placed on {mapping.target}", hint=mapping.binding)
    found = mesh_of(mapping)
    width = min(found.width / INCH, WIDEST)
    named = len(mapping.layers) <= LEGEND
    height = max(width * found.height / found.width, BESIDE[1] * len(mapping.layers) if named else 0)
    beside = BESIDE[0] + LETTER * max(len(layer.name) for layer in mapping.layers) if named else 0
    with canvas(ax, width + beside, height + 0.5) as ax:
        from matplotlib.collections import LineCollection, PatchCollection
        from matplotlib.patches import FancyBboxPatch, Patch, Rectangle

        for chip in found.chips:
            corner, style = (chip.x, chip.y), "round,pad=0,rounding_size=0.6"
            ax.add_patch(FancyBboxPatch(corner, *found.frame, boxstyle=style, facecolor="none", edgecolor=GREY))
            ax.text(chip.x, chip.y - 0.5, chip.above, fontsize=8, color=INK, va="bottom")
            ax.text(chip.x, chip.y + found.frame[1] + 0.3, chip.below, fontsize=8, color=INK, va="top")
        scale = 72 * width / found.width  # points of a square's side
        thick = widths(found.messages)
        lines = found.links.reshape(-1, 2, 2)
        ax.add_collection(
            LineCollection(
                list(lines),
                linewidths=[max(scale * w, 0.4) for w in thick],
                colors=[GREY if w else GRID for w in thick],
                capstyle="butt",
            )
        )
        for x, y in found.bare.tolist():
            ax.add_patch(Rectangle((x, y), SQUARE, SQUARE, facecolor="none", edgecolor=GRID, linewidth=0.6))
        squares = {"": (found.free, GRID)} | {name: (found.cores[name], c) for name, c in colours(mapping).items()}
        for name, (corners, colour) in squares.items():
            of_it = [Rectangle((x, y), SQUARE, SQUARE) for x, y in corners.tolist()]
            ax.add_collection(PatchCollection(of_it, facecolor=colour, linewidth=0, label=name or "free", zorder=3))
        ax.set_xlim(0, found.width)
        ax.set_ylim(found.height, 0)
        ax.set_aspect("equal")
        ax.set_axis_off()
        if named:
            handles = [Patch(color=colour, label=name) for name, colour in colours(mapping).items()]
            ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
        title(ax, words.title(mapping))
    return ax
