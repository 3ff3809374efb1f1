"""Integrate-and-fire neurons with negative spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.ir import GroupNeuron, Staircase

from .base import Calibration, Method, population, theta_of


@dataclass(frozen=True, kw_only=True)
class SignedIntegrateAndFire(Method):
    """SNM: threshold theta and negative threshold -theta, V(0) = 0, soft reset; S is the sum of the spikes so far.

    V <- V + input;  s = [V >= theta] - [V <= -theta] * [S > 0];  V <- V - s * theta
    """

    name: ClassVar[str] = "snm"
    source: ClassVar[str] = "signed neuron with memory (SNM), as in public code"
    kind: ClassVar[str] = "one level and one that takes back, soft reset"
    one_member: ClassVar[bool] = True
    calibration: ClassVar[Calibration] = "max"

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        theta = theta_of(op)
        reached = np.array([np.nextafter(-theta, 0)])  # V <= -theta
        return population(op, np.array([theta]), theta, negative=reached)


@dataclass(frozen=True, kw_only=True)
class NegativeSpikes(Method):
    """`IF_with_neg` of DCGS: threshold theta, negative threshold 0, V(0) = theta / 2, soft reset.

    V <- V + input;  s = [V >= theta] - [V < 0] * [S >= 1];  V <- V - s * theta
    """

    name: ClassVar[str] = "dcgs"
    source: ClassVar[str] = "differential coding (DCGS), its IF_with_neg, as in public code"
    kind: ClassVar[str] = "one level and one that takes back, soft reset"
    one_member: ClassVar[bool] = True

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        theta = theta_of(op)
        return population(op, np.array([theta / 2]), theta, negative=np.array([-theta / 2]))
