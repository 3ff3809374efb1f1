"""What must hold at each stage, as a table of rules. A rule that fails is a bug in the pass before it.

`Graph` itself guarantees unique names, topological order and types that fit; the rules add what is
particular to a stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ganglion.errors import InternalError

from .exact import candidates, prove
from .graph import Graph, Stage
from .interval import potential_bounds
from .ops import (
    Array,
    Bias,
    Cluster,
    Concat,
    Gather,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Range,
    Readout,
    Reshape,
    Staircase,
    Sum,
    is_integer,
)
from .text import op_text, to_text
from .types import Spikes, signed_bits

LIMIT = 32  # bits of the integers in which every engine computes; a target's own width is proved by `quantize`

SPIKING = (Input, Projection, GroupNeuron, PhaseNeuron, MaxPool, Readout)
ALLOWED: dict[Stage, tuple[type[Op], ...]] = {
    Stage.IMPORTED: (*(Input, Projection, Bias, Sum, Concat, Gather, Reshape, Range, Staircase, MaxPool, Readout),),
    Stage.COMPOSED: (Input, Projection, Staircase, MaxPool, Readout),
    Stage.GROUPED: SPIKING,
    Stage.SCHEDULED: SPIKING,
    Stage.QUANTIZED: SPIKING,
    Stage.CLUSTERED: (Input, Projection, IntegrateFire, LateralInhibition, Cluster, PhaseNeuron, MaxPool, Readout),
}
INTEGER_FIELDS: dict[type[Op], tuple[str, ...]] = {
    Projection: ("weight",),
    Membrane: ("bias",),
    GroupNeuron: ("thresholds", "inhibition", "negative", "excitation", "bias_by_step"),
    PhaseNeuron: ("thresholds",),
    IntegrateFire: ("threshold", "bias_by_step"),
    LateralInhibition: ("weights",),
}


def verify(graph: Graph) -> None:
    """Raise `InternalError` with the first rule that the graph breaks, all the places where, and the graph's text.

    Rules build on those before them, so the later ones are not asked then.
    """
    for first, rule in RULES:
        problems = [f"{rule.__name__}: {p}" for p in rule(graph)] if graph.stage >= first else []
        if problems:
            raise InternalError(
                f"the network breaks the rules of stage {graph.stage.name.lower()}:\n  " + "\n  ".join(problems),
                ir_text=to_text(graph),
            )


def only_ops_of_the_stage(graph: Graph) -> Iterator[str]:
    for op in graph.ops:
        if not isinstance(op, ALLOWED[graph.stage]):
            yield f"{op_text(op)} does not belong here"


def one_input_one_readout(graph: Graph) -> Iterator[str]:
    for kind in (Input, Readout):
        if len(graph.of(kind)) != 1:
            yield f"{len(graph.of(kind))} ops of kind {kind.mnemonic}, expected one"


def projections_join_populations(graph: Graph) -> Iterator[str]:
    """A projection reads spikes and feeds membranes; a membrane reads projections."""
    for op in graph.ops:
        if isinstance(op, Projection):
            if not isinstance(graph.typeof(op.inputs[0]), Spikes):
                yield f"'{op.name}' reads '{op.inputs[0]}', which is not spikes"
            readers = graph.consumers(op.name)
            if not readers or not all(isinstance(r, (Membrane, Staircase)) for r in readers):
                yield f"'{op.name}' must feed populations and nothing else"
        if isinstance(op, (Membrane, Staircase)) and not all(isinstance(graph[i], Projection) for i in op.inputs):
            yield f"'{op.name}' reads something that is not a projection"


def paths_are_balanced(graph: Graph) -> Iterator[str]:
    """level(r) = level(p) + 1 + delay for every projection from p to r, and T is known."""
    if graph.steps < 1:
        yield f"windows of {graph.steps} steps"
    for neuron in graph.of(Membrane):
        if not isinstance(neuron, (GroupNeuron, IntegrateFire)):
            continue
        if neuron.bias_by_step is not None and len(neuron.bias_by_step) != graph.steps:
            yield f"'{neuron.name}' has a bias for {len(neuron.bias_by_step)} steps in windows of {graph.steps}"
    for phases in graph.of(PhaseNeuron):
        if len(phases.payloads) != graph.steps:
            yield f"'{phases.name}' has {len(phases.payloads)} phases in windows of {graph.steps} steps"
    for op in graph.of(Membrane):
        for projection in (graph[name] for name in op.inputs):
            assert isinstance(projection, Projection)
            arrival = graph.level(projection.inputs[0]) + 1 + projection.delay
            if arrival != op.level:
                yield f"'{projection.name}' arrives at level {arrival}, but '{op.name}' is at level {op.level}"


def everything_is_integer(graph: Graph) -> Iterator[str]:
    for op in graph.ops:
        for kind, names in INTEGER_FIELDS.items():
            for name in names if isinstance(op, kind) else ():
                array = getattr(op, name)
                if array is not None and not is_integer(array):
                    yield f"'{op.name}' has a real {name}"


def membranes_fit(graph: Graph) -> Iterator[str]:
    """No potential can leave the integers in which the engines compute."""
    for op in graph.of(Membrane):
        low, high = potential_bounds(graph, op)
        if signed_bits(low, high) > LIMIT:
            yield f"the potential of '{op.name}' may reach [{low}, {high}]: more than {LIMIT} bits"


def kernels_are_exact(graph: Graph) -> Iterator[str]:
    """The kernel that a projection names, if any, computes it exactly, and its bound holds."""
    for op in graph.of(Projection):
        source = graph.typeof(op.inputs[0])
        if not op.kernel:
            continue
        assert isinstance(source, Spikes)
        if op.kernel not in candidates(op):
            yield f"'{op.name}' cannot be computed by the kernel '{op.kernel}'"
            continue
        proof = prove(op, source)
        if proof.bound > op.bound or proof.problem(op.kernel):
            yield f"'{op.name}': {op.kernel} with the bound {op.bound} is not exact; the sums may reach {proof.bound}"


def clusters_are_whole(graph: Graph) -> Iterator[str]:
    """Every cluster has one lateral inhibition over all its members, and they share input, bias and level."""
    for name, members in graph.clusters().items():
        if {m.inhibited_by for m in members} != {name}:
            yield f"'{name}' does not inhibit its own members alone"
        if len({(m.inputs, m.level, *map(_bytes, (m.bias, m.bias_by_step))) for m in members}) != 1:
            yield f"the members of '{name}' do not share input, bias and level"
    inhibited = {m.name for members in graph.clusters().values() for m in members}
    for op in graph.of(IntegrateFire):
        if op.name not in inhibited:
            yield f"nothing inhibits '{op.name}'"
    for cluster in graph.of(Cluster):
        if not set(cluster.inputs) <= inhibited:
            yield f"cluster '{cluster.name}' counts something that is not a member"


def _bytes(array: Array | None) -> bytes:
    return b"" if array is None else array.tobytes()


RULES: tuple[tuple[Stage, Callable[[Graph], Iterator[str]]], ...] = (
    (Stage.IMPORTED, only_ops_of_the_stage),
    (Stage.IMPORTED, one_input_one_readout),
    (Stage.COMPOSED, projections_join_populations),
    (Stage.SCHEDULED, paths_are_balanced),
    (Stage.QUANTIZED, everything_is_integer),
    (Stage.QUANTIZED, membranes_fit),
    (Stage.QUANTIZED, kernels_are_exact),
    (Stage.CLUSTERED, clusters_are_whole),
)
