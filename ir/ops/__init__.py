"""The ops of the spiking IR, one class per concept.

between import and composition   Bias, Sum, Reshape, Staircase (and projections with real weights)
in every network                 Input, the projections Dense, Conv2d, OneToOne, Readout
graded form                      GroupNeuron
cluster form                     IntegrateFire, LateralInhibition, Cluster
"""

from __future__ import annotations

from .base import Array, Op, is_integer, per_channel
from .imported import Bias, Reshape, Staircase, Sum
from .populations import Cluster, GroupNeuron, IntegrateFire, LateralInhibition, Membrane, Readout
from .projections import Conv2d, Dense, OneToOne, Projection
from .source import Input

OPS: tuple[type[Op], ...] = (
    Input, Conv2d, Dense, OneToOne,
    Bias, Sum, Reshape, Staircase,
    GroupNeuron, IntegrateFire, LateralInhibition, Cluster, Readout,
)  # fmt: skip
BY_MNEMONIC: dict[str, type[Op]] = {op.mnemonic: op for op in OPS}

__all__ = [
    "BY_MNEMONIC",
    "OPS",
    "Array",
    "Bias",
    "Cluster",
    "Conv2d",
    "Dense",
    "GroupNeuron",
    "Input",
    "IntegrateFire",
    "LateralInhibition",
    "Membrane",
    "OneToOne",
    "Op",
    "Projection",
    "Readout",
    "Reshape",
    "Staircase",
    "Sum",
    "is_integer",
    "per_channel",
]
