"""The ops of the spiking IR, one class per concept.

between import and composition   Bias, Sum, Concat, Gather, Reshape, Range, Staircase (projections have real weights)
in every network                 Input, the projections Dense, Conv2d, OneToOne, Sparse, MaxPool, Readout
graded form                      GroupNeuron
in both forms                    PhaseNeuron
cluster form                     IntegrateFire, LateralInhibition, Cluster
"""

from __future__ import annotations

from typing import TypeAlias

from .base import Array, Op, is_integer, per_channel
from .imported import Bias, Concat, Gather, Range, Reshape, Staircase, Sum
from .phase import PhaseNeuron
from .populations import Cluster, GroupNeuron, IntegrateFire, LateralInhibition, MaxPool, Membrane, Readout
from .projections import Conv2d, Dense, OneToOne, Projection, Sparse
from .source import Input

OPS: tuple[type[Op], ...] = (
    Input, Conv2d, Dense, OneToOne, Sparse,
    Bias, Sum, Concat, Gather, Reshape, Range, Staircase,
    GroupNeuron, PhaseNeuron, IntegrateFire, LateralInhibition, Cluster, MaxPool, Readout,
)  # fmt: skip
Neuron: TypeAlias = GroupNeuron | PhaseNeuron  # what a staircase becomes
BY_MNEMONIC: dict[str, type[Op]] = {op.mnemonic: op for op in OPS}

__all__ = [
    "BY_MNEMONIC",
    "OPS",
    "Array",
    "Bias",
    "Cluster",
    "Concat",
    "Conv2d",
    "Dense",
    "Gather",
    "GroupNeuron",
    "Input",
    "IntegrateFire",
    "LateralInhibition",
    "MaxPool",
    "Membrane",
    "Neuron",
    "OneToOne",
    "Op",
    "PhaseNeuron",
    "Projection",
    "Range",
    "Readout",
    "Reshape",
    "Sparse",
    "Staircase",
    "Sum",
    "is_integer",
    "per_channel",
]
