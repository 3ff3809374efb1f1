"""What scikit-learn's exporter puts around a network, in the domain `ai.onnx.ml`: scalers before, maps behind."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from .rewrites import replace_uses
from .values import add_constant, attribute

DOMAIN = "ai.onnx.ml"


def without_maps(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, or a copy without the outputs that are maps (class name -> probability) where another output is left."""
    maps = {v.name for v in model.graph.output if v.type.WhichOneof("value") in ("map_type", "sequence_type")}
    if not maps or len(maps) == len(model.graph.output):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in [n for n in copy.graph.node if maps & set(n.output)]:
        copy.graph.node.remove(node)
    for values in (copy.graph.output, copy.graph.value_info):
        for value in [v for v in values if v.name in maps]:
            values.remove(value)
    return copy


def plain_scalers(graph: ir.Graph) -> None:
    """In place: Scaler, (x - offset) * scale, becomes Sub and Mul."""
    for node in list(graph):
        if node.domain != DOMAIN or node.op_type != "Scaler":
            continue
        value = node.inputs[0]
        assert value is not None, "not optional"
        for op, field, default in (("Cast", "", 0.0), ("Sub", "offset", 0.0), ("Mul", "scale", 1.0)):
            numbers = np.asarray(attribute(node, field, [default]) if field else [], np.float32)
            name = f"{node.name}.{op.lower()}"
            constants = [add_constant(graph, numbers, f"{name}.by")] if field else []
            settings = [] if field else [ir.AttrInt64("to", ir.DataType.FLOAT.value)]
            step = ir.Node("", op, [value, *constants], settings, name=name, outputs=[ir.Value(name=f"{name}.y")])
            graph.insert_before(node, step)
            value = step.outputs[0]
        output = node.outputs[0]
        replace_uses(graph, output, value)
        graph.remove(node, safe=True)
