"""Group Neurons, and the plain integrate-and-fire neuron that is one of one member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganglion.ir import GroupNeuron, Staircase
from ganglion.ir.passes.group import group_neuron

from .base import Method


@dataclass(frozen=True, kw_only=True)
class GroupNeurons(Method):
    """tau members with thresholds k * q, q = theta / tau, V(0) = q / 2, and lateral inhibition q for every spike.

        V <- V + input;  n = number of k with V >= k * q;  V <- V - n * q

    (Lv et al., ICASSP 2024, arXiv 2402.19061, on activations trained as QCFS: Bu et al., ICLR 2022). At T = 1 with
    tau = L it computes the staircase.
    """

    name: ClassVar[str] = "gn"
    source: ClassVar[str] = "Lv et al., ICASSP 2024, arXiv 2402.19061"
    kind: ClassVar[str] = "tau uniform levels, soft reset"
    training: ClassVar[bool] = True

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        return group_neuron(op, members)


@dataclass(frozen=True, kw_only=True)
class IntegrateAndFire(GroupNeurons):
    """One member: threshold theta, V(0) = theta / 2, soft reset (Bu et al., ICLR 2022)."""

    name: ClassVar[str] = "if"
    source: ClassVar[str] = "Bu et al., ICLR 2022 (QCFS)"
    kind: ClassVar[str] = "one level, soft reset"
    one_member: ClassVar[bool] = True
