"""expand_clusters: every Group Neuron becomes tau explicit integrate-and-fire populations.

Members share the input and the bias (that of each step, too); each has one of the staggered thresholds. A lateral
inhibition carries -inhibition[k] from member k to all members of its cluster, itself too (and +excitation[j] from one
that takes spikes back), and arrives one step later together with the next input. A membrane is compared only after both
have arrived, and the members that fire are always the lowest n; so the spikes are those of the Group Neuron, exactly.
"""

from __future__ import annotations

import numpy as np

from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import Array, Cluster, GroupNeuron, IntegrateFire, LateralInhibition, Op


def expand_clusters(graph: Graph) -> Graph:
    """SCHEDULED or QUANTIZED -> CLUSTERED. The cluster keeps the name of its Group Neuron."""
    ops: list[Op] = []
    for op in graph.ops:
        ops += cluster_of(op) if isinstance(op, GroupNeuron) else [op]
    return graph.rebuild(ops, stage=Stage.CLUSTERED)


def cluster_of(op: GroupNeuron) -> list[Op]:
    """The members `p#1` .. `p#tau`, those that take spikes back `p#-1` .., their lateral inhibition `p#inhibition`, and
    the cluster `p`.

    Raises `CompileError` where a cluster's members have no form: for binary digits.
    """
    if op.graded_only:
        raise op.fail(op.graded_only)
    inhibition = f"{op.name}#inhibition"
    members = [_member(op, k + 1, op.thresholds[k], inhibition) for k in range(op.members)]
    weights = op.inhibition
    if op.taking is not None:
        negative, excitation = op.taking
        members += [_member(op, -j - 1, negative[j], inhibition) for j in range(op.takers)]
        weights = joined(weights, -excitation)
    names = tuple(m.name for m in members)
    return [
        *members,
        LateralInhibition(name=inhibition, inputs=names, origin=op.origin, weights=weights),
        Cluster(name=op.name, inputs=names, origin=op.origin, scale=op.scale, takers=op.takers),
    ]


def _member(op: GroupNeuron, k: int, threshold: Array, inhibition: str) -> IntegrateFire:
    """The k-th member that sends, or for a negative k the one that takes back."""
    return IntegrateFire(
        name=f"{op.name}#{k}",
        inputs=op.inputs,
        origin=op.origin,
        bias=op.bias,
        level=op.level,
        unit=op.unit,
        interval=op.interval,
        threshold=np.asarray(threshold),
        inhibited_by=inhibition,
        takes=max(-k, 0),
        bias_by_step=op.bias_by_step,
    )


def joined(*tables: Array) -> Array:
    """Tables (K,) or (K, C) one below the other, all of the second form where one is."""
    channels = max(t.shape[1] if t.ndim > 1 else 0 for t in tables)
    wide = [np.repeat(t[:, None], channels, axis=1) if channels and t.ndim == 1 else t for t in tables]
    return np.concatenate(wide)
