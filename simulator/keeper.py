"""What is kept of a run: logits, totals of spikes and synaptic operations, and the counts that were asked for."""

from __future__ import annotations

from threading import Lock
from types import ModuleType

import numpy as np

from ganglion.ir import Array, Graph, Input, MaxPool, Projection, Spikes, size

from . import arithmetic, layout

DIGITS = np.array([n.bit_count() for n in range(256)], np.uint8)  # spikes that are the binary digits of a count


class Keeper:
    """Keeps what was asked for, and adds up the rest. Blocks of samples may come in any order, from any thread."""

    def __init__(self, graph: Graph, samples: int, names: set[str], integer: bool, loops: ModuleType) -> None:
        self.graph, self.samples, self.integer, self.loops = graph, samples, integer, loops
        self.lock = Lock()
        self.kept = {op.name: self._room(op.name) for op in graph.ops if op.name in names}
        self.native = graph.typeof(graph.readout.name).shape
        self.logits = np.zeros((samples, *self.native))
        self.fan_out: dict[str, Array] = graph.derived("fan out", lambda: _fan_out(graph))
        self.totals: dict[str, Array] = {}
        for name, fan in self.fan_out.items():
            C = graph.typeof(name).shape[0]
            self.totals[name] = np.zeros((graph.steps, len(fan) * (1 if fan.shape[1] == 1 else C)), np.int64)

    def _room(self, name: str) -> Array:
        kind, T, N = self.graph.typeof(name), self.graph.steps, self.samples
        dtype: np.dtype[np.generic] = np.dtype(np.int32 if self.integer else np.float64)
        if isinstance(kind, Spikes) and (self.integer or not isinstance(self.graph[name], (Input, MaxPool))):
            signed = kind.low < 0 or kind.high >= 1 << 15
            dtype = np.dtype(np.int32) if signed else arithmetic.count_type(kind.high)
        return np.zeros((T, N, *kind.shape), dtype)

    def put(self, name: str, t: int, first: int, values: Array) -> None:
        """`values` (n, *shape) is what `name` sent at local step `t` for the samples from `first` on."""
        kind = self.graph.typeof(name).shape
        self._put(name, slice(t, t + 1), first, layout.channels_last(values, kind)[:, None])

    def put_window(self, first: int, name: str, values: Array) -> None:
        """`values` (n, T or 1, H, W, C) is what `name` sent over the window for the samples from `first` on."""
        self._put(name, slice(None), first, values)

    def _put(self, name: str, t: slice, first: int, values: Array) -> None:
        values = values[: max(self.samples - first, 0)]
        there = slice(first, first + len(values))
        if name in self.totals and len(values):
            self._count(name, t, values)
        if name in self.kept:
            shape = self.graph.typeof(name).shape
            self.kept[name][t, there] = np.moveaxis(layout.channels_first(values, shape), 1, 0)
        if name == self.graph.readout.name and t.stop in (None, self.graph.steps):
            potential = layout.channels_first(values[:, -1], self.native)
            self.logits[there] = potential * self.graph.readout.unit / self.graph.steps

    def _count(self, name: str, t: slice, values: Array) -> None:
        """Add up `values` (n, T or 1, H, W, C): over the channels too, where all have the same fan-out.

        An input code is one graded spike, unless it is zero; one that takes another back is a spike, too,
        and so is each binary digit where a count is sent as such. Who sends once a window sends one graded spike.
        """
        kind = self.graph.typeof(name)
        if name == self.graph.input.name or (isinstance(kind, Spikes) and kind.once):
            values = (values != 0).view(np.uint8)
        elif isinstance(kind, Spikes) and kind.low < 0:
            values = np.abs(values)
        elif getattr(self.graph[name], "digits", 0):
            values = DIGITS[values]
        counts = np.ascontiguousarray(values).reshape(*values.shape[:2], -1, values.shape[-1])
        if self.fan_out[name].shape[1] == 1:
            total = self.loops.totals(counts)
        else:
            total = counts.sum(axis=0, dtype=np.int64).reshape(counts.shape[1], -1)
        with self.lock:
            self.totals[name][t] += total

    def spikes(self, name: str) -> Array:
        """The spikes of `name` at every local step, in all samples: int64 (T,)."""
        return np.asarray(self.totals[name].sum(axis=1))

    def operations(self, name: str) -> Array:
        """The synaptic operations that they cause: int64 (T,)."""
        return np.asarray(self.totals[name] @ self.fan_out[name].ravel())

    def rate(self, name: str) -> float:
        """Spikes per neuron and time-step, over all samples."""
        slots = size(self.graph.typeof(name).shape) * self.graph.steps * self.samples
        return int(self.spikes(name).sum()) / slots if slots else 0.0


def _fan_out(graph: Graph) -> dict[str, Array]:
    """The synapses behind every neuron of the input and of every population.

    (places, C), or (places, 1) where all channels have as many.
    """
    found = {}
    for name in (graph.input.name, *(op.name for op in graph.populations)):
        shape = graph.typeof(name).shape
        total = np.zeros((1, *shape[1:]), np.int64)
        for op in graph.consumers(name):
            if isinstance(op, Projection):
                total = total + op.fan_out(shape)
        H, W, _ = layout.extent(shape)
        found[name] = np.moveaxis(total, 0, -1).reshape(H * W, -1)
    return found
