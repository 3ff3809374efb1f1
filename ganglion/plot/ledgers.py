"""Where the accuracy went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ganglion.errors import InputError

from .canvas import GREY, INK, canvas, grid, names_down, title
from .values import rate_against_activation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ganglion.ledger import Ledger  # what it needs to be made takes a second to load

Quantity = Literal["relative_error", "local_error"]
LEAST = 0.01  # percent: where the colours begin
LABELS = {
    "relative_error": "relative error |v - y| / |y|",
    "local_error": "local error |v - w| / |w|: what the rung adds here alone",
}


def ledger(ledger: Ledger, ax: Axes | None = None, *, quantity: Quantity = "relative_error") -> Axes:
    """A heat map of errors: a row is a population, a column a rung, the number a percentage (see `ledger.Entry`).

    "relative_error" is against the source's activations, "local_error" what the rung adds in that population alone.
    Colours are logarithmic from 0.01 % on; what is not known stays white. The source, which is off by nothing, and
    rungs of which nothing is known are left out. The first offender is framed.

    Raises `InputError` for another quantity, or a ledger without entries of it.
    """
    if quantity not in LABELS:
        raise InputError(f"unknown quantity '{quantity}'", hint=", ".join(LABELS))
    names = list(ledger.populations)
    known = {e.rung for e in ledger.entries if getattr(e, quantity) is not None}
    rungs = [rung for rung in ledger.rungs[1:] if rung in known]
    if not rungs or not names:
        raise InputError(f"the ledger has no {quantity.replace('_', ' ')} of any population")
    error = np.full((len(names), len(rungs)), np.nan)
    for entry in ledger.entries:
        if entry.rung in rungs and (value := getattr(entry, quantity)) is not None:
            error[names.index(entry.name), rungs.index(entry.rung)] = 100 * value
    with canvas(ax, 3.2 + 1.1 * len(rungs), 1.6 + 0.34 * len(names)) as ax:
        from matplotlib.colors import LogNorm
        from matplotlib.patches import Rectangle

        norm = LogNorm(LEAST, max(100.0, np.nanmax(error)), clip=True)
        shown = np.ma.masked_invalid(np.maximum(error, LEAST))
        image = ax.imshow(shown, norm=norm, cmap="YlOrBr", aspect="auto", interpolation="nearest")
        for (i, j), value in np.ndenumerate(error):
            if np.isfinite(value):
                dark = float(norm(max(value, LEAST))) > 0.72
                ax.text(j, i, _shown(value), ha="center", va="center", fontsize=8.5, color="white" if dark else INK)
        rung, name = ledger.first_offender or ("", "")
        if rung in rungs and name in names:
            corner = (rungs.index(rung) - 0.5, names.index(name) - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.8))
        names_down(ax, names)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xticks(range(len(rungs)), rungs)
        ax.tick_params(axis="x", length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.figure.colorbar(image, ax=ax, format="%g", label=f"{LABELS[quantity].partition(':')[0]}, in %")
        title(ax, f"{LABELS[quantity].partition(' |')[0]} in %, {ledger.samples:,} samples")
    return ax


def _shown(percentage: float) -> str:
    if 0 < percentage < LEAST:
        return f"< {LEAST}"
    return f"{percentage:.2g}" if percentage < 100 else f"{percentage:.0f}"


def attributions(ledger: Ledger, ax: Axes | None = None) -> Axes:
    """The points of accuracy that are lost in each population (and the input, or the readout), a colour per rung.

    Bars to the left are points won. Together they are the ledger's `loss`; without labels it is the share of samples
    with the source's class that is lost.
    """
    lost: dict[str, dict[str, float]] = {}
    for a in ledger.attributions:
        by_rung = lost.setdefault(a.population, {})
        by_rung[a.rung] = by_rung.get(a.rung, 0.0) + a.loss
    inner = [name for name in ledger.populations if name in lost]
    others = [name for name in lost if name not in ledger.populations]  # the input comes first, the readout last
    names = others[:1] + inner + others[1:] if others and others[0] == next(iter(lost)) else inner + others
    with canvas(ax, 7.2, 1.3 + 0.34 * max(len(names), 1)) as ax:
        from matplotlib import colormaps

        rungs = [rung for rung in ledger.rungs if any(rung in by_rung for by_rung in lost.values())]
        for sign in (1, -1):  # lost to the right of 0, won to the left
            start = np.zeros(len(names))
            for i, rung in enumerate(rungs):
                width = np.array([max(sign * lost[name].get(rung, 0.0), 0.0) * sign for name in names])
                shade = colormaps["viridis"](0.88 * i / max(len(rungs) - 1, 1))
                label = rung if sign > 0 else None
                ax.barh(range(len(names)), width, left=start, height=0.62, color=shade, label=label)
                start += width
        ax.axvline(0, color=GREY, linewidth=0.8)
        names_down(ax, names or ["nothing is lost"])
        grid(ax, "x")
        ax.set_xlabel("points of accuracy lost" if ledger.labelled else "points of agreement with the source lost")
        if rungs:
            ax.legend(title="rung", loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, alignment="left")
        title(ax, f"{ledger.loss:.2f} points lost on {ledger.samples:,} samples")
    return ax


def scatter(ledger: Ledger, population: str, ax: Axes | None = None) -> Axes:
    """What the integer spikes of `population` stand for against the source's activation, pair by pair.

    Both axes are in the model's units; see `rate_against_activation`. Raises `InputError` where the ledger has no pairs
    of this population.
    """
    if population not in ledger.points:
        hint = f"the ledger has {', '.join(ledger.points) or 'none'}"
        raise InputError(f"the ledger keeps no values of a population '{population}'", hint=hint)
    activation, value = np.asarray(ledger.points[population]).T
    return rate_against_activation(activation, value, ax, name=population)
