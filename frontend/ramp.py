"""Finds out whether a scalar function is a ramp: a ReLU, clipped or not, shifted or scaled.

Like the staircases, it is only evaluated, never taken apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .staircase import LARGEST, Array, Function, _floats, _ordered

FAR = 1e4  # where the slope of an unbounded ramp is looked at, in units of nothing in particular


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """y = base + clip(gain * (x - start), 0, height); ReLU: start = base = 0, gain = 1, height infinite."""

    start: float
    gain: float
    base: float
    height: float


def ramp(function: Function, dtype: np.dtype[Any]) -> Ramp | None:
    """The ramp that `function` is, or None. It must rise, and stay constant below some input."""
    ends = function(np.array([-LARGEST, -LARGEST / 16, LARGEST / 16, LARGEST], dtype)).astype(np.float64)
    if not np.isfinite(ends).all() or ends[0] != ends[1] or ends[3] <= ends[0]:
        return None
    start = _last(function, dtype, ends[0])
    if ends[2] == ends[3]:
        stop = -_last(lambda x: -function(-x), dtype, -ends[3])
        height = ends[3] - ends[0]
        gain = height / (stop - start) if stop > start else np.inf
    else:
        x = np.array([start + FAR, start + 2 * FAR], dtype)
        y = function(x).astype(np.float64)
        gain, height = (y[1] - y[0]) / (float(x[1]) - float(x[0])), np.inf
    if not (np.isfinite(gain) and gain > 0):
        return None
    gain = 1.0 if abs(gain - 1) < 1e-5 else float(gain)
    found = Ramp(start=float(start), gain=gain, base=float(ends[0]), height=float(height))
    return found if _holds(function, dtype, found) else None


def _last(function: Function, dtype: np.dtype[Any], value: float) -> float:
    """The largest input at which the rising `function` still has its lowest value `value`, by bisection."""
    low, high = (int(_ordered(np.array([x], dtype))[0]) for x in (-LARGEST, LARGEST))
    while high - low > 1:
        middle = (low + high) // 2
        at = _floats(np.array([middle], np.int32 if dtype == np.float32 else np.int64))
        if float(function(at)[0]) == value:
            low = middle
        else:
            high = middle
    return float(_floats(np.array([low], np.int32 if dtype == np.float32 else np.int64))[0])


def _holds(function: Function, dtype: np.dtype[Any], r: Ramp) -> bool:
    """Whether the ramp gives what the function gives, at many places and to within rounding."""
    width = r.height / r.gain if np.isfinite(r.height) else 1.0
    sizes = np.geomspace(1e-4, 1e4, 2001) * width
    x: Array = np.concatenate([r.start - sizes[::-1], r.start + sizes]).astype(dtype)
    y = function(x).astype(np.float64)
    expected = r.base + np.clip(r.gain * (x.astype(np.float64) - r.start), 0, r.height)
    scale = np.abs(x.astype(np.float64)) * r.gain + abs(r.base) + np.abs(expected)
    return bool((np.abs(y - expected) <= 1e-5 * scale + 1e-30).all())
