"""Why a shape is unknown: where a model contradicts itself, inference stops without a word."""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from ganglion.errors import CompileError

from .libraries import guarded, reason
from .limits import bytes_of
from .structure import BROKEN
from .values import is_onnx, name_of, op_label, shape_of

MOST_PARTS = 4096  # of a sequence
SMALL = 1024  # bytes of a constant that the shape may depend on


def check_inference(model: ir.Model) -> None:
    """Raises `CompileError` for the first node of which onnx says that its inputs do not go together.

    Nodes that onnx has no rule for, or whose shape depends on computed values, pass.
    """
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    for node in model.graph:
        if not is_onnx(node, node.op_type) or all(shape_of(v) is not None for v in node.outputs if v.name):
            continue
        inputs = {name_of(v): v for v in node.inputs if v is not None}
        if any(v.type is None or v.shape is None for v in inputs.values()):
            continue
        try:
            _infer(node, inputs, opset)
        except Exception as error:  # of its C++ part
            raise CompileError(f"{op_label(node)}: {reason(error)}", origin=[name_of(node)], hint=BROKEN) from error


def check_sequences(model: ir.Model) -> None:
    """Raises `CompileError` for a sequence of very many parts: folding would write each of them out as a node."""
    splits = [node for node in model.graph.all_nodes() if is_onnx(node, "SplitToSequence")]
    if not splits:
        return
    with guarded("its shapes cannot be inferred"):
        ShapeInferencePass(check_type=False, strict_mode=False)(model)
    for node in splits:
        known = [v.shape for v in node.inputs if v is not None]
        if not all(s is not None and s.is_static() and max(s.numpy(), default=0) <= MOST_PARTS for s in known):
            raise CompileError(
                f"SplitToSequence: the axes of its input must be known, and at most {MOST_PARTS} long",
                origin=[name_of(node)],
                hint="use Split, which gives its parts as values of their own",
            )


def _infer(node: ir.Node, inputs: dict[str, ir.Value], opset: int) -> None:
    types = {name: _type(value) for name, value in inputs.items()}
    known = {name: v.const_value for name, v in inputs.items() if v.const_value is not None}
    data = {n: ir.to_proto(t) for n, t in known.items() if bytes_of(t.dtype, t.shape.numpy()) <= SMALL}
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    onnx.shape_inference.infer_node_outputs(schema, ir.to_proto(node), types, data)


def _type(value: ir.Value) -> onnx.TypeProto:
    assert value.type is not None
    assert value.shape is not None
    proto = ir.serde.serialize_type(value.type)
    ir.serde.serialize_shape_into(proto, value.shape)
    return proto
