"""What the spikes of a run do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ganglion.errors import InputError
from ganglion.simulator import Run

from .canvas import BLUE, INK, canvas, grid, names_down, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Quantity = Literal["rates", "spikes", "operations"]
UNITS = {
    "rates": "spikes per neuron and time-step",
    "spikes": "spikes per sample",
    "operations": "synaptic operations per sample",
}


def rates(run: Run, ax: Axes | None = None, *, quantity: Quantity = "rates") -> Axes:
    """A bar for every population: how much it fires, averaged over all samples of `run`.

    `quantity` "rates" counts spikes per neuron and time-step (up to tau of a Group Neuron), "spikes" spikes per sample,
    "operations" the synaptic operations per sample that they cause (those of the input too).

    Raises `InputError` for another quantity, or a run without samples.
    """
    if quantity not in UNITS:
        raise InputError(f"unknown quantity '{quantity}'", hint=", ".join(UNITS))
    if not run.samples:
        raise InputError("the run has no samples to draw")
    values: dict[str, float] = dict(run.rates)
    if quantity != "rates":
        totals = run.spikes if quantity == "spikes" else run.operations
        values = {name: total / run.samples for name, total in totals.items()}
    with canvas(ax, 7.2, 0.9 + 0.32 * len(values)) as ax:
        from matplotlib.ticker import EngFormatter

        bars = ax.barh(range(len(values)), list(values.values()), height=0.62, color=BLUE)
        form = EngFormatter(places=2, sep="\N{THIN SPACE}") if quantity != "rates" else "{:.3f}".format
        ax.bar_label(bars, [form(value) for value in values.values()], padding=4, fontsize=8.5, color=INK)
        names_down(ax, list(values))
        ax.margins(x=0.12)
        grid(ax, "x")
        if quantity != "rates":
            ax.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
        ax.set_xlabel(UNITS[quantity])
        title(ax, f"{run.samples:,} samples, T = {run.steps}")
    return ax


def raster(run: Run, population: str, sample: int = 0, ax: Axes | None = None) -> Axes:
    """The spikes of every neuron of `population` at every time-step, while `sample` (from 0 on) is in the network.

    A column is a time-step, a row a neuron, in C order of the population's shape; the colour is its spike count, white
    where it is silent.

    Raises `InputError` where the population was not recorded, or there is no such sample.
    """
    if population not in run.counts:
        recorded = ", ".join(run.counts) or "none"
        hint = f'simulate with record="all" or record=["{population}"]'
        raise InputError(f"'{population}' was not recorded; recorded: {recorded}", hint=hint)
    if not 0 <= sample < run.samples:
        raise InputError(f"there is no sample {sample}: the run has {run.samples}, counted from 0")
    counts = run.counts[population][:, sample].reshape(run.steps, -1).T.astype(np.int64)
    with canvas(ax, 1.8 + 0.55 * min(run.steps, 12), 4.6) as ax:
        from matplotlib import colormaps
        from matplotlib.colors import BoundaryNorm, ListedColormap

        low, high = min(int(counts.min()), 0), max(int(counts.max()), 1)
        shades = [colormaps["viridis_r"](0.1 + 0.9 * n / high) for n in range(1, high + 1)]
        below = [colormaps["Reds"](0.3 + 0.6 * n / low) for n in range(low, 0)]  # of a pool whose maximum shrinks
        norm = BoundaryNorm(np.arange(low, high + 2) - 0.5, high - low + 1)
        image = ax.imshow(
            counts,
            cmap=ListedColormap([*below, (1.0, 1.0, 1.0, 1.0), *shades]),
            norm=norm,
            aspect="auto",
            interpolation="nearest",
        )
        ax.set_xticks(np.arange(run.steps)[:: -(-run.steps // 12)])
        ax.tick_params(length=3)
        ax.set_xlabel("time-step")
        ax.set_ylabel("neuron")
        ticks = np.unique(np.linspace(low, high, min(high - low + 1, 9)).round())
        ax.figure.colorbar(image, ax=ax, ticks=ticks, label="spikes", fraction=0.1)
        title(ax, f"{population}, sample {sample}")
    return ax
