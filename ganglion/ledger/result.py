"""What a ledger found: errors by population and rung, and where the accuracy went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ganglion.ir import Array
from ganglion.ir.html import percent, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One population at one rung, against the source's activation y, over all samples and neurons.

    absolute_error  mean |v - y|, in the model's units
    relative_error  |v - y| / |y|, Euclidean
    cosine          of the angle between v and y
    sqnr_db         10 log10(|y|^2 / |v - y|^2); None where v = y, or y = 0
    clipped         share of values of y beyond what the population can express; None where nothing clips
    dead            share of neurons that are 0 on every sample
    saturated       share of values at the upper end of what the population can express; None where there is none
    rate            spikes per neuron and time-step; None on rungs without spikes
    headroom_bits   bits of the target's membrane potential that the proven interval leaves free; None without integers
    local_error     what this rung adds here alone: |v - w| / |w|, where w is what the rung before makes of this rung's
                    inputs; None at the source
    """

    name: str
    rung: str
    absolute_error: float
    relative_error: float
    cosine: float
    sqnr_db: float | None
    clipped: float | None
    dead: float
    saturated: float | None
    rate: float | None
    headroom_bits: int | None
    local_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What accuracy loses, in points, where `population` (or the input, or the readout) steps onto `rung`."""

    rung: str
    population: str
    loss: float


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The same samples through a ladder of networks.

    samples         how many
    labelled        whether accuracy is against labels; else it is the share of samples with the source's class
    rungs           the networks, from the source on
    populations     their names, in order; without the input and the readout
    accuracy        of each rung, as a share; of Lava's on the samples that it ran
    loss            points that are lost between the source and the last rung of each sample
    entries         one per rung and population: rung by rung
    attributions    they add up to `loss`; only those that are not 0
    first_offender  (rung, population): the first that does what it must not, else the one that loses most; None where
                    nothing is lost
    summary         all that in a sentence
    advice          what to do about the first offender, in a sentence; "" where nothing is lost
    points          of each population some pairs (M, 2): the source's activation, and what the integer spikes stand for
    notes           what was left out, and why
    """

    samples: int
    labelled: bool
    rungs: Sequence[str]
    populations: Sequence[str]
    accuracy: Mapping[str, float]
    loss: float
    entries: Sequence[Entry] = field(repr=False)
    attributions: Sequence[Attribution]
    first_offender: tuple[str, str] | None
    summary: str
    advice: str
    points: Mapping[str, Array] = field(repr=False)
    notes: Sequence[str] = ()

    def entry(self, rung: str, population: str) -> Entry:
        """The entry of `population` at `rung`; raises KeyError where there is none."""
        for entry in self.entries:
            if (entry.rung, entry.name) == (rung, population):
                return entry
        raise KeyError((rung, population))

    def as_json(self) -> dict[str, Any]:
        """The ledger for machines; the README documents the form."""
        offender = None
        if self.first_offender is not None:
            offender = dict(zip(("rung", "population"), self.first_offender, strict=True))
        return {
            "loss": self.loss,
            "labelled": self.labelled,
            "samples": self.samples,
            "rungs": list(self.rungs),
            "accuracy": dict(self.accuracy),
            "populations": [asdict(entry) for entry in self.entries],
            "attributions": [asdict(attribution) for attribution in self.attributions],
            "first_offender": offender,
            "summary": self.summary,
            "advice": self.advice,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        errors = {(entry.name, entry.rung): percent(entry.relative_error) for entry in self.entries}
        share = "accuracy" if self.labelled else "the source's class"
        rows = [(share, *(percent(self.accuracy.get(r)) for r in self.rungs))]
        rows += [(name, *(errors.get((name, rung), "") for rung in self.rungs)) for name in self.populations]
        title = f"Ledger of {self.samples} samples: {self.loss:.2f} points lost; below: relative errors by population"
        notes = [text for text in (self.summary, self.advice, *self.notes) if text]
        return table(title, ("", *self.rungs), rows, notes=notes)
