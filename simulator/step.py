"""The step engine: the definition of what a network does. Short, obvious, not fast.

Global step by global step, as hardware does it: every population looks at what arrives in this step,
which was sent in steps before, and sends its spikes. Samples follow one another with no gap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganglion.errors import InternalError
from ganglion.ir import (
    Array,
    Cluster,
    Graph,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Readout,
    Spikes,
    per_channel,
)

from . import arithmetic

Record = Callable[[str, int, int, Array], None]  # population, sample, local step, what it sent (lanes, *shape)


class StepEngine:
    """One network on its way through time. `sent[name][g]` is what `name` sent at global step g."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.level = {op.name: graph.level(op.name) for op in graph.ops if not isinstance(op, Projection)}
        self.deliver = {op.name: arithmetic.deliver(op, graph.typeof(op.inputs[0])) for op in graph.of(Projection)}
        self.memory = 2 + max((op.delay for op in graph.of(Projection)), default=0)
        self.sent: dict[str, dict[int, Any]] = {}
        self.potential: dict[str, Any] = {}
        self.peak: dict[str, Any] = {}
        self.collected: dict[str, list[Array]] = {}  # what phase neurons are about to send, from the window before
        self.balance: dict[str, Any] = {}  # the spikes sent in this window and not taken back

    def run(
        self,
        codes: Array,
        record: Record,
        progress: Callable[[int, int], None] | None = None,
        given: Callable[[str, int, int], Array | None] = lambda name, sample, t: None,
    ) -> None:
        """Send `codes` (lanes, samples, *shape) through the network.

        Lanes are independent copies of the network side by side; within a lane the samples go through
        one pipeline. `record` is called with what each population makes of its input; `progress(done, all)` counts
        global steps. What `given(population, sample, local step)` returns, (lanes, *shape), is sent instead.
        """
        T, samples = self.graph.steps, codes.shape[1]
        last = samples * T + self.graph.depth
        self.sent = {name: {} for name in self.level}
        self.potential = {op.name: 0 for op in self.graph.of(Membrane)}
        for g in range(last):
            for op in self.graph.ops:
                if isinstance(op, Projection):
                    continue  # delivers when its target asks
                if isinstance(op, PhaseNeuron) and 0 <= g - op.level < samples * T:
                    self.collect(op, g, (g - op.level) % T)
                sample, t = divmod(g - self.level[op.name], T)
                if 0 <= sample < samples:  # outside its windows a population neither integrates nor fires
                    value = codes[:, sample] if isinstance(op, Input) else RULES[type(op)](self, op, g, t)
                    record(op.name, sample, t, value)
                    instead = given(op.name, sample, t)
                    self.sent[op.name][g] = value if instead is None else instead
                self.sent[op.name].pop(g - self.memory, None)
            if progress:
                progress(g + 1, last)

    def integrate(self, op: Membrane, g: int, t: int, inhibition: Array | int = 0) -> Any:
        """V <- V + lateral inhibition + input + bias; at the start of a window V <- 0 and nothing is in flight."""
        V: Any = 0 if t == 0 else self.potential[op.name] + inhibition
        for projection in (self.graph[name] for name in op.inputs):
            assert isinstance(projection, Projection)
            spikes = self.sent[projection.inputs[0]].get(g - 1 - projection.delay)
            if spikes is not None:
                V = V + self.deliver[projection.name](spikes)
        shape = self.graph.typeof(op.inputs[0]).shape
        if np.ndim(V) == 0:  # nothing has arrived, which only a network with wrong delays can bring about
            V = np.zeros((1, *shape), np.int32)
        if op.bias is not None:
            V = V + per_channel(op.bias, shape)
        if isinstance(op, (GroupNeuron, IntegrateFire)) and op.bias_by_step is not None:
            V = V + per_channel(op.bias_by_step[t], shape)
        if op.interval is not None and not (op.interval[0] <= V.min() and V.max() <= op.interval[1]):
            raise InternalError(f"the potential of '{op.name}' left its proven interval {op.interval}")
        self.potential[op.name] = V
        return V

    def group_neuron(self, op: GroupNeuron, g: int, t: int) -> Array:
        shape = self.graph.typeof(op.name).shape
        V = self.integrate(op, g, t)
        n: Array = arithmetic.fire(V, arithmetic.rows(op.thresholds, shape))
        V = arithmetic.reset(V, n, arithmetic.rows(op.inhibition, shape))
        if op.taking is not None:
            negative, excitation = (arithmetic.rows(table, shape) for table in op.taking)
            sent = 0 if t == 0 else self.balance[op.name]
            m = np.minimum(arithmetic.below(V, n, negative), sent)
            V = arithmetic.reset(V, m, [-row for row in excitation])
            n = (n - m).astype(np.int32)
            self.balance[op.name] = sent + n
        self.potential[op.name] = V
        return n

    def collect(self, op: PhaseNeuron, g: int, t: int) -> None:
        V = self.integrate(op, g, t)
        if t == self.graph.steps - 1:
            thresholds = arithmetic.rows(op.thresholds, self.graph.typeof(op.name).shape)
            self.collected[op.name] = list(arithmetic.phases(V, thresholds, op.payloads))

    def phase_neuron(self, op: PhaseNeuron, g: int, t: int) -> Array:
        return self.collected[op.name][t]

    def member(self, op: IntegrateFire, g: int, t: int) -> Array:
        V = self.integrate(op, g, t, self.sent[op.inhibited_by].get(g - 1, 0))
        threshold = per_channel(op.threshold, self.graph.typeof(op.name).shape)
        if not op.takes:
            return arithmetic.fire(V, [threshold])
        sent = 0 if t == 0 else self.balance[op.inhibited_by]
        return np.asarray((threshold > V) & (sent >= op.takes), np.uint8)

    def lateral_inhibition(self, op: LateralInhibition, g: int, t: int) -> Array:
        weights = arithmetic.rows(op.weights, self.graph.typeof(op.name).shape)
        spikes = [self.sent[m][g].astype(np.int32) for m in op.inputs]
        takes = [bool(getattr(self.graph[m], "takes", 0)) for m in op.inputs]
        net = sum(-s if back else s for s, back in zip(spikes, takes, strict=True))
        self.balance[op.name] = net + (0 if t == 0 else self.balance[op.name])
        return np.asarray(-sum(w * self.sent[m][g] for w, m in zip(weights, op.inputs, strict=True)))

    def cluster(self, op: Cluster, g: int, t: int) -> Array:
        return arithmetic.count([self.sent[m][g] for m in op.inputs], op.takers)

    def max_pool(self, op: MaxPool, g: int, t: int) -> Array:
        kind = self.graph.typeof(op.name)
        assert isinstance(kind, Spikes)
        peak = arithmetic.window_maximum(op, self.integrate(op, g, t))
        growth = peak if t == 0 else peak - self.peak[op.name]
        self.peak[op.name] = peak
        return growth.astype(arithmetic.spike_type(kind, peak))

    def readout(self, op: Readout, g: int, t: int) -> Array:
        return np.asarray(self.integrate(op, g, t))


RULES: dict[type[Op], Callable[[StepEngine, Any, int, int], Array]] = {
    GroupNeuron: StepEngine.group_neuron,
    PhaseNeuron: StepEngine.phase_neuron,
    IntegrateFire: StepEngine.member,
    LateralInhibition: StepEngine.lateral_inhibition,
    Cluster: StepEngine.cluster,
    MaxPool: StepEngine.max_pool,
    Readout: StepEngine.readout,
}
