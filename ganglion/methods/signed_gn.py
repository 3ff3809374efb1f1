"""Group Neurons that take back what fired too early."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ganglion.ir import GroupNeuron, Staircase
from ganglion.ir.passes.group import group_neuron

from .base import Method, spaced


@dataclass(frozen=True, kw_only=True)
class SignedGroupNeurons(Method):
    """A Group Neuron with members of negative thresholds, which take back what fired too early, but never more than was
    sent in this window. With q = theta / tau, V(0) = q / 2, S the spikes sent and not taken back, and j = 1, 2, ..:

        V <- V + input
        n = number of k with V >= k * q;  m = the least of S and the number of j with V < (1 - j) * q
        V <- V - n * q + m * q;  n - m is sent

    Uneven input makes a Group Neuron send too much at T > 1: what came early cannot be undone by what comes late. Here
    it can, and where tau members suffice at the last step the window's count is the staircase of T * tau levels of the
    mean input, whatever the order in which it came.

    takers  members with negative thresholds; 0: tau of them
    """

    name: ClassVar[str] = "signed-gn"
    source: ClassVar[str] = "this project, after SNM and Lv et al., ICASSP 2024"
    kind: ClassVar[str] = "tau uniform levels and as many that take back, soft reset"
    training: ClassVar[bool] = True

    takers: int = 0

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        neuron = group_neuron(op, members)
        count, q = self.takers or members, neuron.scale
        return replace(neuron, negative=-spaced(q, count, 0.5), excitation=np.full(count, q))
