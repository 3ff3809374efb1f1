"""The window model: all T steps of a sample, population after population.

Each population is at local step t of the same sample, which Theorem 2 allows: with balanced delays, layer by layer
gives the same spikes as step by step. So a projection is applied to all steps at once, as (T * N, ...), and only the
neurons themselves are unrolled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto

from ganglion.ir import (
    Array,
    Graph,
    GroupNeuron,
    Input,
    MaxPool,
    Membrane,
    Op,
    Projection,
    Readout,
    Shape,
    Spikes,
    per_channel,
)

from .neurons import fire, peaks
from .projections import current
from .tensors import CODES, info, model, result_of
from .writer import DOUBLE, INT32, Writer

ABOUT = """The {T} time-steps of the spiking network "{name}" over each sample, unrolled, all in integers: from input
codes to the spike counts of every population at every step, the readout's potentials, and the logits."""
LOGITS = "logits"


def window_model(graph: Graph) -> ModelProto:
    """The model of a whole window of the quantized `graph`."""
    T, source, readout = graph.steps, graph.input, graph.readout
    populations = [op for op in graph.ops if isinstance(op, Membrane)]
    w = Writer({CODES, LOGITS, *(result_of(op) for op in populations)})
    for op in populations:
        arriving = _arriving(w, graph, op)
        w.node("Identity", RULES[type(op)](w, graph, op, arriving), output=result_of(op))
    _logits(w, graph)
    inputs = [info(CODES, INT32, ("N", *source.shape), f"the input's integer codes, {source.low}..{source.high}")]
    meaning = "potential * unit / T at the window's end"
    outputs = [info(LOGITS, DOUBLE, ("N", *(readout.shape or graph.typeof(readout.name).shape)), meaning)]
    for op in populations:
        what = f"{op.mnemonic} '{op.name}' at every step: " + ("potentials" if op is readout else "spike counts")
        outputs.append(info(result_of(op), INT32, (T, "N", *graph.typeof(op.name).shape), what))
    return model(graph, "window", w, inputs, outputs, ABOUT.format(name=graph.name, T=T))


def _arriving(w: Writer, graph: Graph, op: Membrane) -> str:
    """All that is added to the membrane: int32 (T, N, *shape), or (1, N, *shape) where it is the same at every step."""
    shape, found = graph.typeof(op.inputs[0]).shape, []
    for projection in (graph[name] for name in op.inputs):
        assert isinstance(projection, Projection)
        source, kind = graph[projection.inputs[0]], graph.typeof(projection.inputs[0])
        assert isinstance(kind, Spikes)
        if isinstance(source, Input):
            found.append(w.node("Unsqueeze", current(w, projection, CODES, kind), w.constant([0], np.int64)))
            continue
        w.at(source)
        counts = w.reshape(result_of(source), [-1, *kind.shape])
        found.append(w.reshape(current(w, projection, counts, kind), [graph.steps, -1, *shape]))
    w.at(op)
    if op.bias is not None:
        found.append(w.integer(per_channel(op.bias, shape)))
    if isinstance(op, GroupNeuron) and op.bias_by_step is not None:
        found.append(w.integer(_over(shape, op.bias_by_step)))
    return w.add(found)


def _over(shape: Shape, by_step: Array) -> Array:
    """A table (T,) or (T, C) in a form that broadcasts over (T, N, *shape)."""
    steps, *channels = by_step.shape
    return by_step.reshape(steps, 1, *(channels or [1]), *(1,) * (len(shape) - 1))


def _varies(graph: Graph, op: Membrane) -> bool:
    """Whether what arrives at `op` differs from step to step: the input's codes do not."""
    sources = (graph[graph[name].inputs[0]] for name in op.inputs)
    by_step = isinstance(op, GroupNeuron) and op.bias_by_step is not None
    return by_step or not all(isinstance(source, Input) for source in sources)


def _group_neuron(w: Writer, graph: Graph, op: GroupNeuron, arriving: str) -> str:
    """The counts, step after step."""
    T, shape = graph.steps, graph.typeof(op.name).shape
    each = w.split(arriving, T) if _varies(graph, op) else [arriving] * T
    V, sent, counts = "", None, []
    for t, step in enumerate(each):
        V, n, sent = fire(w, op, w.add([V, step]) if t else step, shape, sent)
        counts.append(n)
    return w.node("Concat", *counts, axis=0)


def _max_pool(w: Writer, graph: Graph, op: MaxPool, arriving: str) -> str:
    """The growth of the peaks."""
    shape, there = graph.typeof(op.inputs[0]).shape, graph.typeof(op.name).shape
    potential = w.reshape(_integrated(w, graph, op, arriving), [-1, *shape])
    peak = w.reshape(peaks(w, op, potential, shape), [graph.steps, -1, *there])
    later = [0] * (1 + len(there))
    return w.node("Sub", peak, w.pad(peak, [1, *later], [-1, *later]))  # less the peak one step before, 0 at first


def _integrated(w: Writer, graph: Graph, op: Membrane, arriving: str) -> str:
    """The potentials (T, N, *shape) of a membrane that is never reset."""
    if not _varies(graph, op):
        every_step = np.zeros(graph.steps, np.int32)
        arriving = w.add([arriving, w.integer(_over(graph.typeof(op.inputs[0]).shape, every_step))])
    return w.node("CumSum", arriving, w.constant(0, np.int64))


def _logits(w: Writer, graph: Graph) -> None:
    """potential * unit / T at the window's end, in float64."""
    op, shape = graph.readout, graph.typeof(graph.readout.name).shape
    last = w.node("Gather", result_of(op), w.constant(graph.steps - 1, np.int64), axis=0)
    real = w.node("Mul", w.cast(last, DOUBLE), w.constant(op.unit, np.float64))
    logits = w.node("Div", real, w.constant(float(graph.steps), np.float64))
    w.node("Reshape", logits, w.constant([-1, *(op.shape or shape)], np.int64), output=LOGITS)


# by kind of population: what it makes of what arrives, (T, N, *shape)
RULES: dict[type[Op], Callable[[Writer, Graph, Any, str], str]] = {
    GroupNeuron: _group_neuron,
    MaxPool: _max_pool,
    Readout: _integrated,
}
