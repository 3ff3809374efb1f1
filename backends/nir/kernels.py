"""Convolutions as NIR can say them: one kernel, as high as wide, over all channels, with one padding for both ends.

NIR 1.0.8 takes the channels of a Conv2d's input and the width of its kernel from its weights' axes 1 and 2, so a file
with a grouped convolution or a kernel that is not square cannot be opened. Zeros in the kernel say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Conv2d, OneToOne, Projection, Shape

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Where the weights of `op` stand in a kernel of `side` x `side`: behind so many zeros (`front`)."""

    op: Conv2d
    side: int
    front: Pair
    padding: Pair
    dilations: Pair

    def entries(self, shape: Shape) -> int:
        """The number of weights for an input of `shape` (C, H, W)."""
        return self.op.out_shape(shape)[0] * shape[0] * self.side**2

    @property
    def plain(self) -> bool:
        """Whether the kernel is that of `op` as it is."""
        op, selective = self.op, self.op.take is not None or self.op.channels
        return op.groups == 1 and not selective and op.weight.shape[2:] == (self.side, self.side)

    def weight(self, shape: Shape) -> Array:
        """The integer kernel (O, C, side, side), with the exponent, for an input of `shape` (C, H, W)."""
        op = self.op
        given = _spread(op.weight.astype(np.int64) << op.exponent, op.dilations, self.dilations)
        out, fan_in, height, width = given.shape
        rows, columns = (slice(f, f + n) for f, n in zip(self.front, (height, width), strict=True))
        whole = np.zeros((op.out_shape(shape)[0], shape[0], self.side, self.side), np.int64)
        seen = np.arange(shape[0]) if op.take is None else op.take
        for o in range(out):
            first = o // (out // op.groups) * fan_in
            np.add.at(whole[op.offset + o, :, rows, columns], seen[first : first + fan_in], given[o])
        return whole


def kernel_of(op: Projection, shape: Shape) -> Kernel | None:
    """How a convolution, or a weight per channel, on an input of `shape` is said; None where it cannot be."""
    if isinstance(op, OneToOne) and op.weight.ndim <= 1 and len(shape) == 3:
        channels = op.seen(shape)[0]
        weight = np.broadcast_to(op.weight, channels).reshape(-1, 1, 1, 1)
        op = Conv2d(
            name=op.name, inputs=op.inputs, weight=weight, exponent=op.exponent, groups=channels, take=op.take,
            offset=op.offset, channels=op.channels,
        )  # fmt: skip
    if not isinstance(op, Conv2d) or op.upsample != (1, 1):
        return None
    (height, width), (top, left, bottom, right) = op.weight.shape[2:], op.pads
    if height == width and top == bottom >= 0 and left == right >= 0:
        return Kernel(op=op, side=height, front=(0, 0), padding=(top, left), dilations=op.dilations)
    sizes = [d * (k - 1) + 1 for k, d in zip((height, width), op.dilations, strict=True)]  # with the zeros between
    fronts, paddings = [0, 0], [0, 0]
    for axis, (before, after) in enumerate([(top, bottom), (left, right)]):
        fronts[axis] = max(0, after - before, -before)
        paddings[axis] = before + fronts[axis]
        sizes[axis] += 2 * fronts[axis] + before - after
    while sizes[0] != sizes[1]:
        axis = int(sizes[1] < sizes[0])
        unread = (shape[1 + axis] + 2 * paddings[axis] - sizes[axis]) % op.strides[axis]
        if abs(sizes[0] - sizes[1]) > 1 or (not unread and op.strides[axis] > 1):
            fronts[axis], paddings[axis] = fronts[axis] + 1, paddings[axis] + 1
            sizes[axis] += 2 if abs(sizes[0] - sizes[1]) > 1 else 1
        elif unread:
            sizes[axis] += 1
        else:
            return None
    front, padding = (fronts[0], fronts[1]), (paddings[0], paddings[1])
    return Kernel(op=op, side=sizes[0], front=front, padding=padding, dilations=(1, 1))


def pooled(op: Projection) -> bool:
    """Whether `op` sums windows, channel by channel, before it weights them: an average pool."""
    if not isinstance(op, Conv2d) or not op.depthwise or op.take is not None or op.channels:
        return False
    top, left, bottom, right = op.pads
    rows = op.weight.reshape(len(op.weight), -1)
    same = rows.shape[1] > 1 and bool((rows == rows[:, :1]).all())
    return same and op.dilations == op.upsample == (1, 1) and top == bottom >= 0 and left == right >= 0


def _spread(weight: Array, given: Pair, wanted: Pair) -> Array:
    """`weight` with the zeros of the dilation `given` inside, unless it stays a dilation."""
    if given == wanted:
        return weight
    out, fan_in, height, width = weight.shape
    wide = np.zeros((out, fan_in, given[0] * (height - 1) + 1, given[1] * (width - 1) + 1), weight.dtype)
    wide[:, :, :: given[0], :: given[1]] = weight
    return wide


__all__ = ["Kernel", "kernel_of", "pooled"]
