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
class Concat(Op):
    """y = (x_1, ..., x_n), joined along the channel axis; the other axes agree."""

    mnemonic: ClassVar[str] = "concat"

    def infer(self, *types: Type) -> Current:
        shapes = [t.shape for t in types]
        if not shapes or len({s[1:] for s in shapes}) != 1:
            raise self.fail(f"cannot join the channels of {', '.join(map(str, shapes))}")
        return Current(shape=(sum(s[0] for s in shapes), *shapes[0][1:]), integer=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gather(Op):
    """y[i] = x[index[i]], 0 where the index is -1, neurons in C order: whatever only rearranges, picks or repeats."""

    mnemonic: ClassVar[str] = "gather"

    index: Array
    shape: Shape

    def infer(self, *types: Type) -> Current:
        n = size(self.one_of(types, Spikes, Current).shape)
        if self.index.shape != (size(self.shape),):
            raise self.bug(f"{self.index.shape} indices for {self.shape}")
        if self.index.size and not -1 <= self.index.min() <= self.index.max() < n:
            raise self.bug(f"picks values that an input of {n} does not have")
        return Current(shape=self.shape, integer=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Range(Op):
    """y = x, which calibration has seen within [low, high], each () or (C,): here a relay population may stand.

    `value` names the ONNX value that x is.
    """

    mnemonic: ClassVar[str] = "range"

    low: Array
    high: Array
    value: str = ""

    def infer(self, *types: Type) -> Current:
        shape = self.one_of(types, Spikes, Current).shape
        for bound in (self.low, self.high):
            self.check_channelwise("the range", bound, shape)
        return Current(shape=shape, integer=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Staircase(Op):
    """A quantised activation: y = step * clip(floor((sum of inputs + bias) / step + 1/2), 0, levels).

    `step` is theta / levels (QCFS, Bu et al., ICLR 2022). The value of the op is y in real
    units, though its type counts the levels.

    Where the model computes with integers, `grid`, () or (C,), is the real value of one of them (all that arrives is
    a whole multiple), and `thresholds`, (levels,) or (levels, C), says where the model itself reaches each level: in
    real units, between two multiples of `grid`. `members` is the tau that this population has whatever the network's.

    What it stands for: the ONNX value `value` is base + gain * y, each () or (C,) over that value's channels. Where
    the model itself has no staircase but a ramp clip(sum of inputs + bias, low, high), or stays linear (a relay: both
    infinite), `low` and `high`, () or (C,), are its ends in the units of y.
    """

    mnemonic: ClassVar[str] = "staircase"

    step: float
    levels: int
    bias: Array | None = None
    grid: Array | None = None
    thresholds: Array | None = None
    members: int = 0
    value: str = ""
    gain: Array | None = None
    base: Array | None = None
    low: Array | None = None
    high: Array | None = None

    def infer(self, *types: Type) -> Spikes:
        shape = self.same_shape(types, Current, Spikes)
        if not (np.isfinite(self.step) and self.step > 0 and self.levels >= 1):
            raise self.fail(f"a staircase of {self.levels} levels with step {self.step} is not usable")
        if self.bias is not None:
            self.check_channelwise("the bias", self.bias, shape)
        if self.grid is not None:
            self.check_channelwise("the grid", self.grid, shape)
        if self.thresholds is not None and self.thresholds.shape not in ((self.levels,), (self.levels, shape[0])):
            raise self.bug(f"thresholds of shape {self.thresholds.shape} for {self.levels} levels")
        return Spikes(shape=shape, low=0, high=self.levels)
