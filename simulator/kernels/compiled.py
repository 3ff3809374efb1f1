"""The inner loops of the layer engine, compiled by numba; `arrays.py` has the same in numpy, to the bit.

All arrays are contiguous and channels come last, so that the innermost loops run over neighbours in memory. Two habits
let the compiler use vectors: indices are unsigned (numba then leaves out its test for negative ones), and every sum is
cast back to int32 (numba widens to 64 bits).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ganglion.ir import Array

from .cache import compile_shared as compiled

unsigned, i32 = np.uintp, np.int32
FEW = 16  # members up to which comparing with every threshold is faster than a search


@cache
def gather(run: int) -> Callable[..., None]:
    """See `arrays.gather`. With the length of a run known, it is copied without a loop."""
    length = unsigned(run)

    @compiled
    def gather_runs(source: Array, window: Any, first: int, rows: int, columns: Array) -> None:
        N, H, W, C = source.shape
        kh, kw, sy, sx, py, px, dy, dx, width = window
        part = C // columns.shape[0]
        side = 1 if run == part else kw  # places of a kernel's row in one run
        flat, out, at = source.ravel(), columns.ravel(), unsigned(0)
        for g in range(columns.shape[0]):
            for n in range(N):
                for y in range(first, first + rows):
                    for x in range(width):
                        for a in range(kh):
                            line = y * sy - py + a * dy
                            for b in range(0, kw, side):
                                place = x * sx - px + b * dx
                                start = ((n * H + line) * W + place) * C + g * part
                                if line < 0 or line >= H or place + side <= 0 or place >= W:
                                    for i in range(length):
                                        out[at + i] = 0
                                elif place >= 0 and place + side <= W:
                                    begin = unsigned(start)
                                    for i in range(length):
                                        out[at + i] = flat[begin + i]
                                else:  # across the border
                                    for i in range(run):
                                        out[at + unsigned(i)] = 0
                                        if 0 <= place + i // part < W:
                                            out[at + unsigned(i)] = flat[unsigned(start + i)]
                                at += length

    return gather_runs


@compiled
def depthwise(source: Array, weight: Array, window: Any, first: int, out: Array) -> None:
    """See `arrays.depthwise`."""
    N, H, W, C = source.shape
    kh, kw, sy, sx, py, px, dy, dx, width = window
    for n in range(N):
        for y in range(out.shape[1]):
            for x in range(width):
                total = out[n, y, x]
                total[:] = 0
                for a in range(kh):
                    line = (first + y) * sy - py + a * dy
                    for b in range(kw):
                        place = x * sx - px + b * dx
                        if 0 <= line < H and 0 <= place < W:
                            seen, row = source[n, line, place], weight[a, b]
                            for c in range(unsigned(C)):
                                total[c] = i32(total[c] + i32(row[c] * i32(seen[c])))


@compiled
def sparse(source: Array, index: Array, pointer: Array, weight: Array, out: Array) -> None:
    """See `arrays.sparse`."""
    for n in range(source.shape[0]):
        for i in range(out.shape[1]):
            total = i32(0)
            for e in range(pointer[i], pointer[i + 1]):
                total = i32(total + i32(weight[e] * i32(source[n, index[e]])))
            out[n, i] = total


@compiled
def _search(
    drive: Array, shift: int, skip: Array, gain: Array, bias: Array, thresholds: Array, inhibition: Array, first: int,
    out: Array,
) -> None:  # fmt: skip
    """Many members: the thresholds, which never fall, are searched."""
    B, D, P, L = drive.shape
    members = len(thresholds)
    rising, reset = np.empty((L, members), np.int32), np.zeros((L, members + 1), np.int32)
    for i in range(L):
        for k in range(members):
            rising[i, k] = thresholds[k, i]
            reset[i, k + 1] = i32(reset[i, k] + inhibition[k, i])
    for b in range(B):
        for p in range(P):
            constant = bias[first + p if bias.shape[0] > 1 else 0]
            for i in range(L):
                V = i32(0)
                for t in range(out.shape[1]):
                    V = i32(V + i32(drive[b, t if D > 1 else 0, p, i] << i32(shift)) + constant[i])
                    if skip.size:
                        V = i32(V + i32(i32(skip[b, t if skip.shape[1] > 1 else 0, first + p, i]) * gain[i]))
                    low, high = 0, members
                    while low < high:
                        middle = (low + high) >> 1
                        if rising[i, middle] <= V:
                            low = middle + 1
                        else:
                            high = middle
                    out[b, t, first + p, i] = low
                    V = i32(V - reset[i, low])


@cache
def scan(members: int) -> Callable[..., None]:
    """See `arrays.scan`. With the number of members known, comparisons are unrolled and stay in registers."""
    if members > FEW:
        return _search

    @compiled
    def scan_members(
        drive: Array, shift: int, skip: Array, gain: Array, bias: Array, thresholds: Array, inhibition: Array,
        first: int, out: Array,
    ) -> None:  # fmt: skip
        B, D, P, L = drive.shape
        lanes, V, n = unsigned(L), np.empty(L, np.int32), np.empty(L, np.int32)
        for b in range(B):
            for p in range(P):
                constant = bias[first + p if bias.shape[0] > 1 else 0]
                V[:] = 0
                for t in range(out.shape[1]):
                    if skip.size:
                        counts = skip[b, t if skip.shape[1] > 1 else 0, first + p]
                        for i in range(lanes):
                            V[i] = i32(V[i] + i32(i32(counts[i]) * gain[i]))
                    received = drive[b, t if D > 1 else 0, p]
                    for i in range(lanes):
                        v = i32(V[i] + i32(received[i] << i32(shift)) + constant[i])
                        fired, reset = i32(0), i32(0)
                        for k in range(members):
                            fires = v >= thresholds[k, i]
                            fired = i32(fired + (i32(1) if fires else i32(0)))
                            reset = i32(reset + (inhibition[k, i] if fires else i32(0)))
                        V[i], n[i] = i32(v - reset), fired
                    sent = out[b, t, first + p]
                    for i in range(lanes):
                        sent[i] = n[i]

    return scan_members


@compiled
def general_scan(
    drive: Array, shift: int, skip: Array, gain: Array, bias: Array, thresholds: Array, inhibition: Array,
    by_step: Array, negative: Array, excitation: Array, first: int, out: Array,
) -> None:  # fmt: skip
    """See `arrays.general_scan`."""
    B, D, P, L = drive.shape
    V, sent = np.empty(L, np.int32), np.empty(L, np.int32)
    for b in range(B):
        for p in range(P):
            constant = bias[first + p if bias.shape[0] > 1 else 0]
            V[:] = 0
            sent[:] = 0
            for t in range(out.shape[1]):
                for i in range(L):
                    v = i32(V[i] + i32(drive[b, t if D > 1 else 0, p, i] << i32(shift)) + constant[i] + by_step[t, i])
                    if skip.size:
                        v = i32(v + i32(i32(skip[b, t if skip.shape[1] > 1 else 0, first + p, i]) * gain[i]))
                    n = i32(0)
                    while n < thresholds.shape[0] and v >= thresholds[n, i]:
                        n += 1
                    for k in range(n):
                        v = i32(v - inhibition[k, i])
                    m = i32(0)
                    if n == 0:
                        while m < negative.shape[0] and m < sent[i] and v < negative[m, i]:
                            m += 1
                        for j in range(m):
                            v = i32(v + excitation[j, i])
                    V[i] = v
                    sent[i] = i32(sent[i] + n - m)
                    out[b, t, first + p, i] = i32(n - m)


@compiled
def max_pool(counts: Array, window: Any, first: int, rows: int, out: Array) -> None:
    """See `arrays.max_pool`."""
    B, T, H, W, C = counts.shape
    kh, kw, sy, sx, py, px, dy, dx, width = window
    sums, peak, before = np.empty((kh * kw, C), np.int32), np.empty(C, np.int32), np.empty(C, np.int32)
    for b in range(B):
        for y in range(first, first + rows):
            for x in range(width):
                sums[:] = 0
                before[:] = 0
                for t in range(out.shape[1]):
                    peak[:] = np.iinfo(np.int32).min
                    for k in range(kh * kw):
                        line, place = y * sy - py + k // kw * dy, x * sx - px + k % kw * dx
                        if 0 <= line < H and 0 <= place < W:
                            sent, total = counts[b, t if T > 1 else 0, line, place], sums[k]
                            for c in range(unsigned(C)):
                                total[c] = i32(total[c] + i32(sent[c]))
                                peak[c] = max(peak[c], total[c])
                    grown = out[b, t, y, x]
                    for c in range(unsigned(C)):
                        grown[c] = i32(peak[c] - before[c])
                        before[c] = peak[c]


@compiled
def totals(counts: Array) -> Array:
    """See `arrays.totals`."""
    B, T, P, C = counts.shape
    total = np.zeros((T, P), np.int64)
    for b in range(B):
        for t in range(T):
            for p in range(P):
                row, sent = counts[b, t, p], i32(0)
                for c in range(unsigned(C)):
                    sent = i32(sent + i32(row[c]))
                total[t, p] += sent
    return total
