"""ONNX nodes without weights of their own: sums, constants, rearrangements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Sum

from .translation import Translation, per_sample, required, same_shape
from .values import FLOATS, Array, attribute, constant, name_of, op_label, variables

Handler = Callable[[ir.Node, Translation], None]


def total(node: ir.Node, t: Translation) -> None:
    """Add, Sub, Sum: of branches, of constants, or of both."""
    signs = (1.0, -1.0) if node.op_type == "Sub" else (1.0,) * len(node.inputs)
    terms: dict[ir.Value, float] = {}
    offset: Array = np.array(0.0)
    for value, sign in zip(node.inputs, signs, strict=False):
        assert value is not None, "none of these inputs is optional"
        if constant(value) is None:
            terms[value] = terms.get(value, 0.0) + sign
        else:
            offset = offset + sign * required(value, "constant", node)
    same_shape(node, *terms)
    if node in t.gains:  # the ratio of the two scales, in small integers
        terms = dict(zip(terms, t.gains[node], strict=True))
    parts = [t.scale(node, t.source(value, node), np.array(factor)) for value, factor in terms.items()]
    name = parts[0] if len(parts) == 1 else t.emit(Sum, node.outputs[0].name or "", parts, [name_of(node)])
    t.bind(node, t.add_bias(node, name, per_sample(offset, node.outputs[0], node)))


def product(node: ir.Node, t: Translation) -> None:
    """Mul or Div by a constant."""
    values = variables(node)
    if len(values) != 1 or (node.op_type == "Div" and constant(node.inputs[1]) is None):
        what = "a product" if node.op_type == "Mul" else "a quotient"
        raise CompileError(
            f"{op_label(node)}: {what} of computed values ({', '.join(name_of(v) for v in values)})",
            origin=[name_of(node)],
            hint="gates and attention need products of activations, which synapses do not have",
        )
    same_shape(node, values[0])
    other = next(v for v in node.inputs if constant(v) is not None)
    factor = required(other, "factor", node)
    if node.op_type == "Div" and not factor.all():
        raise CompileError("Div: divides by zero", origin=[name_of(node)])
    factor = per_sample(1 / factor if node.op_type == "Div" else factor, node.outputs[0], node)
    t.bind(node, t.scale(node, t.source(values[0], node), factor))


def negative(node: ir.Node, t: Translation) -> None:
    """Neg."""
    t.bind(node, t.scale(node, t.source(node.inputs[0], node), np.array(-1.0)))


def unchanged(node: ir.Node, t: Translation) -> None:
    """Identity; Dropout at inference; Cast between floats or of an integer input."""
    if node.op_type == "Dropout" and len(node.inputs) > 2:
        training = constant(node.inputs[2])
        if node.inputs[2] is not None and (training is None or training.any()):
            raise CompileError("Dropout in training mode", origin=[name_of(node)], hint="export the model in eval mode")
    if node.op_type == "Cast" and node.outputs[0].dtype not in FLOATS:
        raise CompileError(
            f"Cast to {node.outputs[0].dtype}: only float32 and float64 values can flow between layers",
            origin=[name_of(node)],
            hint="export the model in float32",
        )
    t.bind(node, t.source(node.inputs[0], node))


def rearrange(node: ir.Node, t: Translation) -> None:
    """Flatten, Reshape, Squeeze, Unsqueeze: the values in the same order, axis 0 still the batch."""
    source = node.inputs[0]
    assert source is not None, "not optional"
    if node.op_type == "Flatten" and attribute(node, "axis", 1) == 0:
        raise CompileError("Flatten: axis 0 merges the samples of a batch", origin=[name_of(node)], hint="use axis 1")
    before, after = t.shape(source, node), t.shape(node.outputs[0], node)
    t.bind(node, t.reshape(node, t.source(source, node), before, after))


def dequantize(node: ir.Node, t: Translation) -> None:
    """DequantizeLinear of an integer input: (x - zero point) * scale."""
    source = node.inputs[0]
    if source is None or not source.is_graph_input():
        raise CompileError(
            "DequantizeLinear: its input comes neither from a QuantizeLinear nor from outside", origin=[name_of(node)]
        )
    if attribute(node, "block_size", 0):
        hint = "use one scale per tensor, or per channel"
        raise CompileError("DequantizeLinear in blocks", origin=[name_of(node)], hint=hint)
    scale = required(node.inputs[1], "scale", node)
    zero = required(node.inputs[2], "zero point", node) if len(node.inputs) > 2 else np.zeros_like(scale)
    axis = attribute(node, "axis", 1) % (1 + len(t.shape(source, node)))
    if scale.ndim and scale.size > 1:
        trailing = len(t.shape(source, node)) - axis
        scale, zero = (a.reshape(a.shape + (1,) * trailing) for a in (scale, zero))
    name = t.add_bias(node, t.source(source, node), per_sample(-zero, node.outputs[0], node))
    t.bind(node, t.scale(node, name, per_sample(scale, node.outputs[0], node)))


HANDLERS: dict[str, Handler] = {
    "Add": total,
    "Sub": total,
    "Sum": total,
    "Mul": product,
    "Div": product,
    "Neg": negative,
    "Identity": unchanged,
    "Dropout": unchanged,
    "Cast": unchanged,
    "Flatten": rearrange,
    "Reshape": rearrange,
    "Squeeze": rearrange,
    "Unsqueeze": rearrange,
    "DequantizeLinear": dequantize,
}
