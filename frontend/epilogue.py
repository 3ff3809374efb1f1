"""Where the network ends: the one value that the readout stands for.

A classifier's last nodes (Softmax, ArgMax, a look-up of class names) neither change which class wins nor have a
spiking form; they are left to whoever reads the logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ganglion.errors import CompileError, InputError

from .values import is_onnx, name_of, variables

HEADS = ("Softmax", "LogSoftmax", "ArgMax", "Hardmax", "TopK", "Sigmoid")
REST = (
    *HEADS,
    *("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Shape", "Sub", "Concat", "Greater"),
    *("ArgMin", "Gather", "GatherElements", "OneHot", "Equal", "Where", "Not", "ReduceSum"),
)
CLASSICAL = ("ArrayFeatureExtractor", "Normalizer", "ZipMap", "LabelEncoder", "Binarizer", "Scaler")  # ai.onnx.ml


def choose_output(graph: ir.Graph, output: str | None) -> None:
    """In place: keep the output called `output` alone, and the inputs that are read.

    Raises `InputError` where there is none of that name.
    """
    names = [name_of(v) for v in graph.outputs]
    if output is not None:
        if output not in names:
            raise InputError(f"the model has no output '{output}'", hint=f"it has {', '.join(names)}")
        chosen = graph.outputs[names.index(output)]
        graph.outputs[:] = [chosen]


def cut_epilogue(model: ir.Model) -> list[ir.Node]:
    """In place: drop the epilogue, so that the value before it is the model's only output. Returns its nodes."""
    graph = model.graph
    for head in graph:
        if not is_onnx(head, *HEADS):
            continue
        if len(variables(head)) != 1:
            continue
        (value,) = variables(head)
        nodes = _after(value)
        made = {value} | {v for n in nodes for v in n.outputs}
        closed = all(set(variables(n)) <= made for n in nodes) and all(v in made for v in graph.outputs)
        if closed and all(_is_epilogue(n) for n in nodes):
            graph.outputs[:] = [value]
            RemoveUnusedNodesPass()(model)
            return [n for n in nodes if n.graph is None]
    return []


def _after(value: ir.Value) -> list[ir.Node]:
    """Every node that depends on `value`."""
    found: dict[ir.Node, None] = {}
    stack: list[ir.Node] = list(value.consumers())
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack += [c for v in node.outputs for c in v.consumers()]
    return list(found)


def _is_epilogue(node: ir.Node) -> bool:
    return is_onnx(node, *REST) or (node.domain == "ai.onnx.ml" and node.op_type in CLASSICAL)


def interface_problems(graph: ir.Graph, shape_of_input: Sequence[int] | None) -> list[CompileError]:
    """What is wrong with the number of inputs and outputs, and with the shape of the input."""
    problems = []
    inputs = [v for v in graph.inputs if v.uses()]
    if len(inputs) > 1:
        problems.append(
            CompileError(
                f"the model has {len(inputs)} inputs; exactly one is supported",
                origin=[name_of(v) for v in inputs],
                hint="export a model with one input; join several with Concat before the export, or make the others "
                "constants",
            )
        )
    if len(graph.outputs) != 1:
        names = [name_of(v) for v in graph.outputs]
        problems.append(
            CompileError(
                f"the model has {len(names)} outputs; exactly one is supported",
                origin=names,
                hint=f"choose one: --output-name {names[0]}" if names else "export a model with one output",
            )
        )
    if not problems and not inputs and not graph.outputs[0].is_graph_input():
        problems.append(
            CompileError("the output does not depend on the input", origin=[name_of(v) for v in graph.outputs])
        )
    if not problems and len(shape_of_input or ()) < 2:
        names = [name_of(v) for v in inputs or graph.outputs]
        problems.append(
            CompileError(
                f"the input '{names[0]}' has shape {shape_of_input}; it needs axis 0, the batch, and one axis more",
                origin=names,
            )
        )
    return problems
