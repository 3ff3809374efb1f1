"""Old opsets are brought to the oldest one that is read here; newer ones than onnxruntime knows are refused."""

from __future__ import annotations

import re
from functools import cache

import onnx
import onnx_ir as ir

from ganglion.errors import CompileError, InputError

from .libraries import guarded, reason
from .session import NEWEST_IR_VERSION, open_session
from .values import name_of

OLDEST_OPSET = 13
SMALL = 1024  # bytes of a constant that the converter may need to see: axes, scales, bounds


def supported_opset(model: ir.Model) -> ir.Model:
    """`model`, converted where its opset is older than `OLDEST_OPSET`.

    Raises `CompileError` naming the nodes where onnx has no conversion, `InputError` for an opset that is too new.
    """
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", OLDEST_OPSET))
    if opset < OLDEST_OPSET:
        return _converted(model, opset)
    if not _onnxruntime_knows(opset):
        newest = next((o for o in range(min(opset, onnx.defs.onnx_opset_version()), 0, -1) if _onnxruntime_knows(o)), 0)
        raise InputError(
            f"has opset {opset}; the installed onnxruntime supports up to {newest}",
            hint=f"export the model with opset {newest} or older, or install a newer onnxruntime",
        )
    return model


def _converted(model: ir.Model, opset: int) -> ir.Model:
    """Without its large weights, which the converter would copy several times; they are put back afterwards."""
    lean = model.clone()
    lean.ir_version = max(lean.ir_version, 4)  # from which on initialisers need not be inputs
    weights = {}
    for name, value in list(lean.graph.initializers.items()):
        if value.const_value is not None and value.const_value.nbytes > SMALL:
            weights[name] = value.const_value
            del lean.graph.initializers[name]
            value.const_value = None
            if not value.is_graph_input():
                lean.graph.inputs.append(value)
    proto = ir.to_proto(lean)
    try:
        result = ir.from_proto(onnx.version_converter.convert_version(proto, OLDEST_OPSET))
    except Exception as error:  # of its C++ part, without a common base
        message = reason(error)
        named = [n for n in proto.graph.node if re.search(rf"\b{re.escape(n.op_type)}\b", message)]
        raise CompileError(
            f"the model has opset {opset}, and onnx cannot convert it to {OLDEST_OPSET}: {message}",
            origin=[node.name or node.op_type for node in named or _culprits(proto)],
            hint=f"export the model again with opset {OLDEST_OPSET} or newer",
        ) from error
    for value in [v for v in result.graph.inputs if v.name in weights]:
        result.graph.inputs.remove(value)
        value.const_value = weights[name_of(value)]
        result.graph.register_initializer(value)
    result.metadata_props.update(model.metadata_props)  # the converter drops it
    return result


def _culprits(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes that cannot be converted on their own."""
    with guarded("its shapes cannot be inferred"):
        graph = onnx.shape_inference.infer_shapes(model).graph
    types = {v.name: v for v in (*graph.input, *graph.value_info, *graph.output)}
    weights = {t.name: t for t in graph.initializer}
    found = []
    for node in graph.node:
        known = [weights[n] for n in node.input if n in weights]
        inputs = [types[n] for n in node.input if n in types and n not in weights]
        outputs = [types[n] for n in node.output if n in types]
        part = onnx.helper.make_graph([node], "part", inputs, outputs, known)
        try:
            alone = onnx.helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
            onnx.version_converter.convert_version(alone, OLDEST_OPSET)
        except Exception:  # of its C++ part, without a common base
            found.append(node)
    return found


@cache
def _onnxruntime_knows(opset: int) -> bool:
    """Whether onnxruntime opens a model of this opset; it does not say which ones it knows."""
    graph = onnx.parser.parse_graph("g (float[1] x) => (float[1] y) { y = Identity(x) }")
    opsets = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=NEWEST_IR_VERSION)
    try:
        open_session(model.SerializeToString(), threads=1, optimise=False)
    except Exception:  # onnxruntime's exceptions have no common base of their own
        return False
    return True
