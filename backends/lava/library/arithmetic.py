"""The linear maps and the maximum over windows, exact in integers. Needs numpy alone.

A map takes the spikes of a flat population, int (n,), and returns what arrives, int32 (m,), both in C order;
`output_shape` is the shape of its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import numpy as np


def per_neuron(values: object, shape: tuple[int, ...]) -> np.ndarray:
    """`values`, one for all (), one per channel (C,) or one per neuron, as flat int32 (n,)."""
    array = np.asarray(values, np.int32)
    if array.ndim == 1 and len(shape) > 1:
        array = array.reshape(array.shape + (1,) * (len(shape) - 1))
    return np.broadcast_to(array, shape).ravel().copy()


def per_channel(table: object, channels: int) -> np.ndarray:
    """A table (tau,) or (tau, C) as int32 (tau, 1, 1) or (tau, C, 1): row k broadcasts over (C, n / C)."""
    array = np.asarray(table, np.int32)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != channels):
        raise ValueError(f"a table of shape {array.shape} does not fit {channels} channels")
    return array.reshape(len(array), -1, 1) if len(array) else np.zeros((0, 1, 1), np.int32)


class Selection:
    """The channels `take` of a population of shape `shape`, in this order; None: all of them, as they are."""

    def __init__(self, shape: tuple[int, ...], take: Sequence[int] | np.ndarray | None = None) -> None:
        self.input_shape = shape
        self.take = slice(None) if take is None else np.asarray(take)
        self.shape = shape if take is None else (len(take), *shape[1:])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (n,) -> the channels taken, of `self.shape`."""
        return x.reshape(self.input_shape)[self.take]


