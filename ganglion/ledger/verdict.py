"""The first offender, and what to do about it.

Some rungs must not change what they are given: a folded layer is the model's to within float32, a network that was
compiled is what `compile` makes, members are their Group Neuron, Lava is the simulator. The first population where one
does is the offender, however little it loses. Otherwise it is the population that loses most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .ladder import CLUSTERS, FLOAT, FOLDED, INFINITE, INTEGER, LAVA, RECOMPILED, STAIRCASE
from .networks import Rung
from .result import Attribution, Entry

FAR = 10.0  # times the median: out of line, where every population deviates
SHOWN = 3  # attributions in the summary
WHY = {
    FOLDED: "folding the linear parts",
    STAIRCASE: "clipping and quantising",
    INFINITE: "the finer values of a long window",
    RECOMPILED: "integer weights and thresholds",
    INTEGER: "integer weights and thresholds",
    CLUSTERS: "lateral inhibition",
    LAVA: "Lava",
}
CLIPPED = 0.01  # share of values beyond theta that is much


@dataclass(frozen=True)
class Verdict:
    """See `Ledger`."""

    offender: tuple[str, str] | None
    summary: str
    advice: str


def verdict(
    rungs: Sequence[Rung],
    items: Sequence[str],
    local: Mapping[tuple[str, str], float],
    attributions: Sequence[Attribution],
    entries: Sequence[Entry],
    loss: float,
    *,
    labelled: bool,
    steps: int,
) -> Verdict:
    """`local` is the local error by (rung, population or readout); the rest as in `Ledger`."""
    wrong = _out_of_line(rungs, items, local)
    worst = max(attributions, key=lambda a: a.loss, default=None)
    offender = wrong
    if offender is None and worst is not None and loss > 0:
        offender = (worst.rung, worst.population)
    why = dict(WHY) | {FLOAT: "too few levels" if steps == 1 else "too few levels, or uneven spikes"}
    recompiled = any(rung.name == RECOMPILED for rung in rungs)
    if recompiled:
        why[INTEGER] = "the network is not what compile makes of the model"
    summary = _summary(attributions, loss, "" if labelled else " of agreement with the source", why)
    if wrong is not None:
        summary += f"; {wrong[1]} at {wrong[0]} does what it must not: {100 * local[wrong]:.2g} % away"
    by_name = {(e.rung, e.name): e for e in entries}
    advice = "" if offender is None else _advice(*offender, by_name.get(offender), recompiled, steps)
    return Verdict(offender, summary, advice)


def _out_of_line(
    rungs: Sequence[Rung], items: Sequence[str], local: Mapping[tuple[str, str], float]
) -> tuple[str, str] | None:
    """The first population that deviates on a rung which must change nothing.

    Where most deviate (the network is of another version of the compiler, say), it must do so more than the others.
    """
    for rung in rungs:
        if rung.tolerance is None:
            continue
        errors = [(item, local[rung.name, item]) for item in items if (rung.name, item) in local]
        usual = float(np.median([error for _, error in errors]))
        for item, error in errors:
            if error > max(rung.tolerance, FAR * usual):
                return rung.name, item
    return None


def _summary(attributions: Sequence[Attribution], loss: float, of_what: str, why: Mapping[str, str]) -> str:
    losses = sorted((a for a in attributions if a.loss > 0), key=lambda a: -a.loss)
    if not losses:
        return f"no points{of_what} lost" if loss == 0 else f"{-loss:.2f} points{of_what} won"
    parts, told = [], set()
    for a in losses[:SHOWN]:
        parts.append(f"{a.loss:.2f} at {a.rung} in {a.population}" + ("" if a.rung in told else f" ({why[a.rung]})"))
        told.add(a.rung)
    rest = sum(a.loss for a in losses[SHOWN:])
    gained = -sum(a.loss for a in attributions if a.loss < 0)
    parts += [f"{rest:.2f} in {len(losses) - SHOWN} other places"] if len(losses) > SHOWN else []
    parts += [f"{gained:.2f} won back elsewhere"] if gained else []
    head = f"of {loss:.2f} points{of_what} lost"
    if loss <= 0:
        head = f"no points{of_what} lost in all" if loss == 0 else f"{-loss:.2f} points{of_what} won in all"
    return f"{head}: {', '.join(parts)}"


def _advice(rung: str, population: str, entry: Entry | None, recompiled: bool, steps: int) -> str:
    """One sentence."""
    if rung == FOLDED:
        return f"{population}: the network's linear parts are not the model's to within float32; report this model"
    if rung in (CLUSTERS, LAVA):
        return f"{population}: this engine is not equal to the simulator; emit the bundle again, then report it"
    if rung == INTEGER and recompiled:
        return f"{population}: compile the model again: the network is not what compile makes of it"
    if rung == STAIRCASE:
        if entry is not None and (entry.clipped or 0) > CLIPPED:
            return (
                f"{population}: {100 * (entry.clipped or 0):.2g} % of its values are clipped: calibrate with more "
                "samples, with --calibration-method max or a higher --percentile"
            )
        return (
            f"{population}: its steps are too coarse: raise tau (--members) or T (--steps), or calibrate with "
            "thresholds per channel (--calibration-granularity channel)"
        )
    if rung == INFINITE:
        return (
            f"{population}: the model was trained on coarse steps and does worse without them: "
            "T = 1 with --members levels keeps them"
        )
    if rung == FLOAT and steps == 1:
        return f"{population}: one step tells too few levels: raise tau (--members; levels is exact) or T (--steps)"
    if rung == FLOAT:
        return (
            f"{population}: the window tells too few levels, or its spikes are uneven: raise tau (--members), which "
            "helps with both, or T (--steps)"
        )
    if entry is None:
        return f"{population}: its integers are too coarse: see the notes of compile on its bits, or another target"
    return (
        f"{population}: its integers are too coarse: look at the notes of compile on its weight bits; a target with a "
        "scale per channel, or a lower threshold for its outliers, gives the weights more of them"
    )
