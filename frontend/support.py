"""The preflight: what becomes of every node of a model, all at once and before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Graph, Input, Range

from .epilogue import choose_output
from .levels import Preview
from .normalise import normalise
from .populations import Population
from .reader import Source, load, read
from .translate import Imported, Options, title, translate
from .values import combine, name_of, op_label

Status = Literal["supported", "changed", "refused"]
NOTHING = ("Identity", "Dropout", "Cast")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """What becomes of the ONNX node `name`; `note` says into what it is changed, or why it is refused.

    A problem with the model's inputs or outputs stands under their name, with `op_type` "Input" or "Output".
    """

    name: str
    op_type: str
    status: Status
    note: str


def check(source: Source, options: Options | None = None) -> list[NodeStatus]:
    """The statuses that `preview` gives."""
    return preview(source, options)[0]


def preview(source: Source, options: Options | None = None) -> tuple[list[NodeStatus], Graph | None]:
    """One status for every node of the model, in the model's order; refused ones tell all that must change.

    With it, the network at stage IMPORTED, where nothing is refused; where no calibration is given, the levels of
    plain activations and the ranges of linear values in it are placeholders. Raises `InputError` where the file
    cannot be read at all, or an option is not usable.
    """
    options = options or Options()
    if options.calibration is None:
        options = replace(options, calibration=Preview())
    model = load(source)
    nodes = [(name_of(n), op_label(n)) for n in model.graph]
    choose_output(model.graph, options.output)
    reached = _reached(model.graph)
    ends = {name_of(v): "Input" for v in model.graph.inputs} | {name_of(v): "Output" for v in model.graph.outputs}
    try:
        estimators = normalise(model)
    except CompileError as error:  # a dynamic dimension, or a node that contradicts itself: nothing further is known
        rest = f"not checked: {', '.join(error.origin)} comes first"
        later = [
            NodeStatus(name=n, op_type=op, status="refused", note=_reason(error) if n in error.origin else rest)
            for n, op in nodes
        ]
        return [*_elsewhere([error], dict(nodes), ends), *later], None
    done = translate(model, options, name=title(source))
    kept = {name_of(n) for n in model.graph}
    refused = {name: _reason(p) for p in done.problems for name in p.origin}
    changed = _parts(done)
    changed |= {name_of(n): "dropped, as asked" for n in done.dropped}
    changed |= {name_of(n): "dropped: it follows the logits, which the readout gives" for n in done.epilogue}
    statuses = []
    for name, op in nodes:
        status: Status = "changed"
        if name in refused:
            status, note = "refused", refused[name]
        elif name in changed:
            note = changed[name]
        elif name in kept:
            status, note = "supported", _became(done, name)
        elif name not in reached:
            note = "removed: the output does not depend on it"
        elif name in estimators:
            note = "removed: a straight-through estimator, which only training needs"
        else:
            note = "removed: it changes nothing" if op in NOTHING else "folded into a constant"
        statuses.append(NodeStatus(name=name, op_type=op, status=status, note=note))
    return [*statuses, *_elsewhere(done.problems, dict(nodes), ends)], done.graph


def sketch(source: Source, options: Options | None = None) -> tuple[Graph, frozenset[str]]:
    """The network at stage IMPORTED, even where plain activations still have no levels, and the ops that then hold
    placeholders: one level, theta = 1.

    A network with placeholders says so in its notes. Raises what `import_model` does, but for missing levels.
    """
    options = options or Options()
    done = translate(read(source), options, name=title(source))
    if done.graph is not None:
        return done.graph, frozenset()
    done = translate(read(source), replace(options, calibration=Preview(ranges=False)), name=title(source))
    if done.graph is None:
        raise combine(done.problems)
    plain = [p for p in done.populations if p.fit is None]
    nodes = {p.activation.names for p in plain}
    count = f"{len(plain)} activations" if len(plain) > 1 else f"the activation '{plain[0].name}'"
    note = (
        f"placeholders stand for the levels of {count}: a plain ReLU gets its levels from samples "
        "(ganglion compile --calibration X.npy)"
    )
    network = replace(done.graph, notes=(*done.graph.notes, note), recipe=options.recipe(None))
    return network, frozenset(op.name for op in network.ops if op.origin in nodes)


def _reason(problem: CompileError) -> str:
    """Why a node is refused, and what to do about it."""
    return problem.message + (f"; {problem.hint}" if problem.hint else "")


def _reached(graph: ir.Graph) -> set[str]:
    """The names of the nodes that an output depends on, through subgraphs as well."""
    names: set[str] = set()
    stack = [v.producer() for v in graph.outputs]
    while stack:
        node = stack.pop()
        if node is None or name_of(node) in names:
            continue
        names.add(name_of(node))
        inner = (a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH)
        captured = [v for g in inner for n in g.all_nodes() for v in n.inputs]
        stack += [v.producer() for v in (*node.inputs, *captured) if v is not None]
    return names


def _parts(done: Imported) -> dict[str, str]:
    """What the nodes of activations become."""
    notes: dict[str, str] = {}
    for activation in done.refused:
        cause = ", ".join(name_of(n) for n in activation.core)
        notes |= dict.fromkeys(activation.names, f"part of an activation that is refused at {cause}")
    for population in done.populations:
        notes |= dict.fromkeys(population.activation.names, _staircase(population, done))
    return notes


def _staircase(population: Population, done: Imported) -> str:
    fit = population.fit
    if fit is None:
        what = population.activation.describe()
        clipped = population.ramp is not None and isfinite(population.ramp.height)
        source = "up to its bound, or what samples say" if clipped else "with levels from samples (--calibration X.npy)"
        return f"{what} -> Group Neuron '{population.name}', {source}"
    what = f"staircase of {fit.levels} levels, step {fit.step:.6g}"
    op = done.graph[population.name] if done.graph is not None and population.name in done.graph else None
    if isinstance(op, Input):
        return f"{what} -> the codes {op.low}..{op.high} of the input '{op.name}'"
    return f"{what} -> Group Neuron '{population.name}'"


def _became(done: Imported, name: str) -> str:
    ops = [op for op in done.graph.ops if op.origin == (name,)] if done.graph is not None else []
    ops = [op for op in ops if not isinstance(op, Range)]  # of use only to composition
    return ", ".join(f"{type(op).__name__} '{op.name}'" for op in ops)


def _elsewhere(problems: Iterable[CompileError], nodes: dict[str, str], ends: dict[str, str]) -> list[NodeStatus]:
    """Problems that no node has."""
    return [
        NodeStatus(name=name, op_type=ends.get(name, "Model"), status="refused", note=_reason(problem))
        for problem in problems
        for name in problem.origin or ("model",)
        if name not in nodes
    ]
