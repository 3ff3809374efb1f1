"""What stands in the way of a network on SANA-FE, all of it at once."""

from __future__ import annotations

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
    is_integer,
    signed_bits,
)
from ganglion.ir.slices import first_populations

from .architecture import chip
from .synapses import total

SUPPORTED: tuple[type[Op], ...] = (Input, Conv2d, Dense, OneToOne, Sparse, GroupNeuron, Readout)
SOURCES = (Input, GroupNeuron)
REASONS: dict[type[Op], str] = {
    **COMPOSED,
    PhaseNeuron: "sends spikes with a payload, one value for each step; SANA-FE's neurons send one spike or none",
    MaxPool: "sends how much a maximum grew, several spikes at once and also negative ones; SANA-FE's neurons send one "
    "spike or none",
    IntegrateFire: "is made when the bundle is written: emit the network before it is expanded",
    LateralInhibition: "is made when the bundle is written: emit the network before it is expanded",
    Cluster: "is made when the bundle is written: emit the network before it is expanded",
}
HINTS: dict[type[Op], str] = {MaxPool: "emit the populations before the max-pool (--populations), or use average pools"}
POTENTIAL_BITS = 24  # SANA-FE keeps a potential in 64ths in 32 bits; it takes thresholds with half units in 24
WEIGHT_BITS = 32
MAX_DELAY = 5
MAX_SYNAPSES = 16_000_000  # each takes about 0.75 KB of memory in SANA-FE


def check(graph: Graph) -> list[Diagnostic]:
    """Every reason why `graph` cannot be emitted; empty where it can. It may be a slice, without a readout."""
    if stage := stage_problems(graph, "SANA-FE"):
        return stage
    if ends := end_problems(graph, (Input, Readout) if graph.of(Readout) else (Input,)):
        return ends
    found = schedule_problems(graph)
    if not found and not graph.of(Membrane):
        found.append(Diagnostic(op="", origin=(), message="the network has no populations", hint="compile it first"))
    for op in graph.ops:
        for message, hint in problems(graph, op):
            found.append(Diagnostic(op=op.name, origin=op.origin, message=f"{op.mnemonic} {message}", hint=hint))
    if not found and total(graph) > MAX_SYNAPSES:
        message = (
            f"the network has {total(graph):,} synapses in cluster form, from every member to every member; SANA-FE's "
            f"memory is enough for about {MAX_SYNAPSES:,}"
        )
        found.append(Diagnostic(op="", origin=(), message=message, hint=slice_hint(graph)))
    return found


def slice_hint(graph: Graph) -> str:
    """What to do about a network that is too large."""
    fitting = 0
    for count in range(1, len(graph.populations) + 1):
        if total(first_populations(graph, count)) > MAX_SYNAPSES:
            break
        fitting = count
    part = f"the first {fitting} fit (--populations {fitting})" if fitting else "not even the first population fits"
    return f"{part}; or compile with fewer members"


def problems(graph: Graph, op: Op) -> list[tuple[str, str]]:
    """What is wrong with one op, and what to do about it."""
    if type(op) not in SUPPORTED:
        return [(REASONS.get(type(op), "is not known to the SANA-FE backend"), HINTS.get(type(op), ""))]
    if isinstance(op, Projection):
        return projection_problems(graph, op)
    return membrane_problems(graph, op) if isinstance(op, Membrane) else []


def membrane_problems(graph: Graph, op: Membrane) -> list[tuple[str, str]]:
    """What is wrong with one population or the readout."""
    found = []
    if not all(isinstance(graph[i], Projection) for i in op.inputs):
        found.append(("has inputs that are not projections", ""))
    if op.interval and signed_bits(*op.interval) > POTENTIAL_BITS:
        found.append((f"has potentials in {op.interval}, which does not fit {POTENTIAL_BITS} bits", ""))
    if not isinstance(op, GroupNeuron):
        return found
    if op.graded_only:
        found.append((f"has no cluster form: {op.graded_only}", "compile with the method gn"))
    if op.bias_by_step is not None:
        found.append(("has a bias of its own at each step; SANA-FE's neurons have one for all", "compile with gn"))
    if op.takers:
        found.append(
            (
                "has members that take spikes back only while there are some to take back; SANA-FE's neurons see their "
                "potential alone",
                "compile with the method gn",
            )
        )
    if int(op.thresholds.max()) >= 1 << (POTENTIAL_BITS - 1):
        found.append((f"has thresholds up to {int(op.thresholds.max())}, beyond {POTENTIAL_BITS} bits", ""))
    if op.members > chip().compartments:
        message = f"has clusters of {op.members} members; a core has {chip().compartments} compartments"
        found.append((message, "compile with fewer members"))
    return found


def projection_problems(graph: Graph, op: Projection) -> list[tuple[str, str]]:
    """What is wrong with one projection: its source, its weights, its delay."""
    if not isinstance(graph[op.inputs[0]], SOURCES):
        known = type(graph[op.inputs[0]]) in REASONS  # told there
        return [] if known else [("does not read a population", "")]
    if not is_integer(op.weight) or op.exponent < 0:
        return [("has weights that are not integers with an exponent of 0 or more", "")]
    found = []
    bits = signed_bits(int(op.weight.min(initial=0)), int(op.weight.max(initial=0))) + op.exponent
    if bits > WEIGHT_BITS:
        found.append((f"has weights of {bits} bits; SANA-FE takes {WEIGHT_BITS}", ""))
    if op.delay > MAX_DELAY and graph[op.inputs[0]] is not graph.input:
        message = f"waits {op.delay} steps beside its own; SANA-FE's dendrites keep spikes for at most {MAX_DELAY}"
        found.append((message, "emit the populations before it (--populations)"))
    for receiver in graph.consumers(op.name):
        late = graph.level(op.inputs[0]) + 1 + op.delay - graph.level(receiver.name)
        if late:
            how = f"{abs(late)} steps {'late' if late > 0 else 'early'}"
            message = f"reaches '{receiver.name}' {how}, outside its window"
            found.append((message, "delays must be balanced: compile the model again"))
    return found
