"""Finds out whether a scalar function is a uniform staircase, and which one.

The function is only evaluated, never taken apart: every place where it jumps is found to the last bit by
bisection over the ordered floating-point numbers, all jumps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[[Array], Array]  # elementwise, float (N,) -> float (N,), in the model's own precision

MOST_LEVELS = 65535
LARGEST = 1e30  # the function is looked at in [-LARGEST, LARGEST], so that moderate factors cannot overflow
CONTINUUM = "it takes a continuum of values, not a finite number of levels"
SAMPLES = 2048  # points on each side of zero where the search begins


class NotAStaircaseError(ValueError):
    """Why the function is no uniform staircase. `continuous`: because it has no steps at all."""

    def __init__(self, reason: str, *, continuous: bool = False) -> None:
        super().__init__(reason)
        self.continuous = continuous


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """y = base + rise * clip(floor(x / step + shift), 0, levels).

    QCFS (Bu et al., ICLR 2022) has shift = 1/2, rise = step = theta / levels, base = 0. Exact cases are
    recognised: `shift` is a multiple of 1/2 and `rise` equals `step` where they do so to within the rounding
    of the function. `thresholds` (levels,) are the smallest inputs that reach each level.
    """

    step: float
    levels: int
    shift: float
    rise: float
    base: float
    thresholds: Array


def fit(function: Function, dtype: np.dtype[Any]) -> Fit:
    """The staircase that `function` is; raises `NotAStaircaseError` saying what was found instead."""
    thresholds = _jumps(function, dtype)
    if not thresholds.size:
        raise NotAStaircaseError("constant, it does not depend on its input")
    values = function(np.concatenate([[-thresholds.dtype.type(LARGEST)], thresholds])).astype(np.float64)
    _verify(function, thresholds, values)
    eps = float(np.finfo(dtype).eps)
    rise, base = _levels(values, eps)
    step, shift = _thresholds(thresholds.astype(np.float64), abs(rise), eps)
    return Fit(step=step, levels=thresholds.size, shift=shift, rise=rise, base=base, thresholds=thresholds)


def _ordered(x: Array) -> Array:
    """Integers in the order of the floats `x`, adjacent ones for adjacent floats; -0.0 and 0.0 coincide."""
    bits: Array = x.view(np.int32 if x.dtype == np.float32 else np.int64)
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits)


def _floats(ordered: Array) -> Array:
    """The inverse of `_ordered`."""
    bits = np.where(ordered < 0, np.iinfo(ordered.dtype).min - ordered, ordered)
    return bits.astype(ordered.dtype).view(np.float32 if ordered.dtype == np.int32 else np.float64)


def _jumps(function: Function, dtype: np.dtype[Any]) -> Array:
    """The smallest input of each new value of a monotone `function`, ascending."""
    top = _ordered(np.array([LARGEST], dtype=dtype))[0]
    half = np.arange(1, SAMPLES + 1, dtype=top.dtype) * (top // SAMPLES)  # never more than `top`: no overflow
    grid = np.concatenate([-half[::-1], np.zeros(1, half.dtype), half])
    y = function(_floats(grid))
    if _is_continuum(function, dtype):
        raise NotAStaircaseError(CONTINUUM, continuous=True)
    _check_monotone(_floats(grid), y)
    low, high, at_low, at_high = grid[:-1], grid[1:], y[:-1], y[1:]
    while True:
        jumps = at_low != at_high
        low, high, at_low, at_high = low[jumps], high[jumps], at_low[jumps], at_high[jumps]
        if low.size > MOST_LEVELS:
            raise _too_many(function, dtype, *_floats(np.array([low.min(), high.max()])))
        middle = low + (high - low) // 2  # equals `low` where the two are adjacent
        if (middle == low).all():
            return np.sort(_floats(high))
        y = function(_floats(middle))
        outside = ((y < np.minimum(at_low, at_high)) | (y > np.maximum(at_low, at_high)) | np.isnan(y)).nonzero()[0]
        if outside.size:
            i = outside[0]
            _check_monotone(_floats(np.array([low[i], middle[i], high[i]])), np.array([at_low[i], y[i], at_high[i]]))
        done = middle == low
        low, high = np.concatenate([low[~done], middle]), np.concatenate([middle[~done], high])
        at_low, at_high = np.concatenate([at_low[~done], y]), np.concatenate([y[~done], at_high])


def _check_monotone(x: Array, y: Array) -> None:
    if not np.isfinite(y).all():
        where = x[~np.isfinite(y)][0]
        raise NotAStaircaseError(f"not finite: at the input {where:.9g} it gives {y[~np.isfinite(y)][0]}")
    change = np.sign(np.diff(y.astype(np.float64)))
    if (change > 0).any() and (change < 0).any():
        down = np.flatnonzero(change < 0)[0]
        raise NotAStaircaseError(
            f"not monotone: it falls from {y[down]:.9g} at the input {x[down]:.9g} to {y[down + 1]:.9g} at "
            f"{x[down + 1]:.9g}, and rises elsewhere"
        )


def _too_many(function: Function, dtype: np.dtype[Any], first: float, last: float) -> NotAStaircaseError:
    """More than MOST_LEVELS values, the first new one at `first`: does it rise evenly, does nothing clip it, or are
    there just many?
    """
    ends = function(np.array([-LARGEST, -LARGEST / 16, LARGEST / 16, LARGEST], dtype=dtype))
    if ends[0] == ends[1]:
        stop = last if ends[2] == ends[3] else float(first) + max(abs(float(first)), 1)
        x = np.linspace(first, stop, 8 * MOST_LEVELS).astype(dtype)
        y, beside = function(x), function(_floats(_ordered(x) + 2))  # steps that wide would be no rounding any more
        if np.unique(y).size > 4 * MOST_LEVELS and (y != beside).mean() > 0.5:
            return NotAStaircaseError(CONTINUUM, continuous=True)
    if ends[0] != ends[1] or ends[2] != ends[3]:
        return NotAStaircaseError("a staircase without an end: nothing clips it to a lowest and a highest level")
    return NotAStaircaseError(f"a staircase of more than {MOST_LEVELS} levels")


def _is_continuum(function: Function, dtype: np.dtype[Any]) -> bool:
    """Whether it changes with nearly every 1 % of its input wherever it changes by far more than rounding does."""
    sizes = np.geomspace(2.0**-30, 2.0**30, 4001).astype(dtype)
    x = np.concatenate([-sizes, sizes])
    here, double = function(x), function(x * dtype.type(2))
    with np.errstate(invalid="ignore"):  # infinities are told about elsewhere
        moves = np.abs(double - here) > 1e4 * np.finfo(dtype).eps * np.maximum(np.abs(here), np.abs(double))
    return bool(moves.any() and (here == function(x * dtype.type(1.01)))[moves].mean() < 0.05)


def _verify(function: Function, thresholds: Array, values: Array) -> None:
    """What bisection cannot see: a dip between two places of equal value."""
    ends = thresholds[[0, -1]].astype(np.float64)
    margin = max(ends[1] - ends[0], abs(ends).max())
    between = np.linspace(ends[0] - margin, ends[1] + margin, max(8192, 4 * thresholds.size))
    x = np.concatenate([between.astype(thresholds.dtype), np.nextafter(thresholds, thresholds.dtype.type(-np.inf))])
    x.sort()
    y = function(x)
    _check_monotone(x, y)
    expected = values[np.searchsorted(thresholds, x, side="right")]
    if (y != expected).any():
        i = np.flatnonzero(y != expected)[0]
        raise NotAStaircaseError(f"not monotone: at the input {x[i]:.9g} it gives {y[i]:.9g}, not {expected[i]:.9g}")


def _levels(values: Array, eps: float) -> tuple[float, float]:
    """(rise, base) of evenly spaced `values` (levels + 1,)."""
    levels = len(values) - 1
    rise, base = float(values[-1] - values[0]) / levels, float(values[0])
    error = np.abs(values - (base + rise * np.arange(levels + 1)))
    if error.max() > 1e-3 * abs(rise) + 8 * eps * np.abs(values).max():
        gaps = np.abs(np.diff(values))
        raise NotAStaircaseError(
            f"a staircase of {levels} levels of unequal height: from {gaps.min():.9g} to {gaps.max():.9g}"
        )
    offset = round(base / rise)
    if abs(base / rise - offset) > 1e-4:
        return rise, base
    # levels are integers times the rise: take the one float that gives every one of them to the last bit
    dtype = np.dtype(np.float32 if eps > 1e-10 else np.float64)
    near = np.array([rise], dtype=dtype)
    for candidate in (near, np.nextafter(near, dtype.type(np.inf)), np.nextafter(near, dtype.type(-np.inf))):
        exact = candidate * np.arange(offset, offset + levels + 1).astype(dtype)
        if (exact == values).all():
            rise = float(candidate[0])
            break
    return rise, offset * rise


def _thresholds(at: Array, rise: float, eps: float) -> tuple[float, float]:
    """(step, shift) of evenly spaced thresholds `at` = (k - shift) * step, k = 1..levels."""
    levels = at.size
    k = np.arange(1, levels + 1, dtype=np.float64)
    rounding = 4 * eps * np.abs(at).max()
    if levels == 1:  # one threshold does not tell the step; half a step, as in QCFS, where the sign allows it
        step = float(2 * at[0]) if at[0] > 0 else rise
    else:
        step = float(np.sum((k - k.mean()) * at) / np.sum((k - k.mean()) ** 2))
    start = float(np.mean(at - k * step))
    if np.abs(at - (start + k * step)).max() > 1e-3 * step + 2 * rounding:
        gaps = np.diff(at)
        raise NotAStaircaseError(
            f"a staircase of {levels} levels of unequal width: from {gaps.min():.9g} to {gaps.max():.9g}"
        )
    if step <= max(2 * rounding, 1 / LARGEST):
        raise NotAStaircaseError(f"steps narrower than the precision of the input, near {at[0]:.9g}")
    shift = _half_integer(-start / step, 1e-5 + 2 * rounding / step)
    if 2 * shift == round(2 * shift) and shift < 1:  # then each threshold alone tells the step
        step = float(np.sum((k - shift) * at) / np.sum((k - shift) ** 2))
    if abs(step - rise) <= min(1e-5, 0.05 / levels) * rise:
        step = rise  # the levels are known better than the thresholds, which one more rounding went into
        shift = _half_integer(float(np.mean(k - at / step)), 1e-5 + 2 * rounding / step)
    return step, shift


def _half_integer(value: float, tolerance: float) -> float:
    """The nearest multiple of 1/2 where it is within `tolerance`, else `value`."""
    nearest = round(2 * value) / 2
    return nearest if abs(value - nearest) <= tolerance else value
