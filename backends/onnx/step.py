"""The step model: one global step of the pipeline, as hardware does it, all state as inputs and outputs.

It is `ganglion.simulator.step` in standard operators. A population at level l is at local step (step - l) mod T; at 0
its membrane starts anew. Before its first window it is silent. There is no last one: samples follow one another for as
long as codes are fed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto

from ganglion.ir import (
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
from .tensors import CODES, STEP, info, model, reach, result_of, state_info, states
from .writer import BOOL, INT32, Writer

ABOUT = """One time-step of the spiking network "{name}", all in integers. At step g = 0, 1, ..., `codes` is sample
g // {T}; a population at level l handles step (g - l) % {T} of sample (g - l) // {T}, and sends nothing while g < l.
Every state begins as zeros; which output becomes which input is in the metadata "ganglion"."""


def step_model(graph: Graph) -> ModelProto:
    """The model of one step of the quantized `graph`."""
    held, source, T = states(graph), graph.input, graph.steps
    populations = [op for op in graph.ops if isinstance(op, Membrane)]
    results = {result_of(op): op for op in populations}
    w = Writer({CODES, *results, *(s.input for s in held), *(s.output for s in held)})
    w.node("Add", STEP, w.constant(1, np.int64), output=f"{STEP}.next")
    for op in graph.ops:
        if isinstance(op, Membrane):
            _population(w, graph, op)
        if not isinstance(op, Projection):
            w.at(op)
            for age in range(1, reach(graph, op) + 1):
                if age > 1 or isinstance(op, Input):
                    passed = CODES if age == 1 else f"{op.name}.sent.{age - 1}"
                    w.node("Identity", passed, output=f"{op.name}.sent.{age}.next")
    meaning = f"the input's integer codes of sample step // {T}, {source.low}..{source.high}"
    inputs = [info(CODES, INT32, ("N", *source.shape), meaning)]
    inputs += [state_info(s, s.input, f"{s.meaning}; zeros at the start") for s in held]
    outputs = []
    for name, op in results.items():
        shape = graph.typeof(op.name).shape
        said = f"{op.mnemonic} at level {op.level}: what it makes of this step"
        outputs.append(info(name, INT32, ("N", *shape), said))
    outputs += [state_info(s, s.output, f"becomes {s.input}") for s in held if s.output not in results]
    return model(graph, "step", w, inputs, outputs, ABOUT.format(name=graph.name, T=T))


def _population(w: Writer, graph: Graph, op: Membrane) -> None:
    """One population: what arrives, the potential, and by `RULES` what it sends and keeps."""
    t, going_on, active = _clock(w, op.level, graph.steps)
    arriving = [w.node("Mul", f"{op.name}.membrane", going_on)]
    arriving += [_arriving(w, graph, graph[name]) for name in op.inputs]
    shape = graph.typeof(op.inputs[0]).shape
    w.at(op)
    if op.bias is not None:
        arriving.append(w.integer(per_channel(op.bias, shape)))
    if isinstance(op, GroupNeuron) and op.bias_by_step is not None:
        table = op.bias_by_step.reshape(*op.bias_by_step.shape, *(1,) * (len(shape) - 1))
        arriving.append(w.node("Gather", w.integer(table), t, axis=0))
    V = w.node("Mul", w.add(arriving), active)
    for output, value in RULES[type(op)](w, op, V, shape, going_on).items():
        w.node("Identity", value, output=output)


def _group_neuron(w: Writer, op: GroupNeuron, V: str, shape: Shape, going_on: str) -> dict[str, str]:
    sent = w.node("Mul", f"{op.name}.balance", going_on) if op.taking else None
    V, n, sent = fire(w, op, V, shape, sent)
    kept = {f"{op.name}.balance.next": sent} if sent else {}
    return {f"{op.name}.membrane.next": V, result_of(op): n, **kept}


def _max_pool(w: Writer, op: MaxPool, V: str, shape: Shape, going_on: str) -> dict[str, str]:
    peak = peaks(w, op, V, shape)
    growth = w.node("Sub", peak, w.node("Mul", f"{op.name}.peak", going_on))
    return {f"{op.name}.membrane.next": V, f"{op.name}.peak.next": peak, result_of(op): growth}


def _readout(w: Writer, op: Readout, V: str, shape: Shape, going_on: str) -> dict[str, str]:
    return {result_of(op): V}


def _arriving(w: Writer, graph: Graph, projection: Op) -> str:
    """What arrives through `projection` in this step, which was sent 1 + delay steps before."""
    assert isinstance(projection, Projection)
    source, kind = projection.inputs[0], graph.typeof(projection.inputs[0])
    assert isinstance(kind, Spikes)
    return current(w, projection, f"{source}.sent.{1 + projection.delay}", kind)


def _clock(w: Writer, level: int, T: int) -> tuple[str, str, str]:
    """(local step, 0 where a window begins or else 1, 0 before the first window or else 1) at `level`."""
    since = w.node("Sub", STEP, w.constant(level, np.int64))
    t = w.node("Mod", since, w.constant(T, np.int64))
    going_on = w.cast(w.cast(t, BOOL), INT32)
    active = w.cast(w.node("GreaterOrEqual", since, w.constant(0, np.int64)), INT32)
    return t, going_on, active


# by kind of population: its outputs by name, from its potential with all that has arrived
RULES: dict[type[Op], Callable[[Writer, Any, str, Shape, str], dict[str, str]]] = {
    GroupNeuron: _group_neuron,
    MaxPool: _max_pool,
    Readout: _readout,
}
