"""The layer engine: all T steps of one layer for many samples at once. It must equal the step engine.

It can, because the delays are balanced: what a population receives in its window is exactly what its
sources sent in theirs, so the pipeline is unrolled layer by layer.

Values are (samples, steps, H, W, C), spike counts in one byte where they fit: what is constant over the window, the
input, has one step. A layer is worked off in tiles, some rows of its map at a time, so that what the product and the
scan need stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

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
    is_integer,
    per_channel,
    size,
)
from ganglion.ir.exact import Kernel

from . import arithmetic, layout
from .crew import ALONE, Crew
from .kernels import GroupScan, inner_loops
from .synapses import Synapses

Record = Callable[[str, Array], None]  # population, what it sent over the window (N, T, H, W, C)


@dataclass(frozen=True)
class Given:
    """What some populations send, by name, whatever arrives at them; `asked`: see `LayerEngine.run`.

    (N, T, H, W, C) for the layer engine, (T, N, *shape) for the step engine.
    """

    counts: Mapping[str, Array]
    asked: Set[str]

    def part(self, samples: slice) -> Given:
        """Of these samples only."""
        return Given({name: counts[samples] for name, counts in self.counts.items()}, self.asked)


NOTHING = Given({}, frozenset())


class LayerEngine:
    """One network, layer by layer. It holds nothing of a run: threads may share it."""

    def __init__(self, graph: Graph, kernel: Kernel | None, loops: ModuleType) -> None:
        self.graph = graph
        integer = arithmetic.is_integer_network(graph)
        self.loops = loops if integer else inner_loops("numpy")
        self.dtype = np.dtype(np.int32 if integer else np.float64)
        self.synapses = {op.name: Synapses(graph, op, self.loops, kernel) for op in _receivers(graph)}
        self.scans = {
            op.name: GroupScan(
                op, graph.typeof(op.name).shape, graph.steps, self.synapses[op.name].gain, self.dtype, self.loops
            )
            for op in graph.of(GroupNeuron)
        }
        self.last_use = {name: op.name for op in graph.ops for name in self.reads(op)}

    def reads(self, op: Op) -> Iterable[str]:
        """The values that `op` needs: of a membrane, those of the sources of its projections."""
        if op.name in self.synapses:
            return self.synapses[op.name].sources
        if isinstance(op, IntegrateFire):
            return self.graph[op.inhibited_by].inputs[:1]
        return op.inputs

    @cached_property
    def uses_blas(self) -> bool:
        """Whether any product is computed by BLAS, which has threads of its own."""
        return any(synapses.uses_blas for synapses in self.synapses.values())

    @cached_property
    def products_per_sample(self) -> int:
        """How many multiplications the window of one sample takes."""
        return self.graph.steps * sum(synapses.products for synapses in self.synapses.values())

    @cached_property
    def bytes_per_sample(self) -> int:
        """The most that the spike counts of one sample take at a time, on the way through the network."""
        held: dict[str, int] = {}
        most = 1
        for op in self.graph.ops:
            if isinstance(op, Projection):
                continue
            kind = self.graph.typeof(op.name)
            wide = arithmetic.count_type(kind.high).itemsize if isinstance(kind, Spikes) and kind.low >= 0 else 4
            held[op.name] = size(kind.shape) * wide * self.graph.steps
            most = max(most, sum(held.values()))
            held = {name: b for name, b in held.items() if self.last_use.get(name) != op.name}
        return most

    def run(self, codes: Array, record: Record, crew: Crew = ALONE, given: Given = NOTHING) -> None:
        """Send `codes` (N, *shape) through the network; what nothing needs any more is forgotten.

        `crew` shares the tiles of each layer. Whoever reads one of the `given` populations sees what is given; what it
        would have sent itself is computed, and recorded, only where `given.asked` says so.
        """
        Window(self, codes, crew, given).run(record)

    def needed(self, given: Given) -> set[str]:
        """The ops that have to be computed, where some are `given`."""
        needed = {self.graph.readout.name, self.graph.input.name, *given.asked}
        for op in reversed(self.graph.ops):
            if op.name not in needed or (op.name in given.counts and op.name not in given.asked):
                continue
            needed.update(self.reads(op))
            if isinstance(op, IntegrateFire):  # which fires with its whole cluster
                needed.add(op.inhibited_by)
                needed.update(self.graph[op.inhibited_by].inputs)
        return needed - (given.counts.keys() - given.asked)


class Window:
    """A block of samples on its way through an engine. `values[name]` is what `name` sent: (N, T or 1, H, W, C)."""

    def __init__(self, engine: LayerEngine, codes: Array, crew: Crew, given: Given = NOTHING) -> None:
        self.engine, self.graph, self.codes, self.crew, self.given = engine, engine.graph, codes, crew, given
        self.values: dict[str, Array] = {}

    def run(self, record: Record) -> None:
        needed = self.engine.needed(self.given) if self.given.counts else None
        for op in self.graph.ops:
            if isinstance(op, Projection):
                continue  # its target asks for what arrives
            if needed is None or op.name in needed:
                self.values[op.name] = RULES[type(op)](self, op)
                if isinstance(op, LateralInhibition):  # only now have its members fired
                    for member in op.inputs:
                        record(member, self.values[member])
                elif not isinstance(op, IntegrateFire):
                    record(op.name, self.values[op.name])
            if op.name in self.given.counts:
                self.values[op.name] = self.given.counts[op.name]
            for name in set(self.engine.reads(op)):
                if self.engine.last_use[name] == op.name:
                    self.values.pop(name, None)

    def input(self, op: Input) -> Array:
        codes = layout.channels_last(self.codes, op.shape)[:, None]
        small = is_integer(codes) and op.low >= 0 and op.high < 256
        return np.ascontiguousarray(codes, np.uint8 if small else codes.dtype)

    def drive(self, op: Membrane) -> Array:
        """What each step adds to the membrane, input and bias: (N, T, H, W, C)."""
        synapses = self.engine.synapses[op.name]
        total, shift = synapses.drive(synapses.seen(self.values, fused=False), 0, synapses.extent[0])
        total = total << shift if shift else total
        if op.bias is not None:
            shape = self.graph.typeof(op.inputs[0]).shape
            total = total + layout.channels_last(np.broadcast_to(per_channel(op.bias, shape), shape), shape)
        return np.broadcast_to(total, (len(total), self.graph.steps, *total.shape[2:]))

    def group_neuron(self, op: GroupNeuron) -> Array:
        synapses, scan = self.engine.synapses[op.name], self.engine.scans[op.name]
        H, W, C = synapses.extent
        N, T = len(self.codes), self.graph.steps
        kind = self.graph.typeof(op.name)
        assert isinstance(kind, Spikes)
        out = np.empty((N, T, H * W, C), arithmetic.sent_type(kind))
        skip, seen = synapses.skip(self.values), synapses.seen(self.values)
        rows = synapses.tile(N * T, self.crew.size)

        def tile(first: int) -> None:
            drive, shift = synapses.drive(seen, first, min(rows, H - first))
            scan(drive.reshape(*drive.shape[:2], -1, C), shift, skip, first * W, out)

        self.crew.each(tile, range(0, H, rows))
        return out.reshape(N, T, H, W, C)

    def phase_neuron(self, op: PhaseNeuron) -> Array:
        shape = self.graph.typeof(op.name).shape
        synapses = self.engine.synapses[op.name]
        H, W, C = synapses.extent
        N, T = len(self.codes), self.graph.steps
        bias: Array = np.zeros(C, self.engine.dtype) if op.bias is None else per_channel(op.bias, shape)
        bias = layout.channels_last(np.broadcast_to(per_channel(bias, shape), shape), shape)
        thresholds = [row.ravel() for row in arithmetic.rows(op.thresholds, shape)]  # (1,) or (C,), channels last
        out = np.empty((N, T, H, W, C), np.uint8)
        seen = synapses.seen(self.values)
        rows = synapses.tile(N * T, self.crew.size)

        def tile(first: int) -> None:
            here = slice(first, min(first + rows, H))
            drive, shift = synapses.drive(seen, first, here.stop - first)
            often = T if drive.shape[1] == 1 else 1  # what stays the same came with every step
            V = drive.sum(axis=1, dtype=drive.dtype) * often
            V = (V << shift if shift else V) + bias[here] * T
            for t, sent in enumerate(arithmetic.phases(V, thresholds, op.payloads)):
                out[:, t, here] = sent

        self.crew.each(tile, range(0, H, rows))
        return out

    def member(self, op: IntegrateFire) -> Array:
        """Not its spikes yet: its drive, which all members of a cluster share."""
        siblings = self.graph[op.inhibited_by].inputs
        if op.name != siblings[0]:
            return self.values[siblings[0]]
        drive = self.drive(op)
        if op.bias_by_step is None:
            return drive
        shape = self.graph.typeof(op.name).shape
        more = [layout.channels_last(np.broadcast_to(per_channel(b, shape), shape), shape) for b in op.bias_by_step]
        return np.asarray(drive + np.stack(more))

    def lateral_inhibition(self, op: LateralInhibition) -> Array:
        """All members of the cluster through their window together."""
        weights = op.weights.reshape(len(op.inputs), -1)  # (tau, 1 or C)
        members = [m for m in (self.graph[name] for name in op.inputs) if isinstance(m, IntegrateFire)]
        drive = self.values[op.inputs[0]]
        spikes = [np.empty(drive.shape, np.uint8) for _ in members]
        V = [np.zeros(drive[:, 0].shape, drive.dtype) for _ in members]
        inhibition = np.zeros(drive.shape, drive.dtype)
        sent = np.zeros(drive[:, 0].shape, np.int32)
        takers = sum(member.takes > 0 for member in members)
        for t in range(self.graph.steps):
            for k, member in enumerate(members):
                V[k] = V[k] + drive[:, t] + (inhibition[:, t - 1] if t else 0)
                if member.takes:
                    spikes[k][:, t] = (member.threshold > V[k]) & (sent >= member.takes)
                else:
                    spikes[k][:, t] = arithmetic.fire(V[k], [member.threshold])
            if takers:
                sent += arithmetic.count([s[:, t] for s in spikes], takers)
            inhibition[:, t] = -sum(w * s[:, t] for w, s in zip(weights, spikes, strict=True))
        self.values.update(zip(op.inputs, spikes, strict=True))
        return inhibition

    def cluster(self, op: Cluster) -> Array:
        return arithmetic.count([self.values[name] for name in op.inputs], op.takers)

    def max_pool(self, op: MaxPool) -> Array:
        kind, synapses = self.graph.typeof(op.name), self.engine.synapses[op.name]
        assert isinstance(kind, Spikes)
        counts = synapses.bare(self.values)
        if counts is None:
            counts = self.drive(op)
        H, W, C = layout.extent(kind.shape)
        out = np.empty((len(counts), self.graph.steps, H, W, C), arithmetic.spike_type(kind, counts))
        window = (*op.kernel, *op.strides, *op.pads[:2], *op.dilations, W)
        rows = -(-H // self.crew.size)

        def tile(first: int) -> None:
            self.engine.loops.max_pool(counts, window, first, min(rows, H - first), out)

        self.crew.each(tile, range(0, H, rows))
        return out

    def readout(self, op: Readout) -> Array:
        drive = self.drive(op)
        return np.cumsum(drive, axis=1, dtype=drive.dtype)


def _receivers(graph: Graph) -> Iterable[Membrane]:
    """The membranes whose input has to be computed: of a cluster's members, which share it, the first."""
    for op in graph.of(Membrane):
        if not isinstance(op, IntegrateFire) or graph[op.inhibited_by].inputs[0] == op.name:
            yield op


RULES: dict[type[Op], Callable[[Window, Any], Array]] = {
    Input: Window.input,
    GroupNeuron: Window.group_neuron,
    PhaseNeuron: Window.phase_neuron,
    IntegrateFire: Window.member,
    LateralInhibition: Window.lateral_inhibition,
    Cluster: Window.cluster,
    MaxPool: Window.max_pool,
    Readout: Window.readout,
}
