"""group: every staircase becomes a Group Neuron of tau members; weights then act on spike counts.

theta = step * levels and q = theta / tau: member k of the cluster fires at (k - 1/2) * q, each spike
inhibits the cluster by q and stands for the real value q (Lv et al., ICASSP 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ganglion.errors import InternalError
from ganglion.ir import linear
from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import Array, GroupNeuron, Input, MaxPool, Neuron, OneToOne, Op, Projection, Staircase
from ganglion.ir.types import Shape

Maker = Callable[[Staircase, int], Neuron]  # of a staircase and tau
Counts = tuple[int, int, bool]  # the fewest and the most spikes of a step; whether a neuron sends once a window


def group(graph: Graph, members: int, neuron: Maker | None = None, method: str = "") -> Graph:
    """COMPOSED -> GROUPED, with `members` = tau members in every cluster; 0: as many as the staircase has levels.

    `neuron` makes the population of a staircase, by default `group_neuron`; relays are Group Neurons in any case.
    `method` is what the network says of that.
    """
    value_of_a_spike: dict[str, Array] = {}
    counts: dict[str, Counts] = {}
    pooled = {name: op for op in graph.of(MaxPool) for name in op.inputs}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Input):
            value_of_a_spike[op.name], counts[op.name] = np.array(op.scale), (op.low, op.high, False)
        elif isinstance(op, Projection):
            op = _on_counts(op, value_of_a_spike[op.inputs[0]], graph.typeof(op.inputs[0]).shape)
        elif isinstance(op, Staircase):
            make = group_neuron if neuron is None or op.members else neuron
            made: Neuron = make(op, op.members or members or op.levels)
            value_of_a_spike[op.name], counts[op.name] = np.array(made.scale), made.counts
            op = made
        elif isinstance(op, MaxPool):
            projections = [p for p in ops if p.name in op.inputs and isinstance(p, Projection)]
            op = _pool_of_counts(op, projections, [counts[p.inputs[0]] for p in projections], graph)
            value_of_a_spike[op.name], counts[op.name] = op.scale, (op.low, op.high, op.once)
        ops.append(op)
    ops = [replace(op, weight=np.array(1.0)) if op.name in pooled and isinstance(op, Projection) else op for op in ops]
    return graph.rebuild(ops, stage=Stage.GROUPED, members=members, method=method)


def group_neuron(op: Staircase, tau: int) -> GroupNeuron:
    """The Group Neuron of `tau` members for a staircase; at tau = levels with the model's own thresholds, if any."""
    q = op.step * op.levels / tau
    own = op.thresholds if tau == op.levels else None
    return GroupNeuron(
        name=op.name,
        inputs=op.inputs,
        origin=op.origin,
        bias=op.bias,
        unit=np.array(1.0),
        grid=op.grid,
        thresholds=(np.arange(1, tau + 1) - 0.5) * q if own is None else own,
        inhibition=np.full(tau, q),
        scale=q,
    )


def _on_counts(op: Projection, value: Array, shape: Shape) -> Projection:
    """`op` with weights that act on spike counts, of which each stands for `value`, () or (C,)."""
    if value.ndim == 0:
        return replace(op, weight=op.weight * value)
    composed = linear.compose(OneToOne(name="", weight=value), op, shape)
    if composed is None:
        raise InternalError(f"'{op.name}' cannot take a value of a spike per channel")
    return replace(op, weight=composed.weight)


def _pool_of_counts(op: MaxPool, projections: list[Projection], counts: list[Counts], graph: Graph) -> MaxPool:
    """The pool of bare counts: what arrives is not weighted, and `scale` says what a count stands for."""
    channels = graph.typeof(op.name).shape[0]
    scale = np.zeros(channels)
    for p in projections:
        n = p.map_shape(graph.typeof(p.inputs[0]).shape)[0]
        scale[p.offset : p.offset + n] = p.weight
    return replace(
        op,
        scale=scale if np.ptp(scale) else scale[0],
        low=min(low for low, _, _ in counts),
        high=max(high for _, high, _ in counts),
        once=all(once for _, _, once in counts),
    )
