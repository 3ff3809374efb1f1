"""group: every staircase becomes a Group Neuron of tau members; weights then act on spike counts.

theta = step * levels and q = theta / tau: member k of the cluster fires at (k - 1/2) * q, each spike
inhibits the cluster by q and stands for the real value q (Lv et al., ICASSP 2024).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import GroupNeuron, Input, Op, Projection, Staircase


def group(graph: Graph, members: int) -> Graph:
    """COMPOSED -> GROUPED, with `members` = tau members in every cluster; 0: as many as the staircase has levels."""
    value_of_a_spike: dict[str, float] = {}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Input):
            value_of_a_spike[op.name] = op.scale
        elif isinstance(op, Projection):
            op = replace(op, weight=op.weight * value_of_a_spike[op.inputs[0]])
        elif isinstance(op, Staircase):
            tau = members or op.levels
            q = op.step * op.levels / tau
            value_of_a_spike[op.name] = q
            op = GroupNeuron(
                name=op.name,
                inputs=op.inputs,
                origin=op.origin,
                bias=op.bias,
                unit=np.array(1.0),
                thresholds=(np.arange(1, tau + 1) - 0.5) * q,
                inhibition=np.full(tau, q),
                scale=q,
            )
        ops.append(op)
    return graph.rebuild(ops, stage=Stage.GROUPED, members=members)
