"""Ops that exist only between import and composition: real-valued linear glue, and the staircase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.ir.types import size

from .base import Array, Current, Op, Shape, Spikes, Type


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bias(Op):
    """y = x + bias. `bias` is (), (C,) or the input's shape."""

    mnemonic: ClassVar[str] = "bias"

    bias: Array

    def infer(self, *types: Type) -> Current:
        shape = self.one_of(types, Spikes, Current).shape
        self.check_channelwise("the bias", self.bias, shape)
        return Current(shape=shape, integer=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sum(Op):
    """y = x_1 + ... + x_n, all of one shape: where branches meet."""

    mnemonic: ClassVar[str] = "sum"

    def infer(self, *types: Type) -> Current:
        return Current(shape=self.same_shape(types, Spikes, Current), integer=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reshape(Op):
    """The same values in C order under another shape."""

    mnemonic: ClassVar[str] = "reshape"

    shape: Shape

    def infer(self, *types: Type) -> Current:
        source = self.one_of(types, Spikes, Current)
        if size(source.shape) != size(self.shape):
            raise self.fail(f"cannot reshape {source.shape} to {self.shape}")
        return Current(shape=self.shape, integer=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Staircase(Op):
    """A quantised activation: y = step * clip(floor((sum of inputs + bias) / step + 1/2), 0, levels).

    `step` is theta / levels (QCFS, Bu et al., ICLR 2022). The value of the op is y in real
    units, though its type counts the levels.
    """

    mnemonic: ClassVar[str] = "staircase"

    step: float
    levels: int
    bias: Array | None = None

    def infer(self, *types: Type) -> Spikes:
        shape = self.same_shape(types, Current, Spikes)
        if not (np.isfinite(self.step) and self.step > 0 and self.levels >= 1):
            raise self.fail(f"a staircase of {self.levels} levels with step {self.step} is not usable")
        if self.bias is not None:
            self.check_channelwise("the bias", self.bias, shape)
        return Spikes(shape=shape, low=0, high=self.levels)
