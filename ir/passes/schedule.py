"""schedule: levels and delays, so that every path from the input to a population takes equally long.

level(p) is the longest path from the input; a phase neuron adds T to it and not 1, since it collects a window before it
sends. A projection from p to r gets the extra delay level(r) - level(p) - 1: the branches of a residual join wait for
each other. Where that is more than a synapse of the target can wait, the counts wait in a population of their own,
which passes on what arrives: weights of 1, a member for every spike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganglion.ir.graph import Graph, Stage, hold
from ganglion.ir.ops import GroupNeuron, Input, MaxPool, Membrane, OneToOne, Op, PhaseNeuron, Projection
from ganglion.ir.types import Spikes


def schedule(graph: Graph, steps: int, max_delay: int | None = None) -> Graph:
    """GROUPED -> SCHEDULED, with windows of `steps` = T time-steps and extra delays up to `max_delay`."""
    levels = levels_of(graph)
    reader = {name: op.name for op in graph.of(Membrane) for name in op.inputs}
    notes: list[str] = []
    if max_delay is not None:
        graph, notes = _with_holds(graph, levels, reader, max_delay)
        reader = {name: op.name for op in graph.of(Membrane) for name in op.inputs}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Membrane):
            op = replace(op, level=levels[op.name])
        elif isinstance(op, Projection):
            op = replace(op, delay=levels[reader[op.name]] - _sends(graph, levels, op.inputs[0]) - 1)
        ops.append(op)
    return graph.rebuild(ops, stage=Stage.SCHEDULED, steps=steps, notes=(*graph.notes, *notes))


def levels_of(graph: Graph) -> dict[str, int]:
    """The level of the input and of every population: the longest path from the input, in projections."""
    levels: dict[str, int] = {}
    for op in graph.ops:
        sources = [graph[name] for name in op.inputs]
        if isinstance(op, Projection):
            continue
        levels[op.name] = max((_sends(graph, levels, s.inputs[0]) + 1 for s in sources), default=0)
    return levels


def _sends(graph: Graph, levels: dict[str, int], name: str) -> int:
    """When `name` first sends."""
    return levels[name] + (hold(graph[name]) if name in graph else 0)


def _with_holds(
    graph: Graph, levels: dict[str, int], reader: dict[str, str], max_delay: int
) -> tuple[Graph, list[str]]:
    """The graph with populations in which counts wait, and notes on them; `levels` learns theirs."""
    source = {p.name: p.inputs[0] for p in graph.of(Projection)}
    holds: dict[str, list[Op]] = {}  # by the population that waits
    for p in graph.of(Projection):
        while levels[reader[p.name]] - _sends(graph, levels, source[p.name]) - 1 > max_delay:
            waiting = source[p.name]
            held = f"{waiting}.hold"
            if held not in levels:
                made = _hold(graph, waiting, holds)
                if made is None:
                    break  # the counts of the input may be negative: `quantize` says what is wrong
                levels[held] = _sends(graph, levels, waiting) + max_delay + 1
                reader[made[0].name], source[made[0].name] = held, waiting
                holds[waiting] = made
            source[p.name] = held
    ops: list[Op] = []
    for op in graph.ops:
        ops.append(replace(op, inputs=(source[op.name],)) if isinstance(op, Projection) else op)
        name = op.name
        while name in holds:
            ops += holds[name]
            name = holds[name][-1].name
    notes = [
        f"{name}: its counts wait in the population '{made[-1].name}', since a synapse waits {max_delay} steps at most"
        for name, made in holds.items()
    ]
    return graph.rebuild(ops), notes


def _hold(graph: Graph, name: str, holds: dict[str, list[Op]]) -> list[Op] | None:
    """A projection and a Group Neuron that sends in every step as many spikes as arrive; None for signed counts."""
    first = name
    while first not in graph:
        first = first.removesuffix(".hold")
    kind, op = graph.typeof(first), graph[first]
    assert isinstance(kind, Spikes)
    if isinstance(op, Input) or kind.low < 0:
        return None
    scale = float(np.max(op.scale)) if isinstance(op, (GroupNeuron, PhaseNeuron, MaxPool)) else 1.0
    k = np.arange(1, kind.high + 1)
    wire = OneToOne(name=f"{name}.hold.wire", inputs=(name,), origin=op.origin, weight=np.array(scale))
    population = GroupNeuron(
        name=f"{name}.hold",
        inputs=(wire.name,),
        origin=op.origin,
        unit=np.array(1.0),
        grid=np.array(scale),
        thresholds=(k - 0.5) * scale,
        inhibition=np.full(len(k), scale),
        scale=scale,
    )
    return [wire, population]
