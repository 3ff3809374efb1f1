"""schedule: levels and delays, so that every path from the input to a population takes equally long.

level(p) is the longest path from the input. A projection from p to r gets the extra delay
level(r) - level(p) - 1: the branches of a residual join wait for each other.
"""

from __future__ import annotations

from dataclasses import replace

from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import Membrane, Op, Projection


def schedule(graph: Graph, steps: int) -> Graph:
    """GROUPED -> SCHEDULED, with windows of `steps` = T time-steps."""
    levels = levels_of(graph)
    reader = {name: op.name for op in graph.of(Membrane) for name in op.inputs}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Membrane):
            op = replace(op, level=levels[op.name])
        elif isinstance(op, Projection):
            op = replace(op, delay=levels[reader[op.name]] - levels[op.inputs[0]] - 1)
        ops.append(op)
    return graph.rebuild(ops, stage=Stage.SCHEDULED, steps=steps)


def levels_of(graph: Graph) -> dict[str, int]:
    """The level of the input and of every population: the longest path from the input, in projections."""
    levels: dict[str, int] = {}
    for op in graph.ops:
        sources = [graph[name] for name in op.inputs]
        if isinstance(op, Projection):
            continue
        levels[op.name] = max((levels[s.inputs[0]] + 1 for s in sources), default=0)
    return levels
