"""Thresholds that are powers of two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ganglion.errors import InputError
from ganglion.ir import GroupNeuron, Staircase

from .base import Method, population, spaced, theta_of

MOST = 8  # members: counts of 8 bits


@dataclass(frozen=True, kw_only=True)
class MultiThreshold(Method):
    """A cascade of tau thresholds theta_1, theta_1 / 2, .., theta_1 / 2^(tau - 1) (H-MT, AAAI-26), V(0) half the least:

        V <- V + input;  for i = 1 .. tau: s_i = [V >= theta_i];  V <- V - s_i * theta_i

    A spike of member i stands for theta_i. Together they are the binary digits of one of 2^tau - 1 levels, so that a
    few members tell as much as hundreds of equal ones; no training. theta_1 is chosen such that all members together
    reach theta. The members see each other's spikes within the step, for which there is no form of explicit members
    here.
    """

    name: ClassVar[str] = "h-mt"
    source: ClassVar[str] = "H-MT, AAAI-26"
    kind: ClassVar[str] = "2^tau - 1 levels by tau members, powers of two, soft reset"
    cluster: ClassVar[bool] = False
    usual: ClassVar[tuple[int, ...]] = (4, 8)

    def levels(self, members: int) -> int:
        return int(2 ** self.checked_members(members) - 1)

    def checked_members(self, members: int) -> int:
        if not 1 <= members <= MOST:
            raise InputError(f"the method '{self.name}' has 1 to {MOST} members", hint=f"give --members {MOST}")
        return members

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        levels = self.levels(members)
        q = theta_of(op) / levels
        return replace(population(op, spaced(q, levels, 0.5), q), digits=members)
