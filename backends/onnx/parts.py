"""Weights in parts, each of which float32 multiplies and sums exactly.

ONNX has no convolution of 32-bit integers, and runtimes have none in double precision. But a sum of integers in float32
is exact, in whatever order, while no partial sum can reach 2^24; the largest of them is bounded by the L1 norm of a
receiving neuron's weights times the largest count (as in `ganglion.ir.exact`). A map with a larger bound is the sum of
maps with smaller ones, and these sums are taken in int32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganglion.ir import Array

EXACT = 1 << 24  # float32
LARGEST = (1 << 16) - 1  # counts; a weight's byte times such a count is below 2^24


def parts(weight: Array, largest: int) -> Iterator[tuple[Array, int]]:
    """(part, shift) with `weight` the sum of part << shift, for counts of at most `largest` in magnitude.

    `weight` is (M, ...), integers; each part is of its shape, in the smallest signed integers that hold it.
    """
    rows = weight.reshape(len(weight), -1).astype(np.int64)
    for part, shift in _split(rows, max(1, largest)):
        yield _smallest(part).reshape(weight.shape), shift


def _split(rows: Array, largest: int, shift: int = 0) -> Iterator[tuple[Array, int]]:
    if int(np.abs(rows).max(initial=0)) * largest >= EXACT:  # already one product: split each weight into bytes
        yield from _split(rows & 255, largest, shift)
        yield from _split(rows >> 8, largest, shift + 8)
        return
    total = np.cumsum(np.abs(rows), axis=1) * largest
    begin, before = 0, np.zeros((len(rows), 1), np.int64)
    while begin < rows.shape[1]:  # as many columns as fit, then the next
        heaviest = (total[:, begin:] - before).max(axis=0)  # of any row, so far; it never falls
        end = begin + int(np.searchsorted(heaviest, EXACT))
        part = rows if end - begin == rows.shape[1] else np.zeros_like(rows)
        part[:, begin:end] = rows[:, begin:end]
        yield part, shift
        begin, before = end, total[:, end - 1 : end]


def _smallest(rows: Array) -> Array:
    low, high = int(rows.min(initial=0)), int(rows.max(initial=0))
    fitting = (t for t in (np.int8, np.int16, np.int32) if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return rows.astype(next(fitting))
