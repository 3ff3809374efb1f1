"""How often the values of an activation occur, per channel, in one pass and without knowing their range."""

from __future__ import annotations

import numpy as np

from .values import Array

FINEST, COARSEST, CELLS = 2048, 512, 2**17  # bins per channel, so that a value stays near 1 MB (8 bytes a bin)
LOWEST = -100  # 2**LOWEST is the smallest range: bins per unit stay finite in float32


class Histogram:
    """Equal bins over [0, 2**exponent) for each channel; the exponent grows with the values that come.

    `counts` (C, bins), int64: bin i of channel c holds the values from i to i + 1 times
    2**exponent[c] / bins, without the upper end; only values above 0 are in it.
    `nonpositive` (C,), int64: how many values were 0 or less. `maximum` (C,), float64: the largest positive
    value, exactly, 0 where there was none.
    """

    def __init__(self, channels: int, bins: int | None = None) -> None:
        """`bins`, a power of two, is by default chosen such that wide layers do not take much memory."""
        bins = bins or int(np.clip(2 ** int(np.log2(CELLS / channels)), COARSEST, FINEST))
        self.counts: Array = np.zeros((channels, bins), np.int64)
        self.nonpositive: Array = np.zeros(channels, np.int64)
        self.maximum: Array = np.zeros(channels)
        self.exponent: Array = np.full(channels, LOWEST)

    @property
    def channels(self) -> int:
        return len(self.counts)

    @property
    def bins(self) -> int:
        return int(self.counts.shape[1])

    @property
    def unit(self) -> Array:
        """A bin of channel c is 2**unit[c] wide: (C,), int."""
        return np.asarray(self.exponent - (self.bins.bit_length() - 1))

    @property
    def dead(self) -> Array:
        """Which channels never were above 0: (C,), bool."""
        return np.asarray(self.maximum <= 0)

    def add(self, y: Array) -> None:
        """Counts the values `y` (N, C, ...), which are finite."""
        y = y.astype(np.result_type(y, np.float32), copy=False)
        rest = tuple(axis for axis in range(y.ndim) if axis != 1)
        self.maximum = np.maximum(self.maximum, y.max(axis=rest))
        self._widen(np.where(self.dead, LOWEST, np.maximum(self.exponent, np.frexp(self.maximum)[1])))
        per_unit = np.ldexp(1.0, -self.unit).astype(y.dtype)  # a power of two, so that the product is exact
        shape = (-1,) + (1,) * (y.ndim - 2)
        row = self.bins + 1  # the first place of a row is for what is not positive
        place = (np.maximum(y, 0) * per_unit.reshape(shape)).astype(np.intp)
        place += y > 0
        place += (row * np.arange(self.channels)).reshape(shape)
        counts = np.bincount(place.ravel(), minlength=self.channels * row).reshape(self.channels, row)
        self.nonpositive += counts[:, 0]
        self.counts += counts[:, 1:]

    def percentile(self, percent: float) -> Array:
        """The value below which `percent` % of the values above 0 are: (C,), float64, 0 where there are none.

        Exact to one bin, within which values are taken as uniform; never above the maximum.
        """
        below = np.cumsum(self.counts, axis=1)
        wanted = percent / 100 * below[:, -1:]
        at = np.argmax(below >= wanted, axis=1)[:, None]
        inside = np.take_along_axis(self.counts, at, axis=1)
        over = np.take_along_axis(below, at, axis=1) - wanted
        found = (at + 1 - over / np.maximum(inside, 1))[:, 0]
        return np.asarray(np.minimum(np.ldexp(found, self.unit), self.maximum))

    def pooled(self) -> Histogram:
        """All channels as one."""
        result = Histogram(1, self.bins)
        result.maximum = self.maximum.max(keepdims=True)
        result.nonpositive = self.nonpositive.sum(keepdims=True)
        result.exponent = self.exponent.max(keepdims=True)
        result.counts = _merged(self.counts, result.exponent - self.exponent).sum(axis=0, keepdims=True)
        return result

    def _widen(self, exponent: Array) -> None:
        """Ranges up to 2**`exponent` (C,), none smaller than now."""
        self.counts = _merged(self.counts, exponent - self.exponent)
        self.exponent = exponent


def _merged(counts: Array, doublings: Array) -> Array:
    """`counts` (C, bins) after the range of each channel has doubled `doublings` (C,) times."""
    bins = counts.shape[1]
    doublings = np.minimum(doublings, bins.bit_length() - 1)  # then all is in the first bin, and stays there
    if not doublings.any():
        return counts
    result = np.zeros_like(counts)
    for times in np.unique(doublings):
        rows = doublings == times
        result[rows, : bins >> times] = counts[rows].reshape(-1, bins >> times, 1 << times).sum(axis=2)
    return result