class Spread:
    """One axis of an image: step - 1 zeros between its `extent` places, then a pad (or crop) at either end.

    `extent` is the new extent, `inside` are the old places that are left, and `at` is where they lie.
    """

    def __init__(self, extent: int, before: int, after: int, step: int) -> None:
        self.extent = (extent - 1) * step + 1 + before + after
        first = -(min(before, 0) // step)
        left = max(min(extent, -((before - self.extent) // step)) - first, 0)
        self.inside = slice(first, first + left)
        self.at = slice(before + first * step, before + (first + left) * step, step)


class Windows:
    """Windows of space, as the kernel of a convolution or a pool sees them."""

    def __init__(self, kernel: Sequence[int], strides: tuple[int, int], dilations: tuple[int, int]) -> None:
        self.strides, self.dilations = strides, dilations
        self.reach = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """A view (C, H', W', kh, kw) of an image (C, H, W)."""
        (sy, sx), (dy, dx) = self.strides, self.dilations
        view: np.ndarray = np.lib.stride_tricks.sliding_window_view(image, self.reach, (1, 2))
        return view[:, ::sy, ::sx, ::dy, ::dx]

    def places(self, image_shape: tuple[int, ...]) -> tuple[int, int]:
        """H' and W'. Raises ValueError where a window is larger than the image."""
        height, width = self(np.broadcast_to(np.int8(0), image_shape)).shape[1:3]
        return height, width


class Convolution:
    """Cross-correlation of integers, as in ONNX `Conv`, without a rounding error.

    `weight` is (O, C / groups, kh, kw), the input (C, H, W) flat, of which the channels `take` are seen. `upsample`
    (u, v) puts u - 1 zeros between the rows of the image and v - 1 between its columns. `pads` is (top, left, bottom,
    right); a negative one crops. The patches are laid out as a matrix and multiplied by BLAS. Every partial sum of an
    output is an integer of at most L1(weights of the output) * max|input|: below 2**24 float32 represents it
    exactly, in any order of summation, and float64 below 2**53.
    """

    def __init__(
        self,
        weight: np.ndarray,
        input_shape: tuple[int, int, int],
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilations: tuple[int, int] = (1, 1),
        groups: int = 1,
        upsample: tuple[int, int] = (1, 1),
        take: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        out, fan_in, *kernel = weight.shape
        self.seen = Selection(input_shape, take)
        channels, height, width = self.seen.shape
        if channels != fan_in * groups or out % groups:
            raise ValueError(f"weights {weight.shape} in {groups} groups do not fit {channels} channels")
        self.rows = Spread(height, pads[0], pads[2], upsample[0])
        self.columns = Spread(width, pads[1], pads[3], upsample[1])
        self.padded_shape = (channels, self.rows.extent, self.columns.extent)
        self.windows = Windows(kernel, strides, dilations)
        self.output_shape = (out, *self.windows.places(self.padded_shape))
        self.groups = groups
        self.weight = weight.reshape(groups, out // groups, -1).astype(np.int64)
        self.largest = int(np.abs(self.weight).sum(axis=2).max())
        self._buffers: dict[type, tuple[np.ndarray, ...]] = {}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x int (C * H * W,) -> int32 (O * H' * W',). Raises OverflowError past 32 bits."""
        bound = self.largest * max(int(x.max()), -int(x.min()))
        if bound >= 2**31:
            raise OverflowError(f"the convolution's result can reach {bound}, which is not 32 bits")
        padded, patches, columns, weight = self._buffers_for(np.float32 if bound < 2**24 else np.float64)
        padded[:, self.rows.at, self.columns.at] = self.seen(x)[:, self.rows.inside, self.columns.inside]
        np.copyto(columns, patches)
        product: np.ndarray = weight @ columns.reshape(self.groups, weight.shape[2], -1)
        return product.astype(np.int32).ravel()

    def _buffers_for(self, dtype: type) -> tuple[np.ndarray, ...]:
        """The padded input, its patches (a view), the matrix of patches, and the weights, in `dtype`."""
        if dtype not in self._buffers:
            padded: np.ndarray = np.zeros(self.padded_shape, dtype)
            patches = self.windows(padded).transpose(0, 3, 4, 1, 2)  # (C, kh, kw, H', W')
            self._buffers[dtype] = (padded, patches, np.empty(patches.shape, dtype), self.weight.astype(dtype))
        return self._buffers[dtype]


class Scaling:
    """y[i] = weight[i] * x[i] over the channels `take` of the input: `weight` is (), one per channel, or per neuron."""

    def __init__(
        self, weight: object, input_shape: tuple[int, ...], take: Sequence[int] | np.ndarray | None = None
    ) -> None:
        self.seen = Selection(input_shape, take)
        self.output_shape = self.seen.shape
        self.weight = per_neuron(weight, self.output_shape)
        if np.abs(self.weight).max() > 255:
            raise ValueError(f"one-to-one weights {self.weight.min()}..{self.weight.max()} do not fit 8 bits")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x int (n,) -> int32 (m,)."""
        result: np.ndarray = self.weight * self.seen(x).ravel()
        return result.astype(np.int32)


class SparseSum:
    """y[i] = sum of weight[e] * x[index[e]] over the entries e = pointer[i], ..., pointer[i + 1] - 1 (CSR)."""

    def __init__(self, weight: object, index: object, pointer: object, output_shape: tuple[int, ...]) -> None:
        self.weight, self.index, rows = np.asarray(weight, np.int64), np.asarray(index), np.asarray(pointer)
        self.output_shape = output_shape
        if len(rows) != prod(output_shape) + 1 or not len(self.weight) == len(self.index) == rows[-1]:
            raise ValueError(f"{len(self.index)} entries, {len(self.weight)} weights, {len(rows) - 1} rows")
        self.filled = np.flatnonzero(np.diff(rows))  # reduceat cannot sum nothing
        self.starts = rows[self.filled]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x int (n,) -> int32 (m,). Raises OverflowError past 32 bits."""
        result: np.ndarray = np.zeros(prod(self.output_shape), np.int64)
        if len(self.filled):
            result[self.filled] = np.add.reduceat(self.weight * x[self.index], self.starts)
        if int(result.max()) >= 2**31 or int(result.min()) < -(2**31):
            raise OverflowError(f"sums {result.min()}..{result.max()} do not fit 32 bits")
        return result.astype(np.int32)


class WindowMaximum:
    """The largest value in every window of an image (C, H, W), as in ONNX `MaxPool`: pads never win."""

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        kernel: tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilations: tuple[int, int] = (1, 1),
    ) -> None:
        top, left, bottom, right = pads
        channels, height, width = self.input_shape = input_shape
        self.kernel, self.windows = kernel, Windows(kernel, strides, dilations)
        self.pads = ((0, 0), (top, bottom), (left, right))
        places = self.windows.places((channels, height + top + bottom, width + left + right))
        self.output_shape = (channels, *places)

    def __call__(self, v: np.ndarray) -> np.ndarray:
        """v int32 (C * H * W,) -> int32 (C * H' * W',)."""
        image = np.pad(v.reshape(self.input_shape), self.pads, constant_values=np.iinfo(np.int32).min)
        seen = self.windows(image)
        largest: np.ndarray = reduce(np.maximum, (seen[..., a, b] for a, b in np.ndindex(*self.kernel)))
        return largest.flatten()  # a copy, also where a window is one place
