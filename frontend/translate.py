"""ONNX becomes the IR: every node is an op, part of an activation, or a reason why it cannot be compiled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ganglion.errors import CompileError
from ganglion.ir import Graph, Input, Range, Readout

from . import arithmetic, layers, pooling, rearrange
from .activations import ELEMENTWISE, Activation
from .codes import Codes
from .epilogue import choose_output, cut_epilogue, interface_problems
from .input_format import InputFormat, chosen
from .lattice import Exact, lattice
from .levels import Bounds, Chosen, Levels, Preview, Recorded
from .names import Names, sanitise
from .populations import (
    Fitted,
    Population,
    emit_input_codes,
    emit_ramp,
    emit_staircase,
    emit_table,
    fit_activations,
    input_quantiser,
    uneven,
    without_levels,
)
from .reader import Source, load, read
from .rewrites import MAXIMA, drop, maxima_last
from .translation import Translation
from .values import FLOATS, combine, constant, is_onnx, name_of, op_label, shape_of, variables

HANDLERS: dict[str, Callable[[ir.Node, Translation], None]] = {
    **arithmetic.HANDLERS,
    **layers.HANDLERS,
    **pooling.HANDLERS,
    **rearrange.HANDLERS,
}
UNCHANGED = ("Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze")
LOGITS = "export the model up to the logits: the largest one is the same"
HINTS = {
    "LRN": "replace it by BatchNormalization and train again, or try the network without it: --drop LRN",
    **dict.fromkeys(("Softmax", "LogSoftmax", "ArgMax"), LOGITS),
    **dict.fromkeys(("If", "Loop", "Scan"), "export the model by tracing, for one fixed path through the code"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrent layers have no form here; only feed-forward networks have"),
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization"),
        "it divides by a statistic of its own input; replace it by BatchNormalization and train again",
    ),
}


@dataclass(frozen=True, eq=False)
class Imported:
    """`graph`, or None and the `problems`: one for every place that cannot be compiled.

    `populations` are the activations that are staircases (or ramps with levels), `refused` those that are neither.
    `dropped` nodes were taken out as asked, `epilogue` ones follow the logits; `result` is the value of the logits.
    """

    graph: Graph | None
    problems: list[CompileError]
    populations: list[Population] = field(default_factory=list)
    refused: list[Activation] = field(default_factory=list)
    dropped: list[ir.Node] = field(default_factory=list)
    epilogue: list[ir.Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user says about a model besides the model.

    input_range, input_step  which real values the input takes: low, low + step, ..., high
    calibration              what gives plain activations their levels, and linear values their range: samples; or, for
                             activations that are clipped, the levels alone (`Bounds`)
    drop                     op types of nodes to take out
    output                   the output to compile, where there are several
    """

    input_range: tuple[float, float] | None = None
    input_step: float | None = None
    calibration: Levels | None = None
    drop: Sequence[str] = ()
    output: str | None = None

    def recipe(self, levels: Chosen | None) -> str:
        """What of it decides which network comes out, as JSON; all but the input's codes, which the network holds."""
        chosen = levels.as_json() if levels is not None else None
        return json.dumps({"drop": list(self.drop), "output": self.output, "calibration": chosen})

    @staticmethod
    def from_recipe(text: str) -> Options:
        """The options that a network was compiled with; "" gives the default ones."""
        given = json.loads(text) if text else {"drop": [], "output": None, "calibration": None}
        levels = Recorded(given["calibration"]) if given["calibration"] else None
        return Options(calibration=levels, drop=tuple(given["drop"]), output=given["output"])


def import_model(source: Source, options: Options | None = None) -> Graph:
    """The spiking IR, at stage IMPORTED, of an ONNX model (a path, an `onnx.ModelProto` or an `onnx_ir.Model`).

    The values of the result are real numbers in the model's units, without the batch axis; activations are
    staircases (QCFS, Bu et al., ICLR 2022). Raises `InputError` for an unusable file, range or
    step, and one `CompileError` that names every node that cannot be compiled and says why.
    """
    done = translate(read(source), options or Options(), name=title(source))
    if done.graph is None:
        raise combine(done.problems)
    return done.graph


def reference(source: Source, options: Options) -> Source:
    """The model whose output the logits stand for: as it was given, or without what is dropped and the epilogue."""
    model = load(source)
    outputs = list(model.graph.outputs)
    choose_output(model.graph, options.output)
    dropped, epilogue = drop(model.graph, options.drop), cut_epilogue(model)
    return model if dropped or epilogue or list(model.graph.outputs) != outputs else source


