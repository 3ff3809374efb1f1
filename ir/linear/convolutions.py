"""Two convolutions in a row as one: its geometry and its kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ganglion.ir.ops import Array, Conv2d
from ganglion.ir.types import Shape

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Strides, pads, upsampling and kernel size of the convolution that two others make."""

    strides: Pair
    pads: tuple[int, int, int, int]
    upsample: Pair
    kernel: Pair


def is_pointwise(op: Conv2d) -> bool:
    """Whether `op` mixes channels at every place for itself."""
    return op.weight.shape[2:] == (1, 1) and op.strides == op.upsample == (1, 1) and op.pads == (0, 0, 0, 0)


def merged_geometry(first: Conv2d, second: Conv2d, shape: Shape) -> Geometry | None:
    """The geometry of `second` after `first` for an input of `shape`, or None where they are not one convolution.

    The second one's padding stands for zeros. It is kept as padding only where the first convolution,
    continued beyond its range, would see nothing but zeros there too.
    """
    if is_pointwise(first):
        kernel = [second.dilations[i] * (second.weight.shape[2 + i] - 1) + 1 for i in (0, 1)]
        return Geometry(second.strides, second.pads, second.upsample, (kernel[0], kernel[1]))
    if second.upsample != (1, 1):
        return None
    middle, extent = first.map_shape(shape), first.spread(first.seen(shape))
    out = second.map_shape(middle)
    kernels, pads = [0, 0], [0, 0, 0, 0]
    strides = (first.strides[0] * second.strides[0], first.strides[1] * second.strides[1])
    for i in (0, 1):
        k1 = first.dilations[i] * (first.weight.shape[2 + i] - 1) + 1
        k2 = second.dilations[i] * (second.weight.shape[2 + i] - 1) + 1
        begins_outside = k1 - 1 - first.pads[i] < first.strides[i]
        ends_outside = middle[1 + i] * first.strides[i] - first.pads[i] >= extent[i]
        reads_beyond = (out[1 + i] - 1) * second.strides[i] + k2 - second.pads[i] > middle[1 + i]
        if (second.pads[i] > 0 and not begins_outside) or (reads_beyond and not ends_outside):
            return None
        pads[i] = first.pads[i] + second.pads[i] * first.strides[i]
        kernels[i] = k1 + (k2 - 1) * first.strides[i]
        pads[i + 2] = (out[1 + i] - 1) * strides[i] + kernels[i] - extent[i] - pads[i]
    top, left, bottom, right = pads
    return Geometry(strides, (top, left, bottom, right), first.upsample, (kernels[0], kernels[1]))


def compose_convolutions(first: Conv2d, second: Conv2d, shape: Shape) -> Conv2d | None:
    """One convolution for two in a row; exact, or None."""
    geometry = merged_geometry(first, second, shape)
    if geometry is None:
        return None
    weight, groups = _kernel(undilated(first), second)
    return Conv2d(
        name="",
        weight=weight,
        strides=geometry.strides,
        pads=geometry.pads,
        upsample=geometry.upsample,
        groups=groups,
        take=first.take,
    )


def undilated(op: Conv2d) -> Conv2d:
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
    """The composed kernel and its groups. Groups are kept where those of the two fit into one another."""
    w1, w2, rule, groups = _factors(first, second)
    (sh, sw), (dh, dw), (kh, kw) = first.strides, second.dilations, second.weight.shape[2:]
    h, w = w1.shape[-2:]
    shape = (second.weight.shape[0], composed_fan_in(first, second), h + (kh - 1) * dh * sh, w + (kw - 1) * dw * sw)
    weight = np.zeros(shape)
    for a, b in np.ndindex(kh, kw):
        part = np.einsum(rule, w2[..., a, b], w1, optimize=True).reshape(*shape[:2], h, w)
        weight[:, :, a * dh * sh : a * dh * sh + h, b * dw * sw : b * dw * sw + w] += part
    return weight, groups


def _factors(first: Conv2d, second: Conv2d) -> tuple[Array, Array, str, int]:
    """Both kernels and the einsum rule of their product; depthwise factors (pools, scales) are never blown up."""
    if second.depthwise:
        return first.weight, second.weight[:, 0], "o,oiyx->oiyx", first.groups
    if first.depthwise:
        channel = np.arange(second.weight.shape[1]) + _first_channel(second)[:, None]
        return first.weight[:, 0][channel], second.weight, "oi,oiyx->oiyx", second.groups
    g = shared_groups(first, second)
    w1 = grouped_kernel(first, g)
    w1 = w1.reshape(g, -1, *w1.shape[1:])
    w2 = grouped_kernel(second, g)
    return w1, w2.reshape(g, -1, *w2.shape[1:]), "gom,gmiyx->goiyx", g


def shared_groups(first: Conv2d, second: Conv2d) -> int:
    """How many groups the product of two convolutions has: the largest number that divides both."""
    return int(np.gcd(first.groups, second.groups))


def grouped_kernel(op: Conv2d, groups: int) -> Array:
    """The kernel of `op` with fewer groups, `groups` of them, which divide its own."""
    if groups == op.groups:
        return op.weight
    out = op.weight.shape[0] // groups
    parts = [
        full_kernel(replace(op, weight=op.weight[g * out : (g + 1) * out], groups=op.groups // groups, take=None))
        for g in range(groups)
    ]
    return np.concatenate(parts)


def composed_fan_in(first: Conv2d, second: Conv2d) -> int:
    """The fan-in per kernel place of the product of two convolutions: input channels per group."""
    if second.depthwise:
        return int(first.weight.shape[1])
    if first.depthwise:
        return int(second.weight.shape[1])
    return int(first.weight.shape[1] * first.groups // shared_groups(first, second))


def _first_channel(op: Conv2d) -> Array:
    """For every output channel, the first input channel of its group."""
    out, fan_in = op.weight.shape[:2]
    return np.asarray(np.arange(out) // (out // op.groups) * fan_in)


def repeated(op: Conv2d) -> int:
    """The side of the largest squares, aligned with strides and pads, in which all weights of the kernel are equal.

    An average pool composed into a convolution leaves them; 1 where there are none.
    """
    if op.dilations != (1, 1) or op.upsample != (1, 1):
        return 1
    geometry = (*op.weight.shape[2:], *op.strides, *op.pads[:2])
    if min(geometry) < 0:
        return 1
    for side in range(int(np.gcd.reduce(geometry)), 1, -1):
        if not any(n % side for n in geometry):
            out, fan_in, kh, kw = op.weight.shape
            squares = op.weight.reshape(out, fan_in, kh // side, side, kw // side, side)
            if (squares == squares[:, :, :, :1, :, :1]).all():
                return side
    return 1
