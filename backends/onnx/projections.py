"""What arrives through a projection, in standard operators, one emitter for each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganglion.ir import Array, Conv2d, Dense, OneToOne, Projection, Shape, Sparse, Spikes, size
from ganglion.ir.ops.projections import Selective

from .parts import parts
from .writer import FLOAT, INT32, Writer


def current(w: Writer, op: Projection, counts: str, source: Spikes) -> str:
    """`counts` int32 (B, *source.shape) -> int32 (B, *out_shape), in membrane units."""
    w.at(op)
    shape, result = source.shape, op.map_shape(source.shape)
    if isinstance(op, Selective) and op.take is not None:
        counts, shape = w.node("Gather", counts, w.constant(op.take, np.int64), axis=1), op.seen(shape)
    arriving = EMITTERS[type(op)](w, op, counts, shape, max(abs(source.low), abs(source.high)))
    if op.exponent:
        arriving = w.node("Mul", arriving, w.integer(1 << op.exponent))
    if op.channels and op.channels != result[0]:
        inner = [0] * (len(result) - 1)
        arriving = w.pad(arriving, [0, op.offset, *inner], [0, op.channels - op.offset - result[0], *inner])
    return arriving


def dense(w: Writer, op: Dense, counts: str, shape: Shape, largest: int) -> str:
    x = w.cast(counts, FLOAT)
    if len(shape) > 1:
        x = w.reshape(x, [0, size(shape)])
    return in_parts(w, op.weight, largest, lambda part: w.node("MatMul", x, w.cast(w.constant(part.T), FLOAT)))


def conv2d(w: Writer, op: Conv2d, counts: str, shape: Shape, largest: int) -> str:
    x, (top, left, bottom, right) = w.cast(counts, FLOAT), op.pads
    if op.upsample != (1, 1):
        (u, v), (c, height, width) = op.upsample, shape
        x = w.pad(w.reshape(x, [0, c, height, 1, width, 1]), [0] * 6, [0, 0, 0, u - 1, 0, v - 1])
        x = w.reshape(x, [0, c, height * u, width * v])
        bottom, right = bottom - (u - 1), right - (v - 1)  # no zeros behind the last row and column
    pads = [top, left, bottom, right]
    if min(pads) < 0:  # a crop, which Conv has not
        x, pads = w.pad(x, [0, 0, top, left], [0, 0, bottom, right]), [0] * 4

    def product(part: Array) -> str:
        return w.node(
            "Conv", x, w.cast(w.constant(part), FLOAT),
            kernel_shape=part.shape[2:], strides=op.strides, pads=pads, dilations=op.dilations, group=op.groups,
        )  # fmt: skip

    return in_parts(w, op.weight, largest, product)


def one_to_one(w: Writer, op: OneToOne, counts: str, shape: Shape, largest: int) -> str:
    return w.node("Mul", counts, w.integer(op.weight_over(shape)))


def sparse(w: Writer, op: Sparse, counts: str, shape: Shape, largest: int) -> str:
    """Rows of about the same length together, padded with weights of zero: what is padded at most doubles them."""
    x, lengths = w.reshape(counts, [0, size(shape)]), np.diff(op.pointer)
    classes = np.frompyfunc(lambda n: 1 << (max(1, int(n)) - 1).bit_length(), 1, 1)(lengths).astype(np.int64)
    sums, order = [], []
    for wide in np.unique(classes):
        rows = np.flatnonzero(classes == wide)
        entry = op.pointer[rows, None] + np.arange(wide)
        there = np.arange(wide) < lengths[rows, None]
        entry = np.where(there, entry, 0)
        index = np.where(there, op.index[entry] if len(op.index) else 0, 0)
        weight = np.where(there, op.weight[entry] if len(op.weight) else 0, 0)
        picked = w.node("Gather", x, w.constant(index, np.int64), axis=1)  # (B, rows, wide)
        products = w.node("Mul", picked, w.integer(weight))
        sums.append(w.node("ReduceSum", products, w.constant([2], np.int64), keepdims=0))
        order.append(rows)
    joined = sums[0] if len(sums) == 1 else w.node("Concat", *sums, axis=1)
    place = np.argsort(np.concatenate(order))
    if len(sums) > 1:
        joined = w.node("Gather", joined, w.constant(place, np.int64), axis=1)
    return w.reshape(joined, [0, *op.shape])


def in_parts(w: Writer, weight: Array, largest: int, product: Callable[[Array], str]) -> str:
    """int32: the sum of `product` over parts of `weight` for which float32 is exact."""
    sums = []
    for part, shift in parts(weight, largest):
        exact = w.cast(product(part), INT32)
        sums.append(w.node("Mul", exact, w.integer(1 << shift)) if shift else exact)
    return w.add(sums)


EMITTERS: dict[type[Projection], Callable[[Writer, Any, str, Shape, int], str]] = {
    Dense: dense,
    Conv2d: conv2d,
    OneToOne: one_to_one,
    Sparse: sparse,
}
