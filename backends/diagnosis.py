"""What every backend's `check` asks of a network before it looks at the ops."""

from __future__ import annotations

from collections.abc import Iterable

from ganglion.errors import CompileError
from ganglion.ir import Bias, Concat, Gather, Graph, Input, Op, Range, Readout, Reshape, Stage, Staircase, Sum

from .protocol import Diagnostic

COMPOSED: dict[type[Op], str] = {  # why a compiled network has no such op
    Bias: "is composed into its population before quantisation",
    Sum: "is composed into projections before quantisation",
    Concat: "is composed into projections before quantisation",
    Gather: "is composed into projections before quantisation",
    Reshape: "is composed into projections before quantisation",
    Range: "is dropped, or becomes a relay population, before quantisation",
    Staircase: "becomes a Group Neuron before quantisation",
}


def stage_problems(graph: Graph, who: str) -> list[Diagnostic]:
    """Whether `graph` is quantised, as `who` ("Lava", for example) takes it."""
    if graph.stage is Stage.QUANTIZED:
        return []
    hint = "compile it first" if graph.stage < Stage.QUANTIZED else "emit the network before it is expanded"
    message = f"{who} takes a quantized network; this one is {graph.stage.name.lower()}"
    return [Diagnostic(op="", origin=(), message=message, hint=hint)]


def end_problems(graph: Graph, needs: Iterable[type[Op]] = (Input, Readout)) -> list[Diagnostic]:
    """Whether `graph` has just one input and one readout; or one of those of them that it needs."""
    found = []
    for need in needs:
        try:
            graph.input if need is Input else graph.readout  # noqa: B018
        except CompileError as error:
            found.append(Diagnostic(op="", origin=error.origin, message=error.message))
    return found


def schedule_problems(graph: Graph) -> list[Diagnostic]:
    """Whether `graph` has a window of T steps."""
    if graph.steps >= 1:
        return []
    return [Diagnostic(op="", origin=(), message="the network is not scheduled", hint="compile it first")]
