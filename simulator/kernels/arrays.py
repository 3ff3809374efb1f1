"""The inner loops of the layer engine in numpy alone: what `compiled.py` does, to the bit.

A `window` is (kh, kw, stride y, x, pad y, x, dilation y, x, W'): a convolution's geometry, and the width of its result.
Values of a population are (samples, steps, places, channels).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ganglion.ir import Array
from ganglion.simulator import arithmetic

Window = tuple[int, int, int, int, int, int, int, int, int]


def gather(run: int) -> Callable[..., None]:
    """What a convolution sees: fills columns (G, N * rows * W', kh * kw * C / G) from source (N, H, W, C).

    Called with (source, window, first, rows, columns), for `rows` rows of its result from `first` on; outside there are
    zeros. `run` values lie side by side in both: a kernel's row, or a place of it.
    """
    return _gather


def _gather(source: Array, window: Window, first: int, rows: int, columns: Array) -> None:
    N, _, _, C = source.shape
    kh, kw = window[:2]
    groups, width = columns.shape[0], window[8]
    seen = _windows(source, window, first, rows).reshape(N, rows, width, kh, kw, groups, C // groups)
    columns.reshape(groups, N, rows, width, kh, kw, C // groups)[:] = seen.transpose(5, 0, 1, 2, 3, 4, 6)


def depthwise(source: Array, weight: Array, window: Window, first: int, out: Array) -> None:
    """Every channel for itself: source (N, H, W, C), weight (kh, kw, C) -> out (N, rows, W', C), from `first` on."""
    seen = _windows(source, window, first, out.shape[1])
    out[:] = 0
    for a, b in np.ndindex(*window[:2]):
        out += weight[a, b] * seen[:, :, :, a, b]


def _windows(source: Array, window: Window, first: int, rows: int, fill: float = 0) -> Array:
    """A view (N, rows, W', kh, kw, C) of the part of `source`, with `fill` around, that those rows see."""
    kh, kw, sy, sx, py, px, dy, dx, width = window
    N, _, _, C = source.shape
    top, left = first * sy - py, -px
    high, wide = (rows - 1) * sy + (kh - 1) * dy + 1, (width - 1) * sx + (kw - 1) * dx + 1
    inside = source[:, max(top, 0) : max(top + high, 0), max(left, 0) : max(left + wide, 0)]
    if inside.shape[1:3] != (high, wide):
        above, before = max(-top, 0), max(-left, 0)
        padded = np.full((N, high, wide, C), fill, source.dtype)
        padded[:, above : above + inside.shape[1], before : before + inside.shape[2]] = inside
        inside = padded
    n, y, x, c = inside.strides
    shape, strides = (N, rows, width, kh, kw, C), (n, y * sy, x * sx, y * dy, x * dx, c)
    return np.lib.stride_tricks.as_strided(inside, shape, strides, writeable=False)


def sparse(source: Array, index: Array, pointer: Array, weight: Array, out: Array) -> None:
    """A sparse matrix on every row of `source` (N, K): `out` (N, rows); row i has the entries pointer[i : i + 2]."""
    full = np.flatnonzero(np.diff(pointer))  # the rows that hold anything
    entries = slice(pointer[0], pointer[-1])
    out[:] = 0
    for row, result in zip(source, out, strict=True):
        if len(full):
            result[full] = np.add.reduceat(row[index[entries]] * weight[entries], pointer[full] - pointer[0])


def scan(members: int) -> Callable[..., None]:
    """The scan of Group Neurons of so many members."""
    return _scan


def _scan(
    drive: Array, shift: int, skip: Array, gain: Array, bias: Array, thresholds: Array, inhibition: Array, first: int,
    out: Array,
) -> None:  # fmt: skip
    """All T steps of Group Neurons at the places from `first` on: `drive` (B, T or 1, P, L) -> `out` (B, T, places, L).

    Every step adds `drive` << `shift`, `bias` (places or 1, L), and, where `skip` (B, T or 1, places, L) is not empty,
    `skip` * `gain` (L,). `thresholds` and `inhibition` are (tau, L).
    """
    places = slice(first, first + drive.shape[2])
    constant = bias[places] if len(bias) > 1 else bias
    V: Array = np.zeros((len(drive), *drive.shape[2:]), drive.dtype)
    part, fires = np.empty_like(V), np.empty((len(thresholds), *V.shape), np.bool_)
    few = len(thresholds) <= arithmetic.FEW
    for t in range(out.shape[1]):
        received = drive[:, min(t, drive.shape[1] - 1)]
        V += np.left_shift(received, shift, out=part) if shift else received
        V += constant
        if skip.size:
            V += np.multiply(skip[:, min(t, skip.shape[1] - 1), places], gain, out=part)
        n = out[:, t, places]
        if not few:
            n[:], taken = _search(V, thresholds, inhibition)
            V -= taken
            continue
        n[:] = 0
        for k, threshold in enumerate(thresholds):
            n += np.greater_equal(V, threshold, out=fires[k])
        for k, amount in enumerate(inhibition):
            V -= np.multiply(fires[k], amount, out=part)


def general_scan(
    drive: Array, shift: int, skip: Array, gain: Array, bias: Array, thresholds: Array, inhibition: Array,
    by_step: Array, negative: Array, excitation: Array, first: int, out: Array,
) -> None:  # fmt: skip
    """As `scan`, of Group Neurons with a bias of their own at each step, or with members that take spikes back.

    `by_step` is (T, L), `negative` and `excitation` are (k, L); all three may be zero or empty.
    """
    places = slice(first, first + drive.shape[2])
    constant = bias[places] if len(bias) > 1 else bias
    V: Array = np.zeros((len(drive), *drive.shape[2:]), drive.dtype)
    sent = np.zeros(V.shape, np.int32)
    for t in range(out.shape[1]):
        V = V + (
            np.left_shift(drive[:, min(t, drive.shape[1] - 1)], shift)
            if shift
            else drive[:, min(t, drive.shape[1] - 1)]
        )
        V = V + constant + by_step[t]
        if skip.size:
            V = V + skip[:, min(t, skip.shape[1] - 1), places] * gain
        n, taken = _search(V, thresholds, inhibition)
        m = np.minimum(np.where(n > 0, 0, sum((row > V for row in negative), np.zeros(V.shape, np.int32))), sent)
        V = V - taken
        for j, amount in enumerate(excitation):
            V = V + (m > j) * amount
        out[:, t, places] = n - m
        sent += n - m


def _search(V: Array, thresholds: Array, inhibition: Array) -> tuple[Array, Array]:
    """For many members, whose thresholds never fall: the spikes of potentials (..., L), and what they take away."""
    n, taken = np.empty(V.shape, np.int32), np.empty_like(V)
    reset = np.concatenate([np.zeros_like(inhibition[:1]), np.cumsum(inhibition, axis=0, dtype=inhibition.dtype)])
    alike = (thresholds == thresholds[:, :1]).all() and (inhibition == inhibition[:, :1]).all()
    for lane in [slice(0, None)] if alike else range(V.shape[-1]):
        column = 0 if alike else lane
        n[..., lane] = np.searchsorted(thresholds[:, column], V[..., lane], side="right")
        taken[..., lane] = reset[:, column][n[..., lane]]
    return n, taken


def max_pool(counts: Array, window: Window, first: int, rows: int, out: Array) -> None:
    """The growth of the largest cumulative count in every window, at each step.

    `counts` (B, T or 1, H, W, C) -> `out` (B, T, H', W', C), of which the `rows` rows from `first` on are written.
    """
    B, _, H, W, C = counts.shape
    T = out.shape[1]
    wide = counts.dtype if np.issubdtype(counts.dtype, np.floating) else np.dtype(np.int32)
    sums = np.cumsum(np.broadcast_to(counts, (B, T, H, W, C)), axis=1, dtype=wide).reshape(B * T, H, W, C)
    lowest = -np.inf if wide.kind == "f" else np.iinfo(wide).min
    seen = _windows(sums, window, first, rows, fill=lowest)
    peak = seen[:, :, :, 0, 0].copy()
    for a, b in np.ndindex(*window[:2]):
        np.maximum(peak, seen[:, :, :, a, b], out=peak)
    grown = np.diff(peak.reshape(B, T, *peak.shape[1:]), axis=1, prepend=0)
    out[:, :, first : first + rows] = grown


def totals(counts: Array) -> Array:
    """What all channels of all samples in `counts` (B, T, P, C) sent: (T, P), int64."""
    C = counts.shape[3]
    if counts.dtype == np.uint8 and C % 8 == 0 and C <= 1024:  # eight counts in a word: far fewer additions
        words, low = counts.view(np.uint64), np.uint64(0x00FF00FF00FF00FF)
        sums = ((words & low) + ((words >> np.uint64(8)) & low)).sum(axis=3, keepdims=True)  # four of 16 bits
        counts = sums.view(np.uint16)
    return np.asarray(counts.sum(axis=(0, 3), dtype=np.int64))
