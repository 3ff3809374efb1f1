"""What a projection computes, and its adjoint.

Everything works in the dtype it is given; the simulator calls `apply` with the float type that it has proved exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganglion.ir.ops import Array, Conv2d, Dense, OneToOne, Projection, Sparse, per_channel
from ganglion.ir.ops.projections import Selective
from ganglion.ir.types import Shape, size

Pair = tuple[int, int]
COLUMN_BYTES = 1 << 25  # im2col and gathers work on blocks of about this size, so that they stay near the cache


def apply(op: Projection, x: Array, weight: Array) -> Array:
    """`op` with the weights `weight` (same shape as `op.weight`) on `x` (B, *shape) -> (B, *out_shape)."""
    take = op.take if isinstance(op, Selective) else None
    result = APPLY[type(op)](op, x if take is None else x[:, take], weight)
    if not op.channels:
        return result
    whole: Array = np.zeros((len(x), op.channels, *result.shape[2:]), result.dtype)
    whole[:, op.offset : op.offset + result.shape[1]] = result
    return whole


def adjoint(op: Projection, y: Array, shape: Shape) -> Array:
    """The transposed map of `op` on `y` (B, *out_shape) -> (B, *shape): y . A for the matrix A of `op`."""
    y = y[:, op.offset : op.offset + op.map_shape(shape)[0]] if op.channels else y
    take = op.take if isinstance(op, Selective) else None
    if take is None:
        return ADJOINT[type(op)](op, y, shape)
    assert isinstance(op, Selective)
    x: Array = np.zeros((len(y), *shape), y.dtype)
    by_channel = ADJOINT[type(op)](op, y, op.seen(shape)).swapaxes(0, 1)
    np.add.at(x.swapaxes(0, 1), take, by_channel)
    return x


def _dense(op: Dense, x: Array, weight: Array) -> Array:
    return np.asarray(x.reshape(len(x), -1) @ weight.T)


def _dense_adjoint(op: Dense, y: Array, shape: Shape) -> Array:
    return np.asarray(y @ op.weight).reshape(len(y), *shape)


def _scale(op: OneToOne, x: Array, weight: Array) -> Array:
    return np.asarray(x * per_channel(weight, x.shape[1:]))


def _scale_adjoint(op: OneToOne, y: Array, shape: Shape) -> Array:
    return np.asarray(y * op.weight_over(shape))


def _gather(op: Sparse, x: Array, weight: Array) -> Array:
    flat = x.reshape(len(x), -1)
    full = np.flatnonzero(np.diff(op.pointer))  # the neurons that receive anything
    result: Array = np.zeros((len(x), len(op.pointer) - 1), np.result_type(x, weight))
    block = max(1, COLUMN_BYTES // max(1, len(op.index) * result.itemsize))
    for start in range(0, len(x) if len(full) else 0, block):
        products = flat[start : start + block, op.index] * weight
        result[start : start + block, full] = np.add.reduceat(products, op.pointer[full], axis=1)
    return result.reshape(len(x), *op.shape)


def _gather_adjoint(op: Sparse, y: Array, shape: Shape) -> Array:
    neuron = np.repeat(np.arange(len(op.pointer) - 1), np.diff(op.pointer))
    x: Array = np.zeros((size(shape), len(y)), y.dtype)
    np.add.at(x, op.index, (y.reshape(len(y), -1)[:, neuron] * op.weight).T)
    return x.T.reshape(len(y), *shape)


def spread(op: Conv2d, x: Array) -> Array:
    """`x` (B, C, H, W) with the zeros of `op.upsample` between its rows and columns."""
    if op.upsample == (1, 1):
        return x
    (u, v), (n, c, height, width) = op.upsample, x.shape
    wide: Array = np.zeros((n, c, (height - 1) * u + 1, (width - 1) * v + 1), x.dtype)
    wide[:, :, ::u, ::v] = x
    return wide


def pad(x: Array, pads: tuple[int, int, int, int], fill: float = 0) -> Array:
    """`x` (..., H, W) padded by (top, left, bottom, right) with `fill`, cropped where a pad is negative."""
    top, left, bottom, right = pads
    if max(pads) > 0:
        outer = [(0, 0)] * (x.ndim - 2)
        widths = [*outer, (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
        x = np.pad(x, widths, constant_values=fill)
    return x[..., max(-top, 0) : x.shape[-2] + min(bottom, 0), max(-left, 0) : x.shape[-1] + min(right, 0)]


def patches(op: Conv2d, x: Array) -> Array:
    """What `op` sees of `x` (B, C, H, W), in its windows: (B, C, H', W', kh, kw)."""
    kernel = (op.weight.shape[2], op.weight.shape[3])
    return windows(pad(spread(op, x), op.pads), kernel, op.strides, op.dilations)


def windows(padded: Array, kernel: Pair, strides: Pair, dilations: Pair) -> Array:
    """The windows over `padded` (..., H, W): a view (..., H', W', kh, kw)."""
    (kh, kw), (sh, sw), (dh, dw) = kernel, strides, dilations
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    return np.lib.stride_tricks.sliding_window_view(padded, reach, (-2, -1))[..., ::sh, ::sw, ::dh, ::dw]


def _convolve(op: Conv2d, x: Array, weight: Array) -> Array:
    g = op.groups
    out, fan_in, kh, kw = weight.shape
    height, width = patches(op, x[:1, :1]).shape[2:4]
    places = height * width
    result = np.empty((len(x), out, height, width), np.result_type(x, weight))
    matrix = weight.reshape(g, out // g, fan_in * kh * kw)
    block = max(1, COLUMN_BYTES // max(1, x.shape[1] * kh * kw * places * result.itemsize))
    for start in range(0, len(x), block):
        part = patches(op, x[start : start + block])
        n = len(part)
        if op.depthwise:  # a matrix product would have one row
            total = np.zeros((n, out, height, width), result.dtype)
            for a, b in np.ndindex(kh, kw):
                total += part[..., a, b] * weight[:, 0, a, b, None, None]
            result[start : start + n] = total
            continue
        columns = part.transpose(0, 1, 4, 5, 2, 3).reshape(n, g, fan_in * kh * kw, places)
        result[start : start + n] = (matrix @ columns).reshape(n, out, height, width)
    return result


def _convolve_adjoint(op: Conv2d, y: Array, shape: Shape) -> Array:
    (sh, sw), (dh, dw), g = op.strides, op.dilations, op.groups
    top, left, bottom, right = op.pads
    out, fan_in, kh, kw = op.weight.shape
    n, ho, wo = len(y), y.shape[2], y.shape[3]
    height, width = (shape[1] - 1) * op.upsample[0] + 1, (shape[2] - 1) * op.upsample[1] + 1
    full: Array = np.zeros((n, shape[0], height + top + bottom, width + left + right), y.dtype)
    grouped = y.reshape(n, g, out // g, ho * wo)
    weight = op.weight.reshape(g, out // g, fan_in, kh, kw)
    for a, b in np.ndindex(kh, kw):
        part = np.asarray(weight[..., a, b].transpose(0, 2, 1) @ grouped)
        rows, columns = slice(a * dh, a * dh + sh * ho, sh), slice(b * dw, b * dw + sw * wo, sw)
        full[:, :, rows, columns] += part.reshape(n, shape[0], ho, wo)
    return pad(full, (-top, -left, -bottom, -right))[:, :, :: op.upsample[0], :: op.upsample[1]]


APPLY: dict[type[Projection], Callable[[Any, Array, Array], Array]] = {
    Dense: _dense,
    OneToOne: _scale,
    Conv2d: _convolve,
    Sparse: _gather,
}
ADJOINT: dict[type[Projection], Callable[[Any, Array, Shape], Array]] = {
    Dense: _dense_adjoint,
    OneToOne: _scale_adjoint,
    Conv2d: _convolve_adjoint,
    Sparse: _gather_adjoint,
}
