"""Linear maps on arrays: what a projection computes, its adjoint, and the composition of two of them.

The one place where a convolution is written out. Everything works in the dtype it is given; the
simulator calls `apply` with the float type that it has proved exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .ops import Array, Conv2d, Dense, OneToOne, Projection, per_channel
from .types import Shape, size

COLUMN_BYTES = 1 << 25  # im2col works on blocks of about this size, so that they stay near the cache


def apply(op: Projection, x: Array, weight: Array) -> Array:
    """`op` with the weights `weight` (same shape as `op.weight`) on `x` (B, *shape) -> (B, *out_shape)."""
    return APPLY[type(op)](op, x, weight)


def adjoint(op: Projection, y: Array, shape: Shape) -> Array:
    """The transposed map of `op` on `y` (B, *out_shape) -> (B, *shape): y . A for the matrix A of `op`."""
    return ADJOINT[type(op)](op, y, shape)


def _dense(op: Dense, x: Array, weight: Array) -> Array:
    return np.asarray(x.reshape(len(x), -1) @ weight.T)


def _dense_adjoint(op: Dense, y: Array, shape: Shape) -> Array:
    return np.asarray(y @ op.weight).reshape(len(y), *shape)


def _scale(op: OneToOne, x: Array, weight: Array) -> Array:
    return np.asarray(x * per_channel(weight, x.shape[1:]))


def _scale_adjoint(op: OneToOne, y: Array, shape: Shape) -> Array:
    return np.asarray(y * op.weight_over(shape))


def taps(op: Conv2d) -> Iterator[tuple[int, int]]:
    """All positions (a, b) in the kernel."""
    return iter(np.ndindex(*op.weight.shape[2:]))


def _pad(x: Array, pads: tuple[int, int, int, int]) -> Array:
    top, left, bottom, right = pads
    x = x[:, :, : x.shape[2] + min(bottom, 0), : x.shape[3] + min(right, 0)]
    if max(pads) <= 0:
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, max(bottom, 0)), (left, max(right, 0))))


def _convolve(op: Conv2d, x: Array, weight: Array) -> Array:
    out_shape = op.out_shape(x.shape[1:])
    (sh, sw), (dh, dw), g = op.strides, op.dilations, op.groups
    out, fan_in, kh, kw = weight.shape
    places = out_shape[1] * out_shape[2]
    result = np.empty((len(x), *out_shape), np.result_type(x, weight))
    matrix = weight.reshape(g, out // g, fan_in * kh * kw)
    block = max(1, COLUMN_BYTES // max(1, x.shape[1] * kh * kw * places * result.itemsize))
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    for start in range(0, len(x), block):
        part = _pad(x[start : start + block], op.pads)
        n = len(part)
        windows = np.lib.stride_tricks.sliding_window_view(part, reach, (2, 3))[:, :, ::sh, ::sw, ::dh, ::dw]
        if fan_in == 1 and out == g:  # depthwise: a matrix product would have one row
            depthwise = np.zeros((n, *out_shape), result.dtype)
            for a, b in taps(op):
                depthwise += windows[..., a, b] * weight[:, 0, a, b, None, None]
            result[start : start + n] = depthwise
            continue
        columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, g, fan_in * kh * kw, places)
        result[start : start + n] = (matrix @ columns).reshape(n, *out_shape)
    return result


def _convolve_adjoint(op: Conv2d, y: Array, shape: Shape) -> Array:
    (sh, sw), (dh, dw), g = op.strides, op.dilations, op.groups
    top, left, bottom, right = op.pads
    out, fan_in = op.weight.shape[:2]
    n, ho, wo = len(y), y.shape[2], y.shape[3]
    extent = (shape[1] + top + max(bottom, 0), shape[2] + left + max(right, 0))
    full: Array = np.zeros((n, shape[0], *extent), y.dtype)
    grouped = y.reshape(n, g, out // g, ho * wo)
    weight = op.weight.reshape(g, out // g, fan_in, *op.weight.shape[2:])
    for a, b in taps(op):
        spread = np.asarray(weight[..., a, b].transpose(0, 2, 1) @ grouped)
        rows, columns = slice(a * dh, a * dh + sh * ho, sh), slice(b * dw, b * dw + sw * wo, sw)
        full[:, :, rows, columns] += spread.reshape(n, shape[0], ho, wo)
    return np.asarray(full[:, :, top : top + shape[1], left : left + shape[2]])


APPLY: dict[type[Projection], Callable[[Any, Array, Array], Array]] = {
    Dense: _dense,
    OneToOne: _scale,
    Conv2d: _convolve,
}
ADJOINT: dict[type[Projection], Callable[[Any, Array, Shape], Array]] = {
    Dense: _dense_adjoint,
    OneToOne: _scale_adjoint,
    Conv2d: _convolve_adjoint,
}


def matrix_of(op: Projection, shape: Shape) -> Dense:
    """Any projection from `shape` as a dense one."""
    n = size(shape)
    basis = np.eye(n).reshape(n, *shape)
    return Dense(name=op.name, origin=op.origin, weight=apply(op, basis, op.weight).reshape(n, -1).T)


def compose(first: Projection, second: Projection, shape: Shape) -> Projection | None:
    """The projection from `shape` that equals `second` after `first`, both with real weights.

    None where there is no such projection of the known kinds; `matrix_of` is the way out then.
    """
    if isinstance(first, OneToOne) and first.weight.ndim == 0 and first.weight == 1:
        return second
    middle = first.out_shape(shape)
    if isinstance(second, Dense):
        return Dense(name="", weight=adjoint(first, second.weight.reshape(-1, *middle), shape).reshape(-1, size(shape)))
    if isinstance(first, Dense):
        rows = first.weight.T.reshape(-1, *middle)
        return Dense(name="", weight=apply(second, rows, second.weight).reshape(len(rows), -1).T)
    if isinstance(second, OneToOne):
        return _scaled_after(first, second, middle)
    if isinstance(first, OneToOne) and isinstance(second, Conv2d):
        return _scaled_before(first, second)
    if isinstance(first, Conv2d) and isinstance(second, Conv2d):
        return compose_convolutions(first, second, shape)
    return None


def _scaled_after(first: Projection, second: OneToOne, middle: Shape) -> Projection | None:
    if isinstance(first, OneToOne):
        a, b = first.weight, second.weight
        if len(middle) > 1 and {a.ndim, b.ndim} == {1, len(middle)}:
            a, b = per_channel(a, middle), per_channel(b, middle)
        return OneToOne(name="", weight=a * b)
    if not isinstance(first, Conv2d) or second.weight.ndim > 1:
        return None
    scale = np.broadcast_to(second.weight, middle[:1])
    return replace(first, weight=first.weight * scale[:, None, None, None])


def _scaled_before(first: OneToOne, second: Conv2d) -> Projection | None:
    if first.weight.ndim > 1:
        return None
    out, fan_in = second.weight.shape[:2]
    scale = np.broadcast_to(first.weight, (fan_in * second.groups,)).reshape(second.groups, 1, fan_in)
    grouped = second.weight.reshape(second.groups, out // second.groups, fan_in, *second.weight.shape[2:])
    return replace(second, weight=(grouped * scale[..., None, None]).reshape(second.weight.shape))


def compose_convolutions(first: Conv2d, second: Conv2d, shape: Shape) -> Conv2d | None:
    """One convolution for two in a row; exact, or None.

    The second one's padding stands for zeros. It is kept as padding only where the first convolution,
    continued beyond its range, would see nothing but zeros there too.
    """
    middle, out = first.out_shape(shape), second.out_shape(first.out_shape(shape))
    k1 = [first.dilations[i] * (first.weight.shape[2 + i] - 1) + 1 for i in (0, 1)]
    k2 = [second.dilations[i] * (second.weight.shape[2 + i] - 1) + 1 for i in (0, 1)]
    strides = (first.strides[0] * second.strides[0], first.strides[1] * second.strides[1])
    pads = [0, 0, 0, 0]
    for i in (0, 1):
        begins_outside = k1[i] - 1 - first.pads[i] < first.strides[i]
        ends_outside = middle[1 + i] * first.strides[i] - first.pads[i] >= shape[1 + i]
        reads_beyond = (out[1 + i] - 1) * second.strides[i] + k2[i] - second.pads[i] > middle[1 + i]
        if (second.pads[i] > 0 and not begins_outside) or (reads_beyond and not ends_outside):
            return None
        pads[i] = first.pads[i] + second.pads[i] * first.strides[i]
        kernel = k1[i] + (k2[i] - 1) * first.strides[i]
        pads[i + 2] = (out[1 + i] - 1) * strides[i] + kernel - shape[1 + i] - pads[i]
    weight, groups = _kernel(_undilated(first), second)
    top, left, bottom, right = pads
    return Conv2d(name="", weight=weight, strides=strides, pads=(top, left, bottom, right), groups=groups)


def _undilated(op: Conv2d) -> Conv2d:
    """The same convolution with zeros in the kernel in place of dilation."""
    if op.dilations == (1, 1):
        return op
    (dh, dw), (kh, kw) = op.dilations, op.weight.shape[2:]
    weight = np.zeros((*op.weight.shape[:2], dh * (kh - 1) + 1, dw * (kw - 1) + 1))
    weight[:, :, ::dh, ::dw] = op.weight
    return replace(op, weight=weight, dilations=(1, 1))


def full_kernel(op: Conv2d) -> Array:
    """The kernel of a grouped convolution as (O, C, kh, kw) with zeros between the groups."""
    if op.groups == 1:
        return op.weight
    out, fan_in = op.weight.shape[:2]
    full = np.zeros((out, fan_in * op.groups, *op.weight.shape[2:]))
    for g in range(op.groups):
        rows = slice(g * out // op.groups, (g + 1) * out // op.groups)
        full[rows, g * fan_in : (g + 1) * fan_in] = op.weight[rows]
    return full


def _kernel(first: Conv2d, second: Conv2d) -> tuple[Array, int]:
    """The composed kernel and its groups. Depthwise factors (pools, scales) are never blown up."""
    first_depthwise = first.weight.shape[1] == 1 and first.weight.shape[0] == first.groups
    second_depthwise = second.weight.shape[1] == 1 and second.weight.shape[0] == second.groups
    if second_depthwise:
        w1, w2, rule, groups = first.weight, second.weight[:, 0], "o,oiyx->oiyx", first.groups
    elif first_depthwise:
        channel = np.arange(second.weight.shape[1]) + _first_channel(second)[:, None]
        w1, w2, rule, groups = first.weight[:, 0][channel], second.weight, "oi,oiyx->oiyx", second.groups
    else:
        w1, w2, rule, groups = full_kernel(first), full_kernel(second), "om,miyx->oiyx", 1
    (sh, sw), (dh, dw), (kh, kw) = first.strides, second.dilations, second.weight.shape[2:]
    h, w = w1.shape[2:]
    shape = (second.weight.shape[0], w1.shape[1], h + (kh - 1) * dh * sh, w + (kw - 1) * dw * sw)
    weight = np.zeros(shape)
    for a, b in taps(second):
        part = np.einsum(rule, w2[..., a, b], w1, optimize=True)
        weight[:, :, a * dh * sh : a * dh * sh + h, b * dw * sw : b * dw * sw + w] += part
    return weight, groups


def _first_channel(op: Conv2d) -> Array:
    """For every output channel, the first input channel of its group."""
    out, fan_in = op.weight.shape[:2]
    return np.asarray(np.arange(out) // (out // op.groups) * fan_in)


def add(first: Projection, second: Projection, shape: Shape) -> Projection | None:
    """One projection for two in parallel, or None where they are better kept apart.

    A skip connection is never merged into a convolution: its weight would take the bits of the others.
    """
    if isinstance(first, Dense) and isinstance(second, Dense):
        return Dense(name="", weight=first.weight + second.weight)
    if isinstance(first, OneToOne) and isinstance(second, OneToOne):
        if first.weight.ndim == second.weight.ndim or 0 in (first.weight.ndim, second.weight.ndim):
            return OneToOne(name="", weight=first.weight + second.weight)
        return OneToOne(name="", weight=first.weight_over(shape) + second.weight_over(shape))
    if not isinstance(first, Conv2d) or not isinstance(second, Conv2d) or first.strides != second.strides:
        return None
    out = first.out_shape(shape)
    if first.groups != second.groups:
        first, second = _ungrouped(first), _ungrouped(second)
    pair = _undilated(first), _undilated(second)
    top, left = (max(op.pads[i] for op in pair) for i in (0, 1))
    kernel = [max(max(o.pads[i] for o in pair) - op.pads[i] + op.weight.shape[2 + i] for op in pair) for i in (0, 1)]
    weight = np.zeros((*pair[0].weight.shape[:2], *kernel))
    for op in pair:
        y, x = top - op.pads[0], left - op.pads[1]
        weight[:, :, y : y + op.weight.shape[2], x : x + op.weight.shape[3]] += op.weight
    bottom = (out[1] - 1) * first.strides[0] + kernel[0] - shape[1] - top
    right = (out[2] - 1) * first.strides[1] + kernel[1] - shape[2] - left
    return Conv2d(name="", weight=weight, strides=first.strides, pads=(top, left, bottom, right), groups=first.groups)


def _ungrouped(op: Conv2d) -> Conv2d:
    return replace(op, weight=full_kernel(op), groups=1)
