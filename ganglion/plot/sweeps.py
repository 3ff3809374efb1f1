"""Accuracy at many T and tau."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ganglion.errors import InputError
from ganglion.sweeps import Sweep
from ganglion.sweeps.plot import by_operations, by_steps, legend_title

from .canvas import canvas, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AGAINST = {"steps": by_steps, "operations": by_operations}


def sweep(sweep: Sweep, ax: Axes | None = None, *, against: Literal["steps", "operations"] = "steps") -> Axes:
    """Accuracy against T, or against synaptic operations per sample; one line per tau, the ANN's dashed.

    Without labels the agreement with the ANN takes the accuracy's place. `Sweep.plot` draws both side by side.
    Raises `InputError` for another word than "steps" or "operations".
    """
    if against not in AGAINST:
        raise InputError(f"cannot draw against '{against}'", hint=" or ".join(AGAINST))
    with canvas(ax, 5.8, 4.2) as ax:
        AGAINST[against](sweep, ax)
        ax.set_ylabel("agreement with the ANN" if sweep.ann_accuracy is None else "accuracy")
        where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "alignment": "left"}
        ax.legend(title=legend_title(sweep), frameon=False, **where)
        title(ax, sweep.heading)
    return ax
