"""Brings a model into the form the translation reads: static shapes, constants computed, no dead nodes."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ganglion.errors import CompileError

from .classical import plain_scalers
from .fold import fold_constants
from .libraries import guarded, in_model
from .limits import check_dims, check_sizes
from .parameters import check_parameters, check_quantisers
from .quantised import as_qdq, keep_integers
from .shapes import check_inference, check_sequences
from .values import is_onnx, label_of, name_of, shape_of


def normalise(model: ir.Model) -> list[str]:
    """In place: fix the batch, infer shapes, fold constants, undo straight-through estimators, drop dead nodes.

    Nodes keep their names; those of the straight-through estimators are returned. Raises `CompileError` where
    a dimension other than the batch is dynamic, or a value is empty or too large; `InputError` where the model
    contradicts itself.
    """
    with in_model(label_of(model)):
        fix_batch(model.graph)
        _drop_unused(model)
        plain_scalers(model.graph)
        as_qdq(model)
        check_quantisers(model.graph)
        keep_integers(model.graph)
        _drop_unused(model)
        check_sequences(model)
        fold_constants(model)
        estimators = straight_through(model.graph)
        _drop_unused(model)
        for index, node in enumerate(model.graph):  # folding may put a nameless node in the place of another
            node.name = node.name or node.outputs[0].name or f"{node.op_type}_{index}"
    check_sizes(model.graph)
    check_inference(model)
    check_parameters(model.graph)
    return estimators


def fix_batch(graph: ir.Graph) -> None:
    """A dynamic axis 0 of the inputs becomes 1, and the recorded shapes of all other values are forgotten.

    They are inferred again: exporters write symbols there that would hide the static shape.
    """
    for value in graph.inputs:
        if value.shape is None:
            raise CompileError(
                f"the input '{value.name}' has no shape",
                origin=[name_of(value)],
                hint="export the model with a fixed input shape; the batch may be dynamic",
            )
        dims = list(value.shape)
        dynamic = [f"{axis} ('{d.value or '?'}')" for axis, d in enumerate(dims) if axis and not isinstance(d, int)]
        if dynamic:
            raise CompileError(
                f"the input '{value.name}' has dynamic dimensions: axis {', '.join(dynamic)}",
                origin=[name_of(value)],
                hint="export the model with a fixed size there; only axis 0, the batch, may be dynamic",
            )
        if dims and not isinstance(dims[0], int):
            dims[0] = 1
            value.shape = ir.Shape(dims)
        check_dims([d for d in dims if isinstance(d, int)], dims[0] if dims else 1, f"the input '{value.name}'", value)
    for node in graph:
        for value in node.outputs:
            value.shape = None


def _drop_unused(model: ir.Model) -> None:
    """In place: take out nodes, outputs of nodes and weights that nothing reads."""
    with guarded("its unused nodes cannot be told"):
        RemoveUnusedNodesPass()(model)


def straight_through(graph: ir.Graph) -> list[str]:
    """a + (q - a) and (q + a) - a become q: a straight-through estimator, which only training needs.

    In float32 the sum would carry rounding noise of the size of `a`, which no trained level depends on.
    Returns the names of the two nodes of each.
    """
    names: list[str] = []
    for node in list(graph):
        inner, helper = _estimated(node)
        output = node.outputs[0] if node.outputs else None
        if inner is None or output is None or inner.producer() is None or shape_of(inner) != shape_of(output):
            continue
        for user, position in list(output.uses()):
            user.replace_input_with(position, inner)
        for index, value in enumerate(graph.outputs):
            if value is output:
                graph.outputs[index] = inner
        names += [name_of(n) for n in (node, helper) if n is not None]
    return names


def _estimated(node: ir.Node) -> tuple[ir.Value | None, ir.Node | None]:
    """q and the other node, where `node` computes a + (q - a) or (q + a) - a."""
    if len(node.inputs) != 2:
        return None, None
    first, second = node.inputs
    if is_onnx(node, "Add"):
        for a, difference in ((first, second), (second, first)):
            producer = difference.producer() if difference is not None else None
            if producer is not None and is_onnx(producer, "Sub") and producer.inputs[1] is a:
                return producer.inputs[0], producer
    if is_onnx(node, "Sub"):
        producer = first.producer() if first is not None else None
        if producer is not None and is_onnx(producer, "Add") and second in producer.inputs:
            return producer.inputs[1 if producer.inputs[0] is second else 0], producer
    return None, None
