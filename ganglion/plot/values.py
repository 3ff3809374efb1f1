"""What spikes stand for, beside the activations of the ANN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array

from .canvas import GREY, INK, canvas, grid, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 4000  # different pairs that are drawn one by one; more are counted in cells
CELLS = 64  # of a 2-D histogram, in both directions


def rate_against_activation(activation: Array, value: Array, ax: Axes | None = None, *, name: str = "") -> Axes:
    """What the spikes stand for against the ANN's activation, neuron by neuron; a perfect network is the diagonal.

    `activation` and `value` have one shape, any, and one unit, the model's: `value` is the sum of the spike counts over
    the T steps of a window, times the value of a spike (theta / tau), over T (Group Neuron, Lv et al., ICASSP 2024,
    arXiv 2402.19061). Up to 4000 different pairs are points, more are counted in cells; the darker, the more often
    (logarithmically).
    `name` stands in the title, before the relative error |value - activation| / |activation| (Euclidean).

    Raises `InputError` where the shapes differ or there are no values.
    """
    x, y = (np.asarray(a, np.float64).ravel() for a in (activation, value))
    if x.shape != y.shape or not len(x):
        raise InputError(f"{np.shape(activation)} activations and {np.shape(value)} values: one each, at least one")
    low, high = min(x.min(), y.min(), 0.0), max(x.max(), y.max())
    high = high if high > low else low + 1.0
    with canvas(ax, 4.6, 4.4) as ax:
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap, LogNorm

        shades = ListedColormap(colormaps["viridis_r"](np.linspace(0.12, 1, 256)))
        pairs = np.round(np.stack([x, y], axis=1) / max(abs(low), high), 6) * max(
            abs(low), high
        )  # the same but for noise
        points, times = np.unique(pairs, axis=0, return_counts=True)
        if len(points) <= POINTS:
            rising = np.argsort(times, kind="stable")  # what is frequent lies on top
            px, py = points[rising].T
            norm = LogNorm(1, max(times.max(), 2))
            ax.scatter(px, py, c=times[rising], s=16, cmap=shades, norm=norm, linewidths=0, zorder=2)
        else:
            counts, _, _ = np.histogram2d(x, y, bins=CELLS, range=((low, high), (low, high)))
            ax.imshow(
                np.ma.masked_equal(counts.T, 0),  # an empty cell is no cell of few
                norm=LogNorm(1, max(counts.max(), 2)),
                cmap=shades,
                origin="lower",
                extent=(low, high, low, high),
                interpolation="nearest",
            )
        ax.plot([low, high], [low, high], color=GREY, linestyle=(0, (5, 3)), linewidth=1.2)
        margin = 0.03 * (high - low)
        ax.set_xlim(low - margin, high + margin)
        ax.set_ylim(low - margin, high + margin)
        ax.set_aspect("equal")
        grid(ax, "both")
        ax.set_xlabel("activation of the ANN")
        ax.set_ylabel("what the spikes stand for")
        size = np.linalg.norm(x)
        error = f"{100 * np.linalg.norm(y - x) / size:.2g} % away" if size else ""
        title(ax, ", ".join(part for part in (name, error) if part))
    return ax


def distributions(values: Mapping[str, Array], ax: Axes | None = None, *, bins: int = 32) -> Axes:
    """How often each value occurs, one line per entry of `values`, which maps a label to an array of any shape.

    All share `bins` cells of one width, from 0 (or the lowest value) to the highest; the height is the share of an
    entry's values that lie in a cell, on a logarithmic axis. The first entry is filled: the others are held to it.

    Raises `InputError` for an empty array, or no array.
    """
    flat = {label: np.asarray(v, np.float64).ravel() for label, v in values.items()}
    if not flat or not all(v.size for v in flat.values()):
        raise InputError("there are no values to draw")
    low = min(0.0, *(v.min() for v in flat.values()))
    high = max(v.max() for v in flat.values())
    width = (high - low) / (bins - 1) if high > low else 1.0
    edges = low + width * (np.arange(bins + 1) - 0.5)  # the extremes lie in the middle of their cells
    with canvas(ax, 5.4, 3.8) as ax:
        from matplotlib import colormaps

        for i, (label, v) in enumerate(flat.items()):
            share = np.histogram(v, edges)[0] / v.size
            shade = GREY if not i else colormaps["viridis"](0.6 * (i - 1) / max(len(flat) - 2, 1))
            least = 0.5 / max(v.size for v in flat.values())  # below one value: where the axis begins
            ax.stairs(
                np.maximum(share, least),
                edges,
                baseline=least,
                fill=not i,
                color=shade,
                alpha=1.0 if i else 0.35,
                linewidth=1.6,
                label=label,
            )
        ax.set_yscale("log")
        grid(ax, "y")
        ax.set_xlabel("value, in the model's units")
        ax.set_ylabel("share of values")
        ax.legend(frameon=False, labelcolor=INK)
    return ax
