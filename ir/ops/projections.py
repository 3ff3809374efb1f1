"""Projections: linear maps from the spikes of one population to the membrane of another.

A spike sent at step g arrives at g + 1 + delay. After quantisation a weight is an integer, and what
arrives is `(weight << exponent) @ counts` in units of the receiving membrane: an 8-bit weight and
one exponent per projection, as Loihi's synapse formats have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Array, Current, Op, Shape, Spikes, Type, is_integer, per_channel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection(Op):
    """Base of the three projections. `delay` is the extra delay in steps, beyond the one of every synapse."""

    weight: Array
    exponent: int = 0
    delay: int = 0

    def out_shape(self, shape: Shape) -> Shape:
        """The shape of the map's result for an input of `shape`; raises `CompileError` if it cannot be applied."""
        raise NotImplementedError

    def sums(self, shape: Shape) -> tuple[Array, Array]:
        """Bounds, per receiving channel, of the sum of the positive and of the negative weights of one neuron.

        For an input of `shape`; int64 or float64 (C,), without the exponent. Here: one row of weights per channel.
        """
        rows = self.weight.reshape(len(self.weight), -1)
        wide = np.int64 if is_integer(rows) else np.float64
        return np.maximum(rows, 0).sum(axis=1, dtype=wide), np.minimum(rows, 0).sum(axis=1, dtype=wide)

    def infer(self, *types: Type) -> Current:
        source = self.one_of(types, Spikes, Current)
        if self.delay < 0:
            raise self.bug(f"negative delay {self.delay}")
        if self.exponent and not is_integer(self.weight):
            raise self.bug("an exponent without integer weights")
        return Current(shape=self.out_shape(source.shape), integer=is_integer(self.weight))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense(Projection):
    """y[m] = sum_k weight[m, k] * x[k], over the flattened (C order) input. `weight` is (M, K)."""

    mnemonic: ClassVar[str] = "dense"

    def out_shape(self, shape: Shape) -> Shape:
        n = 1
        for extent in shape:
            n *= extent
        if self.weight.ndim != 2 or self.weight.shape[1] != n:
            raise self.fail(f"weights of shape {self.weight.shape} do not fit an input of {n} values {shape}")
        return (self.weight.shape[0],)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv2d(Projection):
    """y[o, i, j] = sum_{c, a, b} weight[o, c, a, b] * x[c, i * stride - pad + a * dilation, j * ...], zero outside.

    The cross-correlation of ONNX `Conv`: `weight` is (O, C / groups, kh, kw), the input (C, H, W).

    `pads` is (top, left, bottom, right). Top and left are not negative; a negative bottom or right
    pad crops the input there (composing a strided pool with a convolution can need it).
    """

    mnemonic: ClassVar[str] = "conv2d"

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    def out_shape(self, shape: Shape) -> Shape:
        if self.weight.ndim != 4:
            raise self.fail(f"convolution weights of shape {self.weight.shape}; expected (O, C / groups, kh, kw)")
        if len(shape) != 3:
            raise self.fail(f"a 2-D convolution needs an input (C, H, W), got {shape}")
        out, fan_in, *kernel = self.weight.shape
        if self.groups < 1 or out % self.groups or fan_in * self.groups != shape[0]:
            raise self.fail(
                f"weights of shape {self.weight.shape} in {self.groups} groups do not fit {shape[0]} input channels"
            )
        if min(self.strides) < 1 or min(self.dilations) < 1 or min(self.pads[:2]) < 0:
            raise self.fail(f"strides {self.strides}, dilations {self.dilations} or pads {self.pads} are not usable")
        spatial = []
        for axis in (0, 1):
            extent = shape[1 + axis] + self.pads[axis] + self.pads[axis + 2]
            reach = self.dilations[axis] * (kernel[axis] - 1) + 1
            if extent < reach:
                raise self.fail(f"the kernel reaches over {reach} places, but the padded input has {extent}")
            spatial.append((extent - reach) // self.strides[axis] + 1)
        return (out, *spatial)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneToOne(Projection):
    """y[i] = weight[channel of i] * x[i]: a skip connection. `weight` is (), (C,) or the input's shape."""

    mnemonic: ClassVar[str] = "one-to-one"

    def out_shape(self, shape: Shape) -> Shape:
        self.check_channelwise("the one-to-one weight", self.weight, shape)
        return shape

    def sums(self, shape: Shape) -> tuple[Array, Array]:
        rows = np.broadcast_to(self.weight_over(shape), shape).reshape(shape[0], -1)
        wide = np.int64 if is_integer(rows) else np.float64
        return np.maximum(rows, 0).max(axis=1).astype(wide), np.minimum(rows, 0).min(axis=1).astype(wide)

    def weight_over(self, shape: Shape) -> Array:
        """The weight in a form that broadcasts over `shape`."""
        return per_channel(self.weight, shape)
