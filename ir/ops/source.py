"""Where spikes enter the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.errors import InputError

from .base import Array, Op, Shape, Spikes, Type


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Input(Op):
    """The network's input: integer codes, constant over the window (direct coding).

    Code c in [low, high] stands for the real value (c - zero_point) * scale. The codes are sent as
    graded spikes at every time-step.

    Where the model begins with a quantiser of its own, `edges` (high - low,) holds the smallest real inputs to which
    it gives the codes low + 1, ..., high, in its own precision; a value outside the range is clipped then, as the model
    does it. Otherwise values are rounded, and one outside the range is worth a warning.
    """

    mnemonic: ClassVar[str] = "input"

    shape: Shape
    scale: float
    zero_point: int = 0
    low: int
    high: int
    edges: Array | None = None

    def infer(self, *types: Type) -> Spikes:
        if types:
            raise self.bug("takes no inputs")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise self.fail(f"the input scale is {self.scale}; it must be positive")
        if not -(2**15) <= self.low < self.high < 2**16:
            raise self.fail(f"input codes {self.low}..{self.high} do not fit 16 bits", "choose a larger input step")
        if self.edges is not None and (self.edges.shape != (self.high - self.low,) or (np.diff(self.edges) < 0).any()):
            raise self.bug(f"{self.edges.shape} edges for the codes {self.low}..{self.high}")
        return Spikes(shape=self.shape, low=self.low, high=self.high)

    @property
    def saturate(self) -> bool:
        """Whether the model itself clips its input to the range."""
        return self.edges is not None

    @property
    def real_range(self) -> tuple[float, float]:
        """The real values of the lowest and the highest code."""
        return (self.low - self.zero_point) * self.scale, (self.high - self.zero_point) * self.scale

    def real_codes(self, x: Array) -> Array:
        """`x` (N, *shape), real, in units of codes but not rounded or clipped: float64 (N, *shape).

        Raises `InputError` when the shape is wrong or a value is not finite.
        """
        if x.shape[1:] != self.shape:
            raise InputError(
                f"the input has shape {x.shape}; the network takes (N, {', '.join(map(str, self.shape))})",
                hint="the first axis counts the samples",
            )
        real = np.issubdtype(x.dtype, np.number) and not np.issubdtype(x.dtype, np.complexfloating)
        if not (real or x.dtype == np.bool_):
            raise InputError(f"the input holds {x.dtype}, not real numbers")
        codes = x.astype(np.float64) / self.scale + self.zero_point
        if not np.isfinite(codes).all():
            raise InputError("the input holds NaN or infinity")
        return codes

    def encode(self, x: Array) -> tuple[Array, float]:
        """`x` (N, *shape), real -> codes int32 (N, *shape), and the share of values that were clipped."""
        codes = np.rint(self.real_codes(x))
        outside = float(np.mean((codes < self.low) | (codes > self.high))) if codes.size else 0.0
        if self.edges is not None:
            codes = self.low + np.searchsorted(self.edges, x.astype(self.edges.dtype), side="right")
        return np.clip(codes, self.low, self.high).astype(np.int32), outside
