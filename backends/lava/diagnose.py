"""What stands in the way of a network on Lava, all of it at once."""

from __future__ import annotations

import numpy as np

from ganglion.backends.diagnosis import COMPOSED, end_problems, schedule_problems, stage_problems
from ganglion.backends.protocol import Diagnostic
from ganglion.ir import (
    Cluster,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    OneToOne,
    Op,
    PhaseNeuron,
    Projection,
    Readout,
    Sparse,
    Spikes,
    is_integer,
    signed_bits,
)

SUPPORTED: tuple[type[Op], ...] = (Input, Conv2d, Dense, OneToOne, Sparse, GroupNeuron, PhaseNeuron, MaxPool, Readout)
SOURCES = (Input, GroupNeuron, PhaseNeuron, MaxPool)
REASONS: dict[type[Op], str] = {
    **COMPOSED,
    IntegrateFire: "is made by the bundle itself when it runs in cluster form: emit the graded form",
    LateralInhibition: "is made by the bundle itself when it runs in cluster form: emit the graded form",
    Cluster: "is made by the bundle itself when it runs in cluster form: emit the graded form",
}
PAYLOAD_BITS, POTENTIAL_BITS, SUM_BITS = 24, 24, 32


def check(graph: Graph) -> list[Diagnostic]:
    """Every reason why `graph` cannot be emitted; empty where it can."""
    found = [*stage_problems(graph, "Lava"), *end_problems(graph), *schedule_problems(graph)]
    for op in graph.ops:
        found += [Diagnostic(op=op.name, origin=op.origin, message=f"{op.mnemonic} {m}") for m in problems(graph, op)]
    return found


def problems(graph: Graph, op: Op) -> list[str]:
    """What is wrong with one op."""
    if type(op) not in SUPPORTED:
        return [REASONS.get(type(op), "is not known to the Lava backend")]
    found = []
    value = graph.typeof(op.name)
    if isinstance(value, Spikes) and signed_bits(value.low, value.high) > PAYLOAD_BITS:
        found.append(f"sends {value.low}..{value.high}, which does not fit Lava's {PAYLOAD_BITS}-bit payload")
    if isinstance(op, Membrane):
        if not all(isinstance(graph[i], Projection) for i in op.inputs):
            found.append("has inputs that are not projections")
        if op.interval and signed_bits(*op.interval) > POTENTIAL_BITS:
            found.append(f"has potentials in {op.interval}, which does not fit {POTENTIAL_BITS} bits")
        arrays = [a for a in (op.bias, *tables(op)) if a is not None]
        if not all(is_integer(a) for a in arrays):
            found.append("has tables or biases that are not integers")
        elif any(signed_bits(int(a.min()), int(a.max())) > SUM_BITS for a in arrays if a.size):
            found.append(f"has tables or biases wider than {SUM_BITS} bits")
    if isinstance(op, Projection):
        found += projection_problems(graph, op)
    return found


def tables(op: Membrane) -> list[np.ndarray]:
    """The tables of a population."""
    if isinstance(op, PhaseNeuron):
        return [op.thresholds]
    return [op.thresholds, op.inhibition] if isinstance(op, GroupNeuron) else []


def projection_problems(graph: Graph, op: Projection) -> list[str]:
    """What is wrong with one projection: its source, its weights, and the width of what arrives."""
    source = graph.typeof(op.inputs[0])
    if not isinstance(graph[op.inputs[0]], SOURCES) or not isinstance(source, Spikes):
        return ["does not read a population"]
    least, most = int(op.weight.min(initial=0)), int(op.weight.max(initial=0))
    if not is_integer(op.weight) or signed_bits(least, most) > 8 or op.exponent < 0:
        return ["has weights that are not 8-bit integers with an exponent of 0 or more"]
    positive, negative = op.sums(source.shape)
    bound = int((positive - negative).max()) * max(abs(source.low), abs(source.high)) << op.exponent
    if 2 * bound >= 2 ** (SUM_BITS - 1):  # Dense sums twice the weight
        return [f"sums up to {bound}, which does not fit the {SUM_BITS} bits of Lava's accumulators"]
    return []
