"""The types of the values on the edges of the graph.

A shape never holds the batch: one value belongs to one sample at one time-step. Axis 0 of a shape is
the channel axis; a flat shape `(n,)` has n channels of one neuron each.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spikes:
    """Integer spike counts (or input codes), each in [low, high] at every time-step.

    `once` says that of a neuron's counts in a window at most one is not 0: a graded spike.
    """

    shape: Shape
    low: int
    high: int
    once: bool = False

    def __str__(self) -> str:
        return f"spikes<{dims(self.shape)}, {self.low}..{self.high}{' once' * self.once}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What arrives at a membrane: a weighted sum of spikes.

    Real before quantisation; afterwards an integer in units of the receiving membrane.
    """

    shape: Shape
    integer: bool

    def __str__(self) -> str:
        return f"current<{dims(self.shape)}, {'int' if self.integer else 'real'}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Potential:
    """The membrane potential of a readout, which never fires."""

    shape: Shape
    integer: bool

    def __str__(self) -> str:
        return f"potential<{dims(self.shape)}, {'int' if self.integer else 'real'}>"


Type = Spikes | Current | Potential


def dims(shape: Shape) -> str:
    """`(16, 8, 8)` -> `16x8x8`."""
    return "x".join(map(str, shape)) or "1"


def size(shape: Shape) -> int:
    """The number of neurons in `shape`."""
    return prod(shape)


def signed_bits(low: int, high: int) -> int:
    """The width of the two's complement integer that holds every value in [low, high]."""
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + 1
