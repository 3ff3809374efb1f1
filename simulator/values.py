"""Networks of real values, without time: what each population computes is a function of the sum that arrives at it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from ganglion.ir import Array, Graph, MaxPool, Projection, Readout, Shape, Staircase, linear, per_channel

from . import arithmetic
from .run import encode

Activation = Callable[[Staircase, Array, Shape], Array]  # (op, what arrives (N, *shape), shape) -> y


def as_in_model(op: Staircase, v: Array, shape: Shape) -> Array:
    """What the model itself computes there: a staircase, a ramp, or (a relay) nothing."""
    if op.low is None or op.high is None:
        return staircase(op, v, shape)
    return np.clip(v, per_channel(op.low, shape), per_channel(op.high, shape))


def quantised(steps: int, members: int) -> Activation:
    """Clipped and quantised: the model's own staircase, or a ramp in the steps that T windows of tau members tell."""

    def activation(op: Staircase, v: Array, shape: Shape) -> Array:
        return staircase(op, v, shape, 1 if op.low is None else steps * (op.members or members) / op.levels)

    return activation


def staircase(op: Staircase, v: Array, shape: Shape, finer: float = 1) -> Array:
    """y = s * clip(floor(v / s + 1/2), 0, L); or by the model's own thresholds; with `finer` times as many levels."""
    levels = round(op.levels * finer)
    step = op.step * op.levels / levels
    table = (np.arange(1, levels + 1) - 0.5) * step if op.thresholds is None or finer != 1 else op.thresholds
    return np.asarray(arithmetic.fire(v, arithmetic.rows(table, shape)) * step)


def unlimited(op: Staircase, v: Array, shape: Shape) -> Array:
    """clip(v, 0, theta): the mean firing rate of a Group Neuron with soft reset, times theta, as T goes to infinity."""
    return np.clip(v, 0, op.step * op.levels)


def arriving(graph: Graph, op: Staircase | MaxPool | Readout, values: Mapping[str, Array]) -> Array:
    """What arrives at `op` of a composed network, its bias included, (N, *shape), where its sources have `values`."""
    total = 0
    for p in (graph[name] for name in op.inputs):
        assert isinstance(p, Projection)
        total = total + linear.apply(p, values[p.inputs[0]], p.weight)  # type: ignore[assignment]
    bias = 0 if op.bias is None else per_channel(op.bias, graph.typeof(op.inputs[0]).shape)
    return np.asarray(total + bias)


def sent_by_input(graph: Graph, x: Array) -> Array:
    """What the input of a composed network sends for the samples `x` (N, *shape): real, less its zero point's share."""
    return encode(graph, x) * graph.input.scale


def read_last_by(graph: Graph) -> dict[str, list[str]]:
    """By population, and the readout, the sources that nothing behind it reads."""
    last = {graph[p].inputs[0]: op.name for op in graph.ops if not isinstance(op, Projection) for p in op.inputs}
    found: dict[str, list[str]] = {op.name: [] for op in graph.ops}
    for source, reader in last.items():
        found[reader].append(source)
    return found


class ValueNetwork:
    """A composed network whose populations compute `activation`, in float64."""

    def __init__(self, graph: Graph, activation: Activation) -> None:
        self.graph, self.activation = graph, activation

    def run(self, x: Array, given: Mapping[str, Array], record: Collection[str]) -> tuple[dict[str, Array], Array]:
        """The values y (N, *shape) of the populations `record`, and the logits, for the samples `x` (N, *shape).

        Whatever reads one of the `given` populations sees what is given; among `record` it is what the population
        itself makes of its input. What nothing needs any more is forgotten.
        """
        values = {self.graph.input.name: sent_by_input(self.graph, x)}
        read_last = read_last_by(self.graph)
        kept: dict[str, Array] = {}
        logits = np.zeros(0)
        for op in self.graph.ops:
            if isinstance(op, Readout):
                logits = arriving(self.graph, op, values)
                logits = logits.reshape(len(x), *(op.shape or logits.shape[1:]))
            elif isinstance(op, (Staircase, MaxPool)):
                if op.name in record or op.name not in given:
                    v = arriving(self.graph, op, values)
                    y = self._y(op, v)
                    if op.name in record:
                        kept[op.name] = y
                    values[op.name] = y
                if op.name in given:
                    values[op.name] = given[op.name]
            for name in read_last[op.name]:
                values.pop(name, None)
        return kept, logits

    def _y(self, op: Staircase | MaxPool, v: Array) -> Array:
        shape = self.graph.typeof(op.name).shape
        if isinstance(op, Staircase):
            return self.activation(op, v, shape)
        return arithmetic.window_maximum(op, v).reshape(len(v), *shape)
