"""What stands in the way of a network as ONNX models, all of it at once."""

from __future__ import annotations

import numpy as np

from ganglion.backends.diagnosis import COMPOSED, end_problems, schedule_problems, stage_problems
from ganglion.backends.protocol import Diagnostic
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
    Spikes,
    is_integer,
    signed_bits,
)
from ganglion.ir.exact import prove

from .parts import LARGEST
from .projections import EMITTERS
from .step import RULES

SUPPORTED: tuple[type[Op], ...] = (Input, *EMITTERS, *RULES)
SOURCES = (Input, GroupNeuron, MaxPool)
EXPANDED = "is a part of a population in cluster form: emit the graded form, which sends the same spikes"
REASONS: dict[type[Op], str] = {
    **COMPOSED,
    PhaseNeuron: "collects a whole window before it sends, which the models of a step and a window have no place for",
    IntegrateFire: EXPANDED,
    LateralInhibition: EXPANDED,
    Cluster: EXPANDED,
}
POTENTIAL_BITS, SUM = 31, 1 << 31  # one bit less than int32 has: a search pads its tables with int32's largest


def check(graph: Graph) -> list[Diagnostic]:
    """Every reason why `graph` cannot be emitted; empty where it can."""
    found = [*stage_problems(graph, "the ONNX backend"), *end_problems(graph), *schedule_problems(graph)]
    for op in graph.ops:
        found += [Diagnostic(op=op.name, origin=op.origin, message=f"{op.mnemonic} {m}") for m in _problems(graph, op)]
    return found


def _problems(graph: Graph, op: Op) -> list[str]:
    """What is wrong with one op."""
    if type(op) not in SUPPORTED:
        return [REASONS.get(type(op), "is not known to the ONNX backend")]
    found = []
    value = graph.typeof(op.name)
    if isinstance(value, Spikes) and max(-value.low, value.high) > LARGEST:
        found.append(f"sends {value.low}..{value.high}; float32 is exact for products of bytes and up to {LARGEST}")
    if isinstance(op, Membrane):
        found += _membrane_problems(graph, op)
    if isinstance(op, Projection):
        found += _projection_problems(graph, op)
    return found


def _membrane_problems(graph: Graph, op: Membrane) -> list[str]:
    found = []
    if not all(isinstance(graph[i], Projection) for i in op.inputs):
        found.append("has inputs that are not projections")
    if op.interval and signed_bits(*op.interval) > POTENTIAL_BITS:
        found.append(f"has potentials in {op.interval}, which does not fit {POTENTIAL_BITS} bits")
    arrays = _arrays(op)
    if not all(is_integer(a) for a in arrays):
        found.append("has tables or biases that are not integers")
    elif any(int(np.abs(a.astype(np.int64)).max(initial=0)) >= SUM for a in arrays):
        found.append("has tables or biases wider than 32 bits")
    return found


def _arrays(op: Membrane) -> list[Array]:
    """Everything that is added to, compared with, or taken from the potential."""
    arrays = [op.bias]
    if isinstance(op, GroupNeuron):
        arrays += [op.bias_by_step, op.thresholds, np.cumsum(op.inhibition, axis=0)]
        if op.taking:
            arrays += [op.taking[0], np.cumsum(op.taking[1], axis=0)]
    return [a for a in arrays if a is not None]


def _projection_problems(graph: Graph, op: Projection) -> list[str]:
    """What is wrong with one projection: its source, its weights, its delay, and the width of what arrives."""
    source = graph.typeof(op.inputs[0])
    if not isinstance(graph[op.inputs[0]], SOURCES) or not isinstance(source, Spikes):
        return ["does not read a population"]
    if not is_integer(op.weight) or op.exponent < 0:
        return ["has weights that are not integers with an exponent of 0 or more"]
    found = []
    bound = prove(op, source).bound << op.exponent
    if bound >= SUM:
        found.append(f"sums up to {bound}, which does not fit 32 bits")
    for target in graph.consumers(op.name):
        if isinstance(target, Membrane) and target.level - graph.level(op.inputs[0]) - 1 != op.delay:
            found.append(f"reaches '{target.name}' with a delay of {op.delay}, at another local step than its own")
    return found