def title(source: Source) -> str:
    """What the network is called: the file's name without its ending."""
    return sanitise(Path(source).stem) if isinstance(source, (str, os.PathLike)) else ""


def translate(model: ir.Model, options: Options, *, name: str = "") -> Imported:
    """The network of a model that `read` has prepared, or everything that stands in its way."""
    graph = model.graph
    dropped, epilogue, notes = prepare(model, options)
    used = [v for v in graph.inputs if v.uses() or v.is_graph_output()]
    problems = interface_problems(graph, shape_of(used[0]) if used else None)
    if problems:
        return Imported(None, problems, dropped=dropped, epilogue=epilogue)
    value, result = used[0], graph.outputs[0]
    activations = fit_activations(model, problems)
    levels = _levels(model, value, activations, options, problems)
    quantiser = input_quantiser(activations, value)
    codes = quantiser[1] if quantiser is not None else _codes(model, value, options, levels)
    notes += [codes.note] if codes.note else []
    if quantiser is not None and (options.input_range is not None or options.input_step is not None):
        notes.append(f"the model quantises its own input '{value.name}': the input range that was given is not used")

    shape = shape_of(value)
    assert shape is not None, "refused above"
    opsets = dict(model.opset_imports)
    whole = lattice(activations, Codes(activations, value, codes), opsets, result)
    t = Translation(batch=shape[0], names=Names(), opsets=opsets, gains=whole.gains)
    t.values[value] = t.emit(Input, name_of(value), [], [name_of(value)], shape=shape[1:], **codes.fields())
    readout = t.names.fresh(name_of(result))
    inside = {node for a in activations for node in a.activation.nodes}
    by_output = {a.activation.output: a for a in activations}
    populations: list[Population] = []
    for node in graph:
        fitted = by_output.get(node.outputs[0])
        if fitted is not None and (fitted.fit is not None or (fitted.ramp is not None and levels is not None)):
            populations.append(_population(t, fitted, quantiser, levels, populations, whole.activations))
        elif node not in inside:
            _linear(node, t, problems)
            _observe(node, t, levels)
        for output in node.outputs:
            t.values.setdefault(output, "")  # refused, or inside of an activation: nothing that is used reads it
    if not problems and not t.values.get(result):
        problems.append(CompileError("the output does not depend on the input", origin=[name_of(result)]))
    refused = [a.activation for a in activations if a.fit is None and a.ramp is None]
    if problems:
        return Imported(None, problems, populations, refused, dropped, epilogue)
    notes += [*(levels.notes if levels is not None else []), *whole.notes, *uneven(activations)]
    last = Readout(
        name=readout, inputs=(t.values[result],), origin=(name_of(result),), unit=np.array(1.0), grid=whole.readout
    )  # fmt: skip
    ops = [*t.ops, last]
    network = Graph(
        ops=tuple(ops),
        name=name or sanitise(graph.name or "network"),
        notes=tuple(notes),
        recipe=options.recipe(levels),
    )
    return Imported(network, [], populations, refused, dropped, epilogue)


def prepare(model: ir.Model, options: Options) -> tuple[list[ir.Node], list[ir.Node], list[str]]:
    """In place: the output is chosen, and what it does not need removed; what is dropped, what follows the logits, and
    exact rewrites. Returns what is dropped and what follows, with notes.
    """
    choose_output(model.graph, options.output)
    RemoveUnusedNodesPass()(model)  # what only other outputs need is nobody's problem
    dropped = drop(model.graph, options.drop)
    notes = [f"{name_of(n)}: {op_label(n)} dropped, as asked" for n in dropped]
    missing = sorted(set(options.drop) - {n.op_type for n in dropped})
    notes += [f"there is no {', '.join(missing)} to drop"] if missing else []
    epilogue = cut_epilogue(model)
    if epilogue:
        ops = ", ".join(dict.fromkeys(op_label(n) for n in epilogue))
        notes.append(f"{ops} after '{name_of(model.graph.outputs[0])}' dropped: the readout gives the logits before it")
    maxima_last(model.graph)
    return dropped, epilogue, notes


