"""The network in cluster form, as groups of neurons: one group per member of a population's clusters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.ir import (
    Array,
    Cluster,
    Graph,
    IntegrateFire,
    LateralInhibition,
    Membrane,
    Readout,
    Shape,
    per_channel,
    size,
)
from ganglion.ir.passes import expand_clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A population, or the readout, whose neurons are numbered in C order.

    `label` is a name that SANA-FE can take, `groups` are those of its groups, one per member. `bias` is (neurons,),
    `thresholds` and `inhibition` are (members, neurons), int32; the readout has no members but itself, and neither.
    `inputs` are the projections that it integrates.
    """

    name: str
    label: str
    shape: Shape
    level: int
    inputs: tuple[str, ...]
    bias: Array
    thresholds: Array
    inhibition: Array

    @property
    def readout(self) -> bool:
        """Whether it only integrates."""
        return not len(self.thresholds)

    @property
    def groups(self) -> list[str]:
        """The names of its groups."""
        return [self.label] if self.readout else [f"{self.label}_m{k}" for k in range(1, len(self.thresholds) + 1)]

    def about(self) -> dict[str, Any]:
        """What the program has to know of it beside its arrays."""
        return {
            "name": self.name,
            "label": self.label,
            "shape": self.shape,
            "neurons": size(self.shape),
            "level": self.level,
            "groups": self.groups,
            "readout": self.readout,
        }


def populations(graph: Graph) -> list[Population]:
    """Those of a quantised network, expanded into clusters."""
    found: list[Population] = []
    clustered = expand_clusters(graph)
    for op in clustered.ops:
        label = f"p{len(found) + 1}_{word(op.name)}"
        if isinstance(op, Readout):
            found.append(population(clustered, op, op.name, label, [], np.zeros((0, 0), np.int32)))
        elif isinstance(op, Cluster):
            members = [m for m in (clustered[name] for name in op.inputs) if isinstance(m, IntegrateFire)]
            lateral = clustered[members[0].inhibited_by]
            assert isinstance(lateral, LateralInhibition)
            assert lateral.inputs == op.inputs
            thresholds = [m.threshold for m in members]
            found.append(population(clustered, members[0], op.name, label, thresholds, lateral.weights))
    return found


def population(
    graph: Graph, op: Membrane, name: str, label: str, thresholds: list[Array], inhibition: Array
) -> Population:
    """The population whose members integrate as `op` does."""
    shape = graph.typeof(op.name).shape
    neurons = size(shape)

    def spread(values: Array) -> Array:
        """(), (C,) or `shape` -> (neurons,)"""
        return np.broadcast_to(per_channel(values, shape), shape).ravel().astype(np.int32)

    return Population(
        name=name,
        label=label,
        shape=shape,
        level=op.level,
        inputs=op.inputs,
        bias=spread(np.array(0) if op.bias is None else op.bias),
        thresholds=np.array([spread(t) for t in thresholds], np.int32).reshape(-1, neurons),
        inhibition=np.array([spread(np.asarray(w)) for w in inhibition], np.int32).reshape(-1, neurons),
    )


def word(name: str) -> str:
    """`name` as a plain word: `/layer1/conv.1/Conv` -> `layer1_conv_1_Conv`."""
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_") or "x"
