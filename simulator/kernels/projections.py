"""What arrives through a projection, for some rows of its result at a time."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Conv2d, Dense, OneToOne, Projection, Sparse, Spikes, is_integer, linear
from ganglion.ir.exact import PAIRS, Kernel, Proof, fastest, is_matrix, prove
from ganglion.simulator import layout

from . import winograd
from .products import product_of, saturates
from .scratch import scratch
from .winograd import Winograd


class Delivery(Protocol):
    """One projection at work.

    `seen(counts)` is what it sees of the counts (B, T, H, W, C) of its source; called with that and some rows of its
    result, it gives what arrives there, (B, T, rows, W', O), without the exponent.
    """

    row_bytes: int  # what one row of the result of one sample and step needs while it is computed
    row_products: int  # how many multiplications that takes

    def seen(self, counts: Array) -> Array: ...

    def __call__(self, seen: Array, first: int, rows: int) -> Array: ...


def delivery(op: Projection, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> Delivery:
    """`op` on the counts of `source`, by `kernel` where the user asks for it, else by the fastest exact one."""
    exact = chosen(op, prove(op, source), kernel) if is_integer(op.weight) else None
    return DELIVERIES[type(op)](op, source, loops, exact)


def chosen(op: Projection, proof: Proof, kernel: Kernel | None) -> Kernel:
    """The kernel for `op`; raises `InputError` where the one that is asked for cannot be exact."""
    if kernel is None or not is_matrix(op):
        return fastest(op, proof, saturates)
    problem = proof.problem(kernel, saturates)
    if problem:
        raise InputError(f"the kernel {kernel} is not exact for '{op.name}': {problem}", hint="choose another kernel")
    return kernel


class Convolution:
    """By a matrix product on windows, or, where that pays and is exact in float32, by minimal filtering.

    Where an average pool was composed into the kernel, whose weights then come in equal blocks, the counts of every
    block are added up first.
    """

    def __init__(self, op: Conv2d, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> None:
        self.take, self.upsample = op.take, op.upsample
        self.block = b = block_of(op, source, kernel)
        self.most = b * b * source.high
        weight = op.weight[:, :, ::b, ::b]
        _, height, width = op.map_shape(source.shape)
        strides, pads = (op.strides[0] // b, op.strides[1] // b), (op.pads[0] // b, op.pads[1] // b)
        plain = kernel == "float32" and op.groups == 1 and strides == (1, 1) == tuple(op.dilations)
        counts = (b * b * source.low, self.most)
        kernels = winograd.transformed(weight) if plain and winograd.pays(weight, height, width) else None
        self.way: Windows | Winograd
        if kernels is not None and winograd.is_exact(kernels, *counts):
            self.way = Winograd(kernels, pads, width, *counts)
        else:
            self.way = Windows(weight, op.groups, (*strides, *pads, *op.dilations, width), loops, kernel)
        self.product, self.row_bytes, self.row_products = self.way.product, self.way.row_bytes, self.way.row_products

    def seen(self, counts: Array) -> Array:
        return added_up(spread(taken(counts, self.take), self.upsample), self.block, self.most)

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        return self.way(seen, first, rows)


class Windows:
    """Windows are gathered into the rows of a matrix, in the product's own type."""

    def __init__(
        self,
        weight: Array,
        groups: int,
        steps: tuple[int, int, int, int, int, int, int],
        loops: ModuleType,
        kernel: Kernel | None,
    ) -> None:
        """`steps`: a `window` (see arrays.py) without the kernel's sides."""
        out, fan_in, kh, kw = weight.shape
        self.loops, self.groups, self.width = loops, groups, steps[-1]
        self.window = (kh, kw, *steps)
        matrix = weight.reshape(groups, out // groups, fan_in, kh, kw).transpose(0, 3, 4, 2, 1)
        self.product = product_of(matrix.reshape(groups, -1, out // groups), kernel)
        self.depth = kh * kw * fan_in
        self.run = fan_in * (kw if groups == 1 and self.window[7] == 1 else 1)  # counts side by side in a window
        self.pointwise = self.window[:8] == (1, 1, 1, 1, 0, 0, 1, 1) and groups == 1
        self.row_bytes = self.width * (groups * self.depth * self.product.dtype.itemsize + out * 4)
        self.row_products = self.width * self.depth * out

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        B, T, H, W, C = seen.shape
        M = B * T * rows * self.width
        if self.pointwise and (rows, self.width) == (H, W):
            columns = seen.reshape(1, M, self.depth).astype(self.product.dtype, copy=False)
        else:
            columns = scratch("columns", (self.groups, M, self.depth), self.product.dtype)
            self.gather(seen.reshape(B * T, H, W, C), first, rows, columns)
        current = self.product(columns)  # (G, M, O / G)
        if self.groups > 1:
            current = current.transpose(1, 0, 2)
        return current.reshape(B, T, rows, self.width, -1)

    def gather(self, seen: Array, first: int, rows: int, columns: Array) -> None:
        """The windows of `seen` (N, H, W, C) into `columns` (G, M, K); of bytes, eight at a time where that fits."""
        word = np.uint64 if seen.dtype == columns.dtype == np.uint8 and self.run % 8 == 0 == seen.shape[3] % 8 else None
        source, to = (a.view(word) if word else a for a in (seen, columns))
        self.loops.gather(self.run // 8 if word else self.run)(source, self.window, first, rows, to)


class Depthwise:
    """A convolution of every channel for itself: no matrix."""

    def __init__(self, op: Conv2d, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> None:
        self.loops, self.take, self.upsample = loops, op.take, op.upsample
        out, _, self.width = op.map_shape(source.shape)
        self.window = (*op.weight.shape[2:], *op.strides, *op.pads[:2], *op.dilations, self.width)
        self.dtype = np.int32 if kernel else np.float64
        self.weight = np.ascontiguousarray(op.weight[:, 0].transpose(1, 2, 0), self.dtype)
        self.row_bytes, self.row_products = self.width * out * 4, self.width * op.weight.size

    def seen(self, counts: Array) -> Array:
        return spread(taken(counts, self.take), self.upsample)

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        B, T, H, W, C = seen.shape
        out = np.empty((B * T, rows, self.width, C), self.dtype)
        self.loops.depthwise(seen.reshape(B * T, H, W, C), self.weight, self.window, first, out)
        return out.reshape(B, T, rows, self.width, C)


class Matrix:
    """A dense map reads all of its source, and has one row."""

    def __init__(self, op: Dense, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> None:
        shape, out = source.shape, len(op.weight)
        weight = layout.channels_last(op.weight.reshape(out, *shape), shape).reshape(1, out, -1)
        self.product = product_of(weight.transpose(0, 2, 1), kernel)
        self.row_bytes, self.row_products = weight.shape[2] * self.product.dtype.itemsize + out * 4, op.weight.size

    def seen(self, counts: Array) -> Array:
        return counts

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        B, T = seen.shape[:2]
        columns = seen.reshape(1, B * T, -1).astype(self.product.dtype, copy=False)
        return self.product(columns).reshape(B, T, 1, 1, -1)


class Gain:
    """A skip connection: every neuron for itself."""

    def __init__(self, op: OneToOne, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> None:
        self.take, self.dtype = op.take, np.int32 if kernel else np.float64
        shape = op.seen(source.shape)
        _, W, C = layout.extent(shape)
        weight = op.weight if op.weight.ndim < 2 else layout.channels_last(op.weight, shape)  # (), (C,) or (H, W, C)
        self.weight = np.ascontiguousarray(weight, self.dtype)
        self.row_bytes, self.row_products = W * C * 4, W * C

    def seen(self, counts: Array) -> Array:
        return taken(counts, self.take)

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        weight = self.weight[first : first + rows] if self.weight.ndim > 1 else self.weight
        return np.asarray(np.multiply(seen[:, :, first : first + rows], weight, dtype=self.dtype, casting="unsafe"))


class Connections:
    """A sparse map: a matrix in CSR form, neurons renumbered with channels last."""

    def __init__(self, op: Sparse, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> None:
        self.dtype = np.int32 if kernel else np.float64
        _, self.width, self.channels = layout.extent(op.shape)
        order = np.argsort(layout.flat_order(op.shape))  # which row of `op` each neuron of the result has
        lengths = np.diff(op.pointer)[order]
        self.pointer = np.concatenate([[0], np.cumsum(lengths)])
        entry = np.arange(len(op.index)) + np.repeat(op.pointer[:-1][order] - self.pointer[:-1], lengths)
        self.index = layout.flat_order(source.shape)[op.index[entry]]
        self.weight = op.weight[entry].astype(self.dtype)
        self.run = loops.sparse
        self.row_bytes, self.row_products = self.width * self.channels * 4, len(op.index)

    def seen(self, counts: Array) -> Array:
        return counts

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        B, T = seen.shape[:2]
        each = self.width * self.channels
        pointer = self.pointer[first * each : (first + rows) * each + 1]
        out = np.empty((B * T, rows * each), self.dtype)
        self.run(seen.reshape(B * T, -1), self.index, pointer, self.weight, out)
        return out.reshape(B, T, rows, self.width, self.channels)


def convolution(op: Conv2d, source: Spikes, loops: ModuleType, kernel: Kernel | None) -> Delivery:
    return (Depthwise if op.depthwise else Convolution)(op, source, loops, kernel)


DELIVERIES: dict[type[Projection], Callable[[Any, Spikes, ModuleType, Kernel | None], Delivery]] = {
    Conv2d: convolution,
    Dense: Matrix,
    OneToOne: Gain,
    Sparse: Connections,
}


def block_of(op: Conv2d, source: Spikes, kernel: Kernel | None) -> int:
    """The side of the squares of counts that may be added up before `op`: their weights are equal. 1: there are none.

    The sums of counts must fit the bytes of an int8 product and its pairs; the bound of all sums stays as it is.
    """
    side = linear.repeated(op)
    most = side * side * source.high
    fits = kernel != "int8" or (most < 256 and 2 * most * 128 < PAIRS)
    return side if kernel and fits else 1


def added_up(counts: Array, side: int, most: int) -> Array:
    """The sums over squares of `counts` (B, T, H, W, C) of so many places a side, none above `most`; those at the ends
    may be smaller.
    """
    if side == 1:
        return counts
    B, T, H, W, C = counts.shape
    narrow = counts.dtype.itemsize == 1 and most < 256
    total = np.zeros((B, T, -(-H // side), -(-W // side), C), counts.dtype if narrow else np.int32)
    for y, x in np.ndindex(side, side):
        part = counts[:, :, y::side, x::side]
        total[:, :, : part.shape[2], : part.shape[3]] += part
    return total


def taken(counts: Array, take: Array | None) -> Array:
    """The channels `take` of `counts` (..., C)."""
    return counts if take is None else np.ascontiguousarray(counts[..., take])


def spread(counts: Array, upsample: tuple[int, int]) -> Array:
    """`counts` (B, T, H, W, C) with zeros between its rows and columns: see `Conv2d.upsample`."""
    if upsample == (1, 1):
        return counts
    (u, v), (B, T, H, W, C) = upsample, counts.shape
    wide: Array = np.zeros((B, T, (H - 1) * u + 1, (W - 1) * v + 1, C), counts.dtype)
    wide[:, :, ::u, ::v] = counts
    return wide
