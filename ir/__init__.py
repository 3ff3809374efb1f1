"""The spiking IR: types, ops, the graph and what is known about it.

types.py      what flows on the edges
ops/          the ops, one class per concept
graph.py      the immutable graph and its stages
verify.py     what must hold at each stage
text.py       the printed form; formats.py: the bits of its integers; html.py: tables for notebooks
fingerprint.py  which network it is, by SHA-256
file.py       the ONNX container; records.py: ops as plain data, for other files; nir.py: what NIR's files share
linear/       linear maps on arrays, and composing them
affine.py     a value between populations: a sum of linear maps and a bias
interval.py   the proof that a membrane potential fits its width
exact.py      the proof that a simulator's arithmetic is exact
passes/       one file each: compose, group, schedule, quantize, choose_kernels, expand_clusters
"""

from __future__ import annotations

from .fingerprint import fingerprint
from .formats import format_text, integer_format
from .graph import Graph, Stage
from .ops import (
    BY_MNEMONIC,
    OPS,
    Array,
    Bias,
    Cluster,
    Concat,
    Conv2d,
    Dense,
    Gather,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    Neuron,
    OneToOne,
    Op,
    PhaseNeuron,
    Projection,
    Range,
    Readout,
    Reshape,
    Sparse,
    Staircase,
    Sum,
    is_integer,
    per_channel,
)
from .text import to_text
from .types import Current, Potential, Shape, Spikes, Type, dims, signed_bits, size

__all__ = [
    "BY_MNEMONIC",
    "OPS",
    "Array",
    "Bias",
    "Cluster",
    "Concat",
    "Conv2d",
    "Current",
    "Dense",
    "Gather",
    "Graph",
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
    "Potential",
    "Projection",
    "Range",
    "Readout",
    "Reshape",
    "Shape",
    "Sparse",
    "Spikes",
    "Stage",
    "Staircase",
    "Sum",
    "Type",
    "dims",
    "fingerprint",
    "format_text",
    "integer_format",
    "is_integer",
    "per_channel",
    "signed_bits",
    "size",
    "to_text",
]