def _levels(
    model: ir.Model, value: ir.Value, found: list[Fitted], options: Options, problems: list[CompileError]
) -> Chosen | None:
    """The levels of the ramps and the ranges of linear values, from the calibration; None where there is none."""
    ramps = {f.activation.output: f.ramp for f in found if f.ramp is not None}
    if options.calibration is None or isinstance(options.calibration, Bounds):
        bounded = options.calibration is not None
        refused = [f for f in found if f.ramp is not None and not (bounded and isfinite(f.ramp.height))]
        problems += without_levels(refused)
        if refused or not ramps or options.calibration is None:
            return None
    if problems and not isinstance(options.calibration, Preview):
        return None  # refused anyway: no need to run the model
    inside = {node for a in found for node in a.activation.nodes}
    linear = [n.outputs[0] for n in model.graph if n not in inside and _may_relay(n)]
    return options.calibration.choose(model, value, ramps, linear)


def _may_relay(node: ir.Node) -> bool:
    """Whether a relay population can stand behind `node`: a linear one, and not one that only moves values about."""
    output = node.outputs[0]
    if node.op_type not in HANDLERS or output.dtype not in FLOATS or constant(output) is not None:
        return False
    if node.op_type in UNCHANGED or node.op_type in rearrange.HANDLERS:
        return any(is_onnx(reader, *MAXIMA) for reader in output.consumers())
    return True


def _codes(model: ir.Model, value: ir.Value, options: Options, levels: Chosen | None) -> InputFormat:
    seen = levels.input_range if levels is not None else None
    return chosen(model, value, options.input_range, options.input_step, seen)


def _population(
    t: Translation,
    fitted: Fitted,
    quantiser: tuple[Fitted, InputFormat] | None,
    levels: Chosen | None,
    earlier: list[Population],
    exact: dict[ir.Value, Exact],
) -> Population:
    if fitted.fit is None:
        assert fitted.ramp is not None
        assert levels is not None
        theta = levels.theta(fitted.activation.output)
        return emit_ramp(t, fitted.activation, fitted.ramp, theta, levels.levels, earlier)
    if quantiser is not None and fitted is quantiser[0]:
        return emit_input_codes(t, fitted.activation, fitted.fit, quantiser[1])
    if fitted.table is not None:
        return emit_table(t, fitted.activation, fitted.table, exact.get(fitted.activation.output))
    return emit_staircase(t, fitted.activation, fitted.fit, earlier, exact.get(fitted.activation.output))


def _linear(node: ir.Node, t: Translation, problems: list[CompileError]) -> None:
    handler = HANDLERS.get(node.op_type) if is_onnx(node, node.op_type) else None
    if is_onnx(node, "Constant"):
        return
    try:
        if handler is None:
            raise unsupported(node)
        _check_types(node)
        handler(node, t)
    except CompileError as error:
        # where a shape is unknown because of a node refused before, only the cause is worth telling
        if not problems or all(shape_of(v) is not None for v in variables(node)):
            problems.append(error)


def _check_types(node: ir.Node) -> None:
    """Raises `CompileError` where a linear node computes with integers, which wrap and truncate."""
    computes = node.op_type not in (*UNCHANGED, *MAXIMA) and node.op_type not in rearrange.HANDLERS
    if computes and any(v.dtype is not None and v.dtype not in FLOATS for v in node.outputs[:1]):
        kind = node.outputs[0].dtype
        assert kind is not None
        raise CompileError(
            f"{op_label(node)}: computes {kind.name.lower()}; only float32 and float64 arithmetic is supported",
            origin=[name_of(node)],
            hint="cast to float32 before it",
        )


def _observe(node: ir.Node, t: Translation, levels: Chosen | None) -> None:
    """Note the range of a linear value, so that a relay population can stand there."""
    output = node.outputs[0]
    bounds = levels.range(output) if levels is not None and t.values.get(output) else None
    if bounds is not None:
        name = t.values[output]
        t.values[output] = t.emit(
            Range, f"{name}.range", [name], [name_of(node)], low=bounds[0], high=bounds[1], value=name_of(output)
        )


def unsupported(node: ir.Node) -> CompileError:
    """Why there is no op for `node`."""
    values = list(dict.fromkeys(name_of(v) for v in variables(node)))
    label = op_label(node)
    if not is_onnx(node, *ELEMENTWISE):
        reason = f"{label} is not supported"
    elif len(values) > 1:
        reason = f"{label} of several computed values ({', '.join(values)}) is not linear"
    else:
        reason = f"{label} is supported only as part of an activation that keeps its input's shape"
    return CompileError(reason, origin=[name_of(node)], hint=HINTS.get(node.op_type, ""))


__all__ = ["HANDLERS", "Imported", "Options", "import_model", "reference", "title", "translate"]
