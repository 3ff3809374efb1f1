"""Exact integer arithmetic through floating-point matrix products. Needs numpy alone."""

from __future__ import annotations

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
    return array.reshape(len(array), -1, 1)


class Convolution:
    """Cross-correlation of integers, as in ONNX `Conv`, without a rounding error.

    `weight` is (O, C / groups, kh, kw), the input (C, H, W) flat; `pads` is (top, left, bottom, right), where a
    negative bottom or right pad crops the input. The patches are laid out as a matrix and multiplied by BLAS.
    Every partial sum of an output is an integer of at most L1(weights of the output) * max|input|: below 2**24
    float32 represents it exactly, in any order of summation, and float64 below 2**53.
    """

    def __init__(
        self,
        weight: np.ndarray,
        input_shape: tuple[int, int, int],
        *,
        strides: tuple[int, int],
        pads: tuple[int, int, int, int],
        dilations: tuple[int, int],
        groups: int,
    ) -> None:
        out, fan_in, *kernel = weight.shape
        channels, *extent = input_shape
        if channels != fan_in * groups or out % groups or min(pads[:2]) < 0:
            raise ValueError(f"weights {weight.shape} in {groups} groups, pads {pads}, input {input_shape}")
        self.input_shape, self.pads, self.groups = input_shape, pads, groups
        padded = [e + pads[a] + pads[a + 2] for a, e in enumerate(extent)]
        self.reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        self.kernel, self.strides, self.dilations = kernel, strides, dilations
        self.padded_shape = (channels, *padded)
        spatial = [(p - r) // s + 1 for p, r, s in zip(padded, self.reach, strides, strict=True)]
        self.output_shape = (out, *spatial)
        if min(spatial) < 1:
            raise ValueError(f"the kernel does not fit into the padded input {self.padded_shape}")
        self.weight = weight.reshape(groups, out // groups, -1).astype(np.int64)
        self.largest = int(np.abs(self.weight).sum(axis=2).max())
        self._buffers: dict[type, tuple[np.ndarray, ...]] = {}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x int (C * H * W,) -> int32 (O * H' * W',). Raises OverflowError past 32 bits."""
        bound = self.largest * max(int(x.max()), -int(x.min()))
        if bound >= 2**31:
            raise OverflowError(f"the convolution's result can reach {bound}, which is not 32 bits")
        padded, windows, columns, weight = self._buffers_for(np.float32 if bound < 2**24 else np.float64)
        (top, left, *_), (_, height, width) = self.pads, self.padded_shape
        image = x.reshape(self.input_shape)[:, : height - top, : width - left]
        padded[:, top : top + image.shape[1], left : left + image.shape[2]] = image
        np.copyto(columns, windows)
        product: np.ndarray = weight @ columns.reshape(self.groups, weight.shape[2], -1)
        return product.astype(np.int32).ravel()

    def _buffers_for(self, dtype: type) -> tuple[np.ndarray, ...]:
        """The padded input, its patches (a view), the matrix of patches, and the weights, in `dtype`."""
        if dtype not in self._buffers:
            padded: np.ndarray = np.zeros(self.padded_shape, dtype)
            view = np.lib.stride_tricks.sliding_window_view(padded, self.reach, (1, 2))
            (sy, sx), (dy, dx) = self.strides, self.dilations
            windows = view[:, ::sy, ::sx, ::dy, ::dx].transpose(0, 3, 4, 1, 2)  # (C, kh, kw, H', W')
            self._buffers[dtype] = (padded, windows, np.empty(windows.shape, dtype), self.weight.astype(dtype))
        return self._buffers[dtype]
