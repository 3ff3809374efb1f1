"""Projections as SANA-FE can connect groups: dense, convolutions without pads, and lists of synapses for all else."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion.ir import Array, Conv2d, Dense, Graph, Projection, Shape, size
from ganglion.ir.linear import to_sparse

from .populations import Population, word


def synapses(graph: Graph, found: list[Population]) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """What the program has to know of every projection, and their weights, int32.

    From the input come no spikes: the program multiplies the codes with the list of synapses itself.
    """
    label = {p.name: p.label for p in found}
    target = {name: p.label for p in found for name in p.inputs}
    listed: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for op in graph.of(Projection):
        shape = graph.typeof(op.inputs[0]).shape
        source, key = label.get(op.inputs[0], ""), f"c{len(listed) + 1}_{word(op.name)}"
        entry = {"name": op.name, "key": key, "source": source, "target": target[op.name], "delay": op.delay}
        weight = op.weight
        if source and isinstance(op, Dense) and not op.channels:
            entry |= {"kind": "dense"}
        elif source and isinstance(op, Conv2d) and is_plain(op):
            entry |= {"kind": "conv2d", "geometry": geometry(op, shape)}
        else:
            sparse = to_sparse(op, shape)
            entry |= {"kind": "sparse"}
            weight, rows = sparse.weight, np.arange(len(sparse.pointer) - 1, dtype=np.int32)
            arrays[f"{key}.source"] = sparse.index.astype(np.int32)
            arrays[f"{key}.target"] = np.repeat(rows, np.diff(sparse.pointer))
        arrays[f"{key}.weight"] = weight.astype(np.int32) << op.exponent
        listed.append(entry)
    return listed, arrays


def is_plain(op: Conv2d) -> bool:
    """Whether SANA-FE's own convolution is this one."""
    unusual = op.groups > 1 or op.channels or op.take is not None
    return not unusual and not any(op.pads) and op.dilations == op.upsample == (1, 1)


def geometry(op: Conv2d, shape: Shape) -> dict[str, int]:
    """The arguments of SANA-FE's convolution."""
    return {
        "input_width": shape[2],
        "input_height": shape[1],
        "input_channels": shape[0],
        "kernel_width": op.weight.shape[3],
        "kernel_height": op.weight.shape[2],
        "kernel_count": op.weight.shape[0],
        "stride_width": op.strides[1],
        "stride_height": op.strides[0],
    }


def members_of(graph: Graph, name: str) -> int:
    """The members of a population; 1 of the readout, 0 of the input."""
    op = graph[name]
    return int(getattr(op, "members", 0 if name == graph.input.name else 1))


def total(graph: Graph) -> int:
    """How many synapses the network has in SANA-FE, at most: those of every projection, from each member to each
    member, and lateral inhibition."""
    count = 0
    for op in graph.ops:
        if isinstance(op, Projection):
            one = op.synapses(graph.typeof(op.inputs[0]).shape)
            receivers = max((members_of(graph, r.name) for r in graph.consumers(op.name)), default=1)
            count += one * members_of(graph, op.inputs[0]) * receivers
        elif hasattr(op, "members"):
            count += members_of(graph, op.name) ** 2 * size(graph.typeof(op.name).shape)
    return count
