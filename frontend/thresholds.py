"""Thresholds for integer membranes: the smallest sums that reach each code, and weights under which two codes add."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
FAR = 2**40  # beyond every index of a table


def smallest_reaching(
    code: Callable[[Integers], NDArray[Any]], levels: int, lowest: Any, highest: Any, low: int = 0
) -> Integers:
    """For k = 1..levels the smallest integer V in [lowest, highest] with code(V) - low >= k: (levels,) or (C, levels).

    `code` must not fall as V grows; it is called about log2(highest - lowest) times, with V of the result's shape.
    `lowest` and `highest` are integers, or one of each per channel (C,). highest + 1 where nothing reaches k.
    """
    k = np.arange(1, levels + 1)
    bottom, top = (np.asarray(bound, np.int64)[..., None] for bound in (lowest, highest))
    under, reaching = np.broadcast_arrays(bottom - 1, top + 1, k)[:2]
    while (searching := reaching - under > 1).any():
        middle = np.clip((under + reaching) // 2, bottom, top)
        reached = np.asarray(code(middle)) - low >= k
        under, reaching = np.where(searching & ~reached, middle, under), np.where(searching & reached, middle, reaching)
    return np.array(reaching)


class Separation(NamedTuple):
    """count(i, j) = the number of thresholds (levels,) that `weights[0] * i + weights[1] * j` reaches."""

    weights: tuple[int, int]
    thresholds: Integers


def add_weights(counts: Integers, levels: int) -> Separation | None:
    """The smallest positive integer weights with which thresholds give `counts` (n, m) for every pair (i, j).

    `counts` is a table: what two inputs of counts i < n and j < m give, 0..levels; it may be of any two-input function,
    say `add_codes` minus the lowest code. Both weights are the smallest possible. None: no weights give this table.
    Thresholds that no pair reaches lie one above the largest sum.
    """
    ratios = separating_ratios(counts)
    if ratios is None:
        return None
    ratio = simplest_between(*ratios)
    weights = (ratio.denominator, ratio.numerator)
    V = weights[0] * np.arange(counts.shape[0])[:, None] + weights[1] * np.arange(counts.shape[1])
    smallest = np.full(levels + 1, V.max() + 1)
    np.minimum.at(smallest, counts, V)
    return Separation(weights, np.minimum.accumulate(smallest[::-1])[::-1][1:])


def separating_ratios(counts: Integers) -> tuple[Fraction, Fraction | None] | None:
    """The open interval of the ratios weights[1] / weights[0] that give `counts`; None if there is none.

    The upper end is None where there is no limit. For every count k and every pair of columns, the first row that
    reaches k must stand above the last row that does not, under the weights.
    """
    if (np.diff(counts, axis=0) < 0).any() or (np.diff(counts, axis=1) < 0).any():
        return None
    rows, columns = counts.shape
    k = np.arange(counts.min() + 1, counts.max() + 1)
    first = np.stack([np.searchsorted(counts[:, j], k) for j in range(columns)])  # (columns, k)
    reaching, under = np.where(first < rows, first, FAR), np.where(first > 0, first - 1, -FAR)
    lower, upper = Fraction(0), None
    for d in range(1, columns) if k.size else ():
        least, most = int((reaching[:-d] - under[d:]).min()), int((under[:-d] - reaching[d:]).max())
        lower = max(lower, Fraction(most, d))
        if least < FAR // 2 and (upper is None or Fraction(least, d) < upper):
            upper = Fraction(least, d)
    return (lower, upper) if upper is None or lower < upper else None


def simplest_between(lower: Fraction, upper: Fraction | None) -> Fraction:
    """The fraction in the open interval with the smallest numerator and denominator (the Stern-Brocot tree's highest).

    0 <= lower < upper; None stands for infinity.
    """
    whole = lower.numerator // lower.denominator
    if upper is None or whole + 1 < upper:
        return Fraction(whole + 1)
    rest = lower - whole  # the answer is whole + 1 / x with x between 1 / (upper - whole) and 1 / rest
    return whole + 1 / simplest_between(1 / (upper - whole), 1 / rest if rest else None)
