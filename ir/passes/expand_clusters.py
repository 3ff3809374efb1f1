"""expand_clusters: every Group Neuron becomes tau explicit integrate-and-fire populations.

Members share the input and the bias; each has one of the staggered thresholds. A lateral inhibition
carries -inhibition[k] from member k to all members of its cluster, itself too, and arrives one step
later together with the next input. A membrane is compared only after both have arrived, and the members
that fire are always the lowest n; so the spikes are those of the Group Neuron, to the bit.
"""

from __future__ import annotations

import numpy as np

from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import Cluster, GroupNeuron, IntegrateFire, LateralInhibition, Op


def expand_clusters(graph: Graph) -> Graph:
    """SCHEDULED or QUANTIZED -> CLUSTERED. The cluster keeps the name of its Group Neuron."""
    ops: list[Op] = []
    for op in graph.ops:
        ops += cluster_of(op) if isinstance(op, GroupNeuron) else [op]
    return graph.rebuild(ops, stage=Stage.CLUSTERED)


def cluster_of(op: GroupNeuron) -> list[Op]:
    """The members `p#1` .. `p#tau`, their lateral inhibition `p#inhibition`, and the cluster `p`."""
    inhibition = f"{op.name}#inhibition"
    members = [
        IntegrateFire(
            name=f"{op.name}#{k + 1}",
            inputs=op.inputs,
            origin=op.origin,
            bias=op.bias,
            level=op.level,
            unit=op.unit,
            interval=op.interval,
            threshold=np.asarray(op.thresholds[k]),
            inhibited_by=inhibition,
        )
        for k in range(op.members)
    ]
    names = tuple(m.name for m in members)
    return [
        *members,
        LateralInhibition(name=inhibition, inputs=names, origin=op.origin, weights=op.inhibition),
        Cluster(name=op.name, inputs=names, origin=op.origin, scale=op.scale),
    ]
