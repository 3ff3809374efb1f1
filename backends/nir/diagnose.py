"""What stands in the way of a network as NIR, all of it at once."""

from __future__ import annotations

from ganglion.backends.diagnosis import end_problems, stage_problems
from ganglion.backends.protocol import Diagnostic
from ganglion.ir import (
    Bias,
    Cluster,
    Concat,
    Gather,
    Graph,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Op,
    PhaseNeuron,
    Projection,
    Range,
    Readout,
    Reshape,
    Staircase,
    Sum,
)

from .forms import layout

SUPPORTED: tuple[type[Op], ...] = (Input, Projection, GroupNeuron, Readout)
REASONS: dict[type[Op], tuple[str, str]] = {
    MaxPool: (
        "passes on the growth of a maximum; NIR has no such neuron, and integrate-and-fire neurons cannot stand in for "
        "it",
        "use average pools",
    ),
    PhaseNeuron: (
        "collects a window before it sends one spike, worth more the sooner; no NIR neuron does",
        "compile with another --method, such as gn",
    ),
    **dict.fromkeys((Bias, Sum, Concat, Gather, Reshape), ("is composed into projections first", "compile it first")),
    Range: ("is dropped, or becomes a relay population, first", "compile it first"),
    Staircase: ("becomes a Group Neuron first", "compile it first"),
    **dict.fromkeys(
        (IntegrateFire, LateralInhibition, Cluster),
        ("is written by the backend itself", "emit the network before it is expanded"),
    ),
}


def check(graph: Graph) -> list[Diagnostic]:
    """Every reason why `graph` cannot be written; empty where it can."""
    found = [*stage_problems(graph, "NIR"), *end_problems(graph)]
    for op in graph.ops:
        found += [
            Diagnostic(op=op.name, origin=op.origin, message=f"{op.mnemonic} {message}", hint=hint)
            for message, hint in problems(op)
        ]
    return found or layout(graph).problems


def problems(op: Op) -> list[tuple[str, str]]:
    """What is wrong with one op, and what to do about it."""
    if not isinstance(op, SUPPORTED):
        return [REASONS[type(op)]] if type(op) in REASONS else [("is not known to the NIR backend", "")]
    found = []
    if isinstance(op, GroupNeuron):
        other = "compile with another --method, such as gn"
        if op.takers:
            found.append(("has members that take spikes back, which they count; no NIR neuron does", other))
        if op.digits:
            found.append(("sends its count as binary digits; NIR's neurons do not see each other within a step", other))
        if op.bias_by_step is not None:
            found.append(("has a bias of its own at each step; NIR's biases are constant", other))
    return found
