"""The integrate-and-fire neurons of a NIR graph as Group Neurons of one member.

With a soft reset, V(0) = 0, and NIR's own "fires if v > v_threshold":

    V <- V + r * input;  n <- V > v_threshold;  V <- V - n * v_threshold

A spike stands for 1, so weights act on counts as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ganglion.ir import Array, Graph, GroupNeuron, Input, Op, Projection, Readout, Staircase

FINEST, WIDEST = 12, 2**14  # weights that are whole multiples of 2^-12, and below 2^14 of them, stay as they are


def integrate_fire(op: Staircase, threshold: Array) -> GroupNeuron:
    """The neuron for which `op` stands, with v_threshold, () or (C,)."""
    return GroupNeuron(
        name=op.name,
        inputs=op.inputs,
        origin=op.origin,
        bias=op.bias,
        unit=np.array(1.0),
        grid=op.grid,
        thresholds=np.nextafter(threshold, np.inf)[None],  # V > v is V >= the next number
        inhibition=threshold[None],
        scale=1.0,
    )


def neuron_of(thresholds: Mapping[str, Array]) -> Any:
    """What makes a Group Neuron of a staircase in `passes.group`: `integrate_fire`, with the thresholds by name."""
    return lambda op, members: integrate_fire(op, thresholds[op.name])


def keep_integers(graph: Graph) -> Graph:
    """COMPOSED -> COMPOSED: where all that reaches a population is a whole multiple of a power of two, `grid` says so.

    Then quantisation keeps these weights as they are.
    """
    value: dict[str, float] = {}
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Input):
            value[op.name] = op.scale
        elif isinstance(op, (Staircase, Readout)):
            value[op.name] = 1.0
            joined = [p for p in (graph[name] for name in op.inputs) if isinstance(p, Projection)]
            unit = finest_unit([p.weight * value[p.inputs[0]] for p in joined])
            op = op if unit is None else replace(op, grid=np.array(unit))
        ops.append(op)
    return graph.rebuild(ops)


def finest_unit(weights: list[Array]) -> float | None:
    """The largest power of two, 1 at most, of which all `weights` are whole multiples; None where there is none."""
    for k in range(FINEST + 1):
        scaled = [w * 2.0**k for w in weights]
        if any(np.abs(w).max(initial=0) >= WIDEST for w in scaled):
            return None
        if all((w == np.rint(w)).all() for w in scaled):
            return 2.0**-k
    return None
