"""The layer engine: all T steps of one layer for many samples at once. It must equal the step engine.

It can, because the delays are balanced: what a population receives in its window is exactly what its
sources sent in theirs, so the pipeline is unrolled layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganglion.ir import (
    Array,
    Cluster,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    OneToOne,
    Op,
    Projection,
    Readout,
    Sparse,
    Spikes,
    per_channel,
)

from . import arithmetic

Record = Callable[[str, Array], None]  # population, what it sent over the window (T, N, *shape)


class LayerEngine:
    """One network, layer by layer. `values[name]` is what `name` sent over the window: (T, N, *shape)."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.deliver = {op.name: arithmetic.deliver(op, graph.typeof(op.inputs[0])) for op in graph.of(Projection)}
        self.last_use = {name: op.name for op in graph.ops for name in op.inputs}
        self.values: dict[str, Any] = {}

    def run(self, codes: Array, record: Record) -> None:
        """Send `codes` (N, *shape) through the network; what nothing needs any more is forgotten."""
        self.values = {}
        for op in self.graph.ops:
            if isinstance(op, Input):
                self.values[op.name] = np.broadcast_to(codes, (self.graph.steps, *codes.shape))
            else:
                self.values[op.name] = RULES[type(op)](self, op)
            if isinstance(op, LateralInhibition):  # only now have its members fired
                for member in op.inputs:
                    record(member, self.values[member])
            elif not isinstance(op, IntegrateFire):
                record(op.name, self.values[op.name])
            for name in set(op.inputs):
                if self.last_use[name] == op.name:
                    del self.values[name]

    def projection(self, op: Projection) -> Array:
        counts = self.values[op.inputs[0]]
        T, N = counts.shape[:2]
        if counts.strides[0] == 0:  # direct coding: constant over the window, multiplied once
            once = self.deliver[op.name](counts[0])
            return np.broadcast_to(once, (T, *once.shape))
        flat = self.deliver[op.name](counts.reshape(T * N, *counts.shape[2:]))
        return flat.reshape(T, N, *flat.shape[1:])

    def drive(self, op: Membrane) -> Array:
        """What each step adds to the membrane, input and bias: (T, N, *shape)."""
        total = self.values[op.inputs[0]]
        for name in op.inputs[1:]:
            total = total + self.values[name]
        if op.bias is not None:
            total = total + per_channel(op.bias, self.graph.typeof(op.name).shape)
        return np.asarray(total)

    def group_neuron(self, op: GroupNeuron) -> Array:
        shape = self.graph.typeof(op.name).shape
        thresholds, inhibition = arithmetic.rows(op.thresholds, shape), arithmetic.rows(op.inhibition, shape)
        drive = self.drive(op)
        counts = np.empty(drive.shape, arithmetic.count_type(op.members))
        V = np.zeros(drive.shape[1:], drive.dtype)
        for t in range(self.graph.steps):
            V = V + drive[t]
            counts[t] = arithmetic.fire(V, thresholds)
            V = arithmetic.reset(V, counts[t], inhibition)
        return counts

    def member(self, op: IntegrateFire) -> Array:
        """Not its spikes yet: its drive, which all members of a cluster share."""
        siblings = self.graph[op.inhibited_by].inputs
        return self.values[siblings[0]] if op.name != siblings[0] else self.drive(op)

    def lateral_inhibition(self, op: LateralInhibition) -> Array:
        """All members of the cluster through their window together."""
        shape = self.graph.typeof(op.name).shape
        weights = arithmetic.rows(op.weights, shape)
        members = [m for m in (self.graph[name] for name in op.inputs) if isinstance(m, IntegrateFire)]
        drive = self.values[op.inputs[0]]
        spikes = [np.empty(drive.shape, np.uint8) for _ in members]
        V = [np.zeros(drive.shape[1:], drive.dtype) for _ in members]
        inhibition = np.zeros(drive.shape, drive.dtype)
        for t in range(self.graph.steps):
            for k, member in enumerate(members):
                V[k] = V[k] + drive[t] + (inhibition[t - 1] if t else 0)
                spikes[k][t] = arithmetic.fire(V[k], [per_channel(member.threshold, shape)])
            inhibition[t] = -sum(w * s[t] for w, s in zip(weights, spikes, strict=True))
        self.values.update(zip(op.inputs, spikes, strict=True))
        return inhibition

    def cluster(self, op: Cluster) -> Array:
        counts = [self.values[name] for name in op.inputs]
        return np.asarray(np.sum(counts, axis=0, dtype=arithmetic.count_type(len(counts))))

    def max_pool(self, op: MaxPool) -> Array:
        kind = self.graph.typeof(op.name)
        assert isinstance(kind, Spikes)
        drive = self.drive(op)
        potential = np.cumsum(drive, axis=0, dtype=drive.dtype)
        peak = arithmetic.window_maximum(op, potential.reshape(-1, *drive.shape[2:]))
        peak = peak.reshape(*drive.shape[:2], *peak.shape[1:])
        return np.diff(peak, axis=0, prepend=0).astype(arithmetic.spike_type(kind, peak))

    def readout(self, op: Readout) -> Array:
        drive = self.drive(op)
        return np.cumsum(drive, axis=0, dtype=drive.dtype)


RULES: dict[type[Op], Callable[[LayerEngine, Any], Array]] = {
    Dense: LayerEngine.projection,
    Conv2d: LayerEngine.projection,
    OneToOne: LayerEngine.projection,
    Sparse: LayerEngine.projection,
    GroupNeuron: LayerEngine.group_neuron,
    IntegrateFire: LayerEngine.member,
    LateralInhibition: LayerEngine.lateral_inhibition,
    Cluster: LayerEngine.cluster,
    MaxPool: LayerEngine.max_pool,
    Readout: LayerEngine.readout,
}
