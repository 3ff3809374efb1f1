"""Linear values as integers: what the layers of a quantised model add up, before it becomes codes again.

Each such value is unit * V + rest for whole V. How onnxruntime makes codes of V is either the arithmetic of one of its
8-bit kernels (requantise.py), where it has one for these types, or float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir

from .codes import Coded
from .values import Array, shape_of

EIGHT_BITS = (ir.DataType.UINT8, ir.DataType.INT8)
EXACT = 2**24  # up to this float32 holds every integer


class Rounding(NamedTuple):
    """How a kernel makes codes of V (k,) or (C, k), and whether whatever the order in which it adds floats."""

    codes: Callable[[Array], Array]
    certain: bool = True


class NotIntegralError(Exception):
    """Why a value is not a whole multiple of anything. `quantised`: though it comes from integers."""

    def __init__(self, reason: str, *, quantised: bool = True) -> None:
        super().__init__(reason)
        self.quantised = quantised


@dataclass(frozen=True, eq=False)
class Sums:
    """All that a linear value can be: unit * V + rest, for whole V in [least, most]; each of them () or (C,).

    value    V (k,) or (C, k) -> what it is in the model's float arithmetic
    rounding how an 8-bit kernel makes codes of such an encoding of V; None where onnxruntime computes in floats
    certain  whether `value` is that to the last bit, whatever the order in which floats are added
    meant    whether the model is quantised here: some of it comes from a quantiser, or has integer weights
    """

    unit: Array
    rest: Array
    least: Array
    most: Array
    value: Callable[[Array], Array]
    rounding: Callable[[Coded], Rounding | None] = lambda y: None
    certain: bool = False
    meant: bool = True


def in_floats(
    unit: Array, rest: Array, least: Array, most: Array, dtype: np.dtype[np.generic],
    rounding: Callable[[Coded], Rounding | None] = lambda y: None,
) -> Sums:  # fmt: skip
    """Sums that float arithmetic gives up to rounding errors; none where it has bits enough for all of them."""

    def value(V: Array) -> Array:
        return np.asarray((V * column(unit) + column(rest)).astype(dtype))

    largest = int(max(np.max(most), -np.min(least)))
    short = not rest.any() and all(_odd_part(u) * largest <= EXACT for u in np.unique(unit))
    return Sums(unit, rest, np.asarray(least), np.asarray(most), value, rounding, certain=short)


def codes_again(x: Coded, dtype: np.dtype[Any]) -> Sums:
    """Codes that are quantised once more, or read as they are."""

    def value(V: Array) -> Array:
        return np.asarray(V.astype(dtype) * dtype.type(x.scale))

    least, most = (np.array(bound) for bound in x.reach)
    if not x.plain:
        return replace(in_floats(np.array(x.scale), np.zeros(()), least, most, dtype), meant=x.meant)
    return Sums(np.array(x.scale), np.array(0.0), least, most, value, certain=True, meant=x.meant)


def _odd_part(number: float) -> int:
    """The odd integer that `number` is a power of two times."""
    mantissa = int(math.frexp(number)[0] * 2**53)
    return mantissa // (mantissa & -mantissa)


def column(array: Array) -> Array:
    """One number for each channel (C,), for arrays (C, k)."""
    return array[:, None] if array.ndim else array


def channels_of(value: ir.Value) -> int:
    shape = shape_of(value)
    return shape[1] if shape is not None and len(shape) > 1 else 0


def dtype_of(value: ir.Value) -> np.dtype[np.generic]:
    return np.dtype(np.float64 if value.dtype == ir.DataType.DOUBLE else np.float32)


__all__ = [
    *("EIGHT_BITS", "NotIntegralError", "Rounding", "Sums"),
    *("channels_of", "codes_again", "column", "dtype_of", "in_floats"),
]
