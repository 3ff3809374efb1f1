"""ONNX becomes the IR: every node is an op, part of an activation, or a reason why it cannot be compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Graph, Input, Readout

from . import arithmetic, layers, pooling
from .activations import ELEMENTWISE, Activation
from .input_format import InputFormat, chosen
from .names import Names, sanitise
from .populations import Population, emit_input_codes, emit_staircase, fit_activations, input_quantiser
from .reader import Source, read
from .translation import Translation
from .values import combine, is_onnx, name_of, op_label, shape_of, variables

HANDLERS: dict[str, Callable[[ir.Node, Translation], None]] = {
    **arithmetic.HANDLERS,
    **layers.HANDLERS,
    **pooling.HANDLERS,
}
HINTS = {
    "MaxPool": "replace it by an average pool before training (ganglion.frontend.torch.convert does so on request)",
    "GlobalMaxPool": "replace it by a global average pool before training",
    "Softmax": "export the model up to the logits: the largest one is the same",
    "LogSoftmax": "export the model up to the logits: the largest one is the same",
    "ArgMax": "export the model up to the logits",
    **dict.fromkeys(("If", "Loop", "Scan"), "export the model by tracing, for one fixed path through the code"),
}


@dataclass(frozen=True, eq=False)
class Imported:
    """`graph`, or None and the `problems`: one for every place that cannot be compiled.

    `populations` are the activations that are staircases, `refused` those that are not.
    """

    graph: Graph | None
    problems: list[CompileError]
    populations: list[Population]
    refused: list[Activation]


def import_model(
    source: Source,
    *,
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
) -> Graph:
    """The spiking IR, at stage IMPORTED, of an ONNX model (a path, an `onnx.ModelProto` or an `onnx_ir.Model`).

    `input_range` (low, high) and `input_step` say which real values the input takes, low, low + step, ...,
    high; they go before what the model's metadata says. A model that quantises its own input needs neither.

    The values of the result are real numbers in the model's units, without the batch axis; activations are
    staircases (QCFS, Bu et al., ICLR 2022). Raises `InputError` for an unusable file, range or
    step, and one `CompileError` that names every node that cannot be compiled and says why.
    """
    done = translate(read(source), input_range=input_range, input_step=input_step, name=title(source))
    if done.graph is None:
        raise combine(done.problems)
    return done.graph


def title(source: Source) -> str:
    """What the network is called: the file's name without its ending."""
    return sanitise(Path(source).stem) if isinstance(source, (str, os.PathLike)) else ""


def translate(
    model: ir.Model,
    *,
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
    name: str = "",
) -> Imported:
    """The network of a model that `read` has prepared, or everything that stands in its way."""
    graph = model.graph
    problems = _interface(graph)
    if problems:
        return Imported(None, problems, [], [])
    value, result = graph.inputs[0], graph.outputs[0]
    activations = fit_activations(model, problems)
    quantiser = input_quantiser(activations, value)
    codes = quantiser[1] if quantiser is not None else chosen(model, input_range, input_step)
    notes = [codes.note] if codes.note else []
    if quantiser is not None and (input_range is not None or input_step is not None):
        notes.append(f"the model quantises its own input '{value.name}': the input range that was given is not used")

    shape = shape_of(value)
    assert shape is not None, "refused above"
    t = Translation(batch=shape[0], names=Names())
    t.values[value] = t.emit(Input, name_of(value), [], [name_of(value)], shape=shape[1:], **_fields(codes))
    readout = t.names.fresh(name_of(result))
    inside = {node for a in activations for node in a.activation.nodes}
    by_output = {a.activation.output: a for a in activations}
    populations: list[Population] = []
    for node in graph:
        fitted = by_output.get(node.outputs[0])
        if fitted is not None and fitted.fit is not None:
            if quantiser is not None and fitted is quantiser[0]:
                populations.append(emit_input_codes(t, fitted.activation, fitted.fit, codes))
            else:
                populations.append(emit_staircase(t, fitted.activation, fitted.fit, populations))
        elif node not in inside:
            _linear(node, t, problems)
        for output in node.outputs:
            t.values.setdefault(output, "")  # refused, or inside of an activation: nothing that is used reads it
    if not problems and not t.values.get(result):
        problems.append(CompileError("the output does not depend on the input", origin=[name_of(result)]))
    refused = [a.activation for a in activations if a.fit is None]
    if problems:
        return Imported(None, problems, populations, refused)
    ops = [*t.ops, Readout(name=readout, inputs=(t.values[result],), origin=(name_of(result),), unit=np.array(1.0))]
    network = Graph(ops=tuple(ops), name=name or sanitise(graph.name or "network"), notes=tuple(notes))
    return Imported(network, [], populations, refused)


def _linear(node: ir.Node, t: Translation, problems: list[CompileError]) -> None:
    handler = HANDLERS.get(node.op_type) if is_onnx(node, node.op_type) else None
    if is_onnx(node, "Constant"):
        return
    try:
        if handler is None:
            raise unsupported(node)
        handler(node, t)
    except CompileError as error:
        # where a shape is unknown because of a node refused before, only the cause is worth telling
        if not problems or all(shape_of(v) is not None for v in variables(node)):
            problems.append(error)


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


def _interface(graph: ir.Graph) -> list[CompileError]:
    problems = []
    for what, values in (("input", graph.inputs), ("output", graph.outputs)):
        if len(values) != 1:
            names = [name_of(v) for v in values]
            problems.append(
                CompileError(
                    f"the model has {len(values)} {what}s; exactly one is supported",
                    origin=names,
                    hint=f"export a model with one {what}",
                )
            )
    if not problems and len(shape_of(graph.inputs[0]) or ()) < 2:
        value = graph.inputs[0]
        problems.append(
            CompileError(
                f"the input '{value.name}' has shape {shape_of(value)}; it needs axis 0, the batch, and one axis more",
                origin=[name_of(value)],
            )
        )
    return problems


def _fields(codes: InputFormat) -> dict[str, float | bool]:
    return {"scale": codes.step, "low": codes.low, "high": codes.high, "saturate": codes.saturate}
