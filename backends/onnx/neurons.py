"""What a population makes of its potential, in int32: one step, whichever model it stands in."""

from __future__ import annotations

import numpy as np

from ganglion.ir import Array, GroupNeuron, MaxPool, Shape, per_channel, signed_bits

from .writer import DOUBLE, FLOAT, INT32, Writer

FEW = 8  # thresholds up to which one comparison each is cheaper than a search
HIGHEST = np.iinfo(np.int32).max
FLOAT_BITS = 25  # of signed integers that float32 holds


def fire(w: Writer, op: GroupNeuron, V: str, shape: Shape, sent: str | None) -> tuple[str, str, str | None]:
    """(potential after the reset, count, what has been sent in the window) from the potential that `V` holds.

    `sent` is what has been sent before in this window, less what was taken back; None where that is 0 for certain.
    """
    n = reached(w, V, op.thresholds, shape)
    V = w.node("Sub", V, inhibition(w, op, V, n, shape))
    if op.taking is None:
        return V, n, None
    if sent is None:  # nothing to take back
        return V, n, n
    negative, excitation = op.taking
    most = w.integer(op.takers)
    below = w.node("Sub", most, reached(w, V, negative[::-1], shape))
    idle = w.cast(w.node("Equal", n, w.integer(0)), INT32)
    m = w.node("Min", w.node("Mul", below, idle), sent)
    V = w.node("Add", V, amount(w, m, excitation, shape))
    n = w.node("Sub", n, m)
    return V, n, w.node("Add", sent, n)


def inhibition(w: Writer, op: GroupNeuron, V: str, n: str, shape: Shape) -> str:
    """What the lowest `n` members, which are those whose thresholds `V` has reached, take from the potential."""
    if uniform(op.inhibition) or op.levels > FEW:
        return amount(w, n, op.inhibition, shape)
    rows = (w.integer(per_channel(row, shape)) for row in op.inhibition)
    return w.add(
        [w.node("Mul", spike, row) for spike, row in zip(spikes(w, V, op.thresholds, shape), rows, strict=True)]
    )


def spikes(w: Writer, V: str, thresholds: Array, shape: Shape) -> list[str]:
    """For each of the thresholds, whether `V` has reached it: 0 or 1."""
    each = (w.node("GreaterOrEqual", V, w.integer(per_channel(row, shape))) for row in thresholds)
    return [w.cast(reached, INT32) for reached in each]


def reached(w: Writer, V: str, thresholds: Array, shape: Shape) -> str:
    """The number of thresholds, (tau,) or (tau, C), which never fall from one to the next, that `V` has reached: >=."""
    if len(thresholds) <= FEW:
        return w.add(spikes(w, V, thresholds, shape))
    bits = len(thresholds).bit_length()
    padded = np.full((2**bits - 1, *thresholds.shape[1:]), HIGHEST, np.int32)  # no potential is as high
    padded[: len(thresholds)] = thresholds
    first, table = _by_channel(w, padded, shape)
    found = w.integer(0)
    for bit in reversed(range(bits)):  # a binary search, all neurons at once
        more = w.node("Add", found, w.integer(1 << bit))
        threshold = w.node("Gather", table, w.node("Add", more, w.integer(first - 1)), axis=0)
        found = w.node("Where", w.node("GreaterOrEqual", V, threshold), more, found)
    return found


def amount(w: Writer, n: str, table: Array, shape: Shape) -> str:
    """The sum of the first `n` rows of `table`, (tau,) or (tau, C)."""
    if uniform(table):
        return w.node("Mul", n, w.integer(per_channel(table[0], shape)))
    sums = np.concatenate([np.zeros_like(table[:1], np.int64), np.cumsum(table, axis=0, dtype=np.int64)])
    first, flat = _by_channel(w, sums, shape)
    return w.node("Gather", flat, w.node("Add", n, w.integer(first)) if first.ndim else n, axis=0)


def uniform(table: Array) -> bool:
    """Whether all members have the same, channel by channel."""
    return bool((table == table[0]).all())


def _by_channel(w: Writer, table: Array, shape: Shape) -> tuple[Array, str]:
    """`table` (K,) or (K, C) as one vector, channel after channel, and where each channel's begins in it."""
    if table.ndim == 1:
        return np.zeros((), np.int32), w.integer(table)
    return per_channel(np.arange(table.shape[1]) * len(table), shape), w.integer(table.T.ravel())


def peaks(w: Writer, op: MaxPool, potential: str, shape: Shape) -> str:
    """The largest potential in every window: int32 (B, *shape) -> int32 (B, C, H', W')."""
    low, high = op.interval or (-HIGHEST, HIGHEST)
    kind, dtype = (FLOAT, np.float32) if signed_bits(low, high) <= FLOAT_BITS else (DOUBLE, np.float64)
    x = w.cast(potential, kind)
    if len(shape) == 2:
        x = w.reshape(x, [0, *shape, 1])
    if any(op.pads):  # of our own, as runtimes differ in which pads they take: never the largest
        top, left, bottom, right = op.pads
        lowest = np.array(np.iinfo(np.int32).min, dtype)
        x = w.pad(x, [0, 0, top, left], [0, 0, bottom, right], lowest)
    pooled = w.node("MaxPool", x, kernel_shape=op.kernel, strides=op.strides, dilations=op.dilations)
    return w.cast(pooled, INT32)
