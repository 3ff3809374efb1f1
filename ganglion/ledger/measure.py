"""Errors of one population at one rung, added up block by block."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ganglion.ir import Array, per_channel

from .meaning import Meaning
from .result import Entry


@dataclass
class Tally:
    """Sums over all values that were added: of y, the source's activation, and v, what stands for it here."""

    values: int = 0
    absolute: float = 0.0
    squared: float = 0.0  # of v - y
    y_squared: float = 0.0
    v_squared: float = 0.0
    product: float = 0.0
    clipped: int = 0
    saturated: int = 0
    spikes: float = 0.0
    slots: int = 0
    local: float = 0.0  # squared, of v - w
    w_squared: float = 0.0
    alive: Array = field(default_factory=lambda: np.zeros((), bool))

    def add(self, meaning: Meaning, source: Array, y: Array, counts: Array | None) -> None:
        """The values `y` (N, *shape) against the source's `source` (N, *shape), both in the population's units."""
        v, wanted = meaning.in_model(y).ravel(), meaning.in_model(source).ravel()
        error = v - wanted
        self.values += v.size
        self.absolute += float(np.abs(error).sum())
        self.squared += float(error @ error)
        self.y_squared += float(wanted @ wanted)
        self.v_squared += float(v @ v)
        self.product += float(v @ wanted)
        self.alive = self.alive | (y != 0).any(axis=0)
        low, high = (per_channel(end, meaning.shape) for end in (meaning.low, meaning.high))
        self.clipped += int(((source > high) | (source < low)).sum())
        self.saturated += int((y >= high).sum())
        if counts is not None:
            sent = counts != 0 if meaning.once else np.abs(counts)  # one that takes another back is one, too
            self.spikes += float(sent.sum(dtype=np.float64))
            self.slots += counts.size

    def add_local(self, meaning: Meaning, y: Array, below: Array) -> None:
        """`below` (N, *shape) is what the rung before makes of the input from which this rung made `y`."""
        v, w = meaning.in_model(y).ravel(), meaning.in_model(below).ravel()
        self.local += float((v - w) @ (v - w))
        self.w_squared += float(w @ w)

    @property
    def local_error(self) -> float:
        return ratio(self.local, self.w_squared)

    def entry(self, name: str, rung: str, *, first: bool, limited: bool, spikes: bool, headroom: int | None) -> Entry:
        """`first`: the source; `limited`: whether the rung's values are bounded."""
        both = np.sqrt(self.y_squared * self.v_squared)
        exact = self.squared == 0 or self.y_squared == 0
        return Entry(
            name=name,
            rung=rung,
            absolute_error=self.absolute / max(self.values, 1),
            relative_error=ratio(self.squared, self.y_squared),
            cosine=float(min(self.product / both, 1.0)) if both else float(self.y_squared == self.v_squared),
            sqnr_db=None if exact else float(10 * np.log10(self.y_squared / self.squared)),
            clipped=self.clipped / max(self.values, 1) if limited else None,
            dead=float(1 - self.alive.mean()),
            saturated=self.saturated / max(self.values, 1) if limited else None,
            rate=self.spikes / self.slots if spikes and self.slots else None,
            headroom_bits=headroom,
            local_error=None if first else self.local_error,
        )


def ratio(error: float, reference: float) -> float:
    """The root of error / reference: where there is nothing to compare with, 0 for no error and 1 for any."""
    if reference == 0:
        return float(error != 0)
    return float(np.sqrt(error / reference))
