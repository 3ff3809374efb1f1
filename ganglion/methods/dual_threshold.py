"""Dual-threshold neurons: error compensation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import GroupNeuron, Staircase

from .base import Method, population, theta_of


@dataclass(frozen=True, kw_only=True)
class DualThreshold(Method):
    """One positive and one negative threshold (error compensation, ICML 2025, arXiv 2506.01968), soft reset; S is the
    sum of the spikes so far, V(0) = initial * theta:

        V <- V + input;  s = [V >= theta] - [V < negative * theta] * [S >= 1];  V <- V - s * theta

    The paper trains with a learnable clipping threshold and gives V(0) = theta / 2. It does not give the negative
    threshold, nor the gate, so these are parameters; a negative spike never takes back more than was sent.

    negative  the negative threshold, in theta, at most 0
    initial   V(0), in theta
    """

    name: ClassVar[str] = "dual-threshold"
    source: ClassVar[str] = "error compensation, ICML 2025, arXiv 2506.01968"
    kind: ClassVar[str] = "one level and one that takes back, soft reset"
    training: ClassVar[bool] = True
    one_member: ClassVar[bool] = True

    negative: float = -0.25
    initial: float = 0.5

    def __post_init__(self) -> None:
        if not (self.negative <= 0 and 0 <= self.initial < 1):
            raise InputError(
                f"negative={self.negative!r}, initial={self.initial!r}: the negative threshold must be at most 0, "
                "the initial potential within 0 and 1 (in theta)"
            )

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        theta = theta_of(op)
        up, down = (1 - self.initial) * theta, (self.negative - self.initial) * theta
        return population(op, np.array([up]), theta, negative=np.array([down]))
