"""Threshold balancing: where clipping costs as much as coarse steps do."""

from __future__ import annotations

import numpy as np

from .histogram import Histogram
from .values import Array

SMALLEST = 1 / 512  # of the largest value: where the candidates begin
COARSE, FINE = 64, 33  # how many: over the whole range, then around the best
MANY = 255  # levels: with more, values are taken as uniform within a step, and the time does not grow further


def least_error(histogram: Histogram, levels: int) -> Array:
    """theta (C,), float64, of the least sum of (y - s * clip(floor(y / s + 1/2), 0, levels))^2, s = theta / levels.

    It is found to 1 % in a geometric grid, refined once around its best; never above the maximum, 0 for a dead
    channel.
    """
    largest = np.ldexp(histogram.maximum, -histogram.unit)  # in bins, as all that follows
    counts = histogram.counts.astype(np.float64)
    ratios = np.geomspace(1, SMALLEST, COARSE)
    best = _best(counts, ratios * largest[:, None], levels)
    around = best[:, None] * np.concatenate([[1], np.linspace(1 / ratios[1], ratios[1], FINE)])
    best = _best(counts, np.minimum(around, largest[:, None]), levels)
    return np.minimum(np.ldexp(best, histogram.unit), histogram.maximum)


def _best(counts: Array, theta: Array, levels: int) -> Array:
    """Of each row of candidates `theta` (C, K) the first with the least error."""
    at = np.argmin(squared_errors(counts, theta, levels), axis=1)
    return np.asarray(theta[np.arange(len(theta)), at])


def squared_errors(counts: Array, theta: Array, levels: int) -> Array:
    """The squared error of each `theta` (C, K), in bins, for `counts` (C, bins); up to a number per row.

    To climb from level k - 1 to k changes (y - staircase)^2 by -2 s (y - (k - 1/2) s), so the error is the sum of
    y^2 less 2 s * sum over k = 1..levels of excess((k - 1/2) s), where excess(t) is the sum of max(y - t, 0).
    With many levels it is that of clipping, and s^2 / 12 for every value that is kept.
    """
    step = theta / levels
    if levels > MANY:
        tails = _tails(counts, 3)
        kept = tails[1][:, :1] - _at(tails[:2], theta)
        return np.asarray(2 * _at(tails, theta) + step**2 / 12 * kept)
    tails = _tails(counts, 2)
    return np.asarray(
        -2 * step * sum((_at(tails, (k - 0.5) * step) for k in range(1, levels + 1)), np.zeros_like(theta))
    )


def _tails(counts: Array, last: int) -> list[Array]:
    """The `counts` (C, bins), then for r = 0, 1, .. the sum of max(y - t, 0)^r / r! at t = 0..bins: `last` of them.

    Values are taken as uniform within a bin, so that steps may be narrower than a bin.
    """
    tails = [counts]
    for _ in range(last):
        growth = np.cumsum(_horner(counts, [m[:, 1:] for m in tails[1:]], 1.0)[:, ::-1], axis=1)[:, ::-1]
        tails.append(np.concatenate([growth, np.zeros((len(counts), 1))], axis=1))
    return tails


def _at(tails: list[Array], t: Array) -> Array:
    """The last of `tails` at any `t` (C, K)."""
    place = t.astype(np.intp)
    counts, *at_edges = (np.take_along_axis(m, place + (i > 0), axis=1) for i, m in enumerate(tails))
    short = place + 1 - t  # of the next edge
    return at_edges[-1] + short * _horner(counts, at_edges[:-1], short)


def _horner(counts: Array, tails: list[Array], short: Array | float) -> Array:
    """How fast the tail after `tails` grows on average from the next edge down to `short` before it."""
    value = counts
    for n, tail in zip(range(len(tails) + 1, 1, -1), tails, strict=True):
        value = tail + value * short / n
    return value
