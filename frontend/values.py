"""Small questions about the values and nodes of an `onnx_ir` graph, asked everywhere in the frontend."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ganglion.errors import CompileError

Array = NDArray[Any]

FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE)
# the codes of each type
LIMITS = {
    ir.DataType.UINT4: (0, 15),
    ir.DataType.INT4: (-8, 7),
    ir.DataType.UINT8: (0, 255),
    ir.DataType.INT8: (-128, 127),
    ir.DataType.UINT16: (0, 65535),
    ir.DataType.INT16: (-32768, 32767),
}
LABEL = "ganglion.label"  # under which a model's `meta` keeps what messages call it


def name_of(item: ir.Value | ir.Node) -> str:
    """The name of a value or node; the reader has seen to it that there is one."""
    return item.name or "?"


def label_of(model: ir.Model) -> str:
    """What messages call the model: its file, or "the model"."""
    return str(model.meta.get(LABEL, "the model"))


def is_onnx(node: ir.Node, *op_types: str) -> bool:
    """Whether `node` is one of `op_types` of the standard domain."""
    return node.domain in ("", "ai.onnx") and node.op_type in op_types


def op_label(node: ir.Node) -> str:
    """`Conv`, or `com.microsoft::QLinearAdd` where the domain is not the standard one."""
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"


def constant(value: ir.Value | None) -> Array | None:
    """The array of an initialiser or `Constant` node, None for anything computed."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def add_constant(graph: ir.Graph, array: Array, name: str) -> ir.Value:
    """In place: a new initialiser of `graph`, with the values and the type of `array`."""
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def variables(node: ir.Node) -> list[ir.Value]:
    """The inputs of `node` that are computed, in order, each as often as it is read."""
    return [v for v in node.inputs if v is not None and v.const_value is None]


def scalar(array: Array) -> Array | None:
    """`array` as a 0-d array where all its values are the same, else None."""
    if array.size == 0 or (array != array.flat[0]).any():
        return None
    return np.array(array.flat[0], dtype=array.dtype)


def shape_of(value: ir.Value) -> tuple[int, ...] | None:
    """The static shape, the batch included; None where shape inference did not find it."""
    if value.shape is None:
        return None
    dims = [d for d in value.shape if isinstance(d, int)]
    return tuple(dims) if len(dims) == len(value.shape) else None


def sample_shape(value: ir.Value, batch: int, node: ir.Node) -> tuple[int, ...]:
    """The shape of one sample: axis 0, the batch, taken off.

    Raises `CompileError` naming `node` where the value does not have the batch on axis 0.
    """
    shape = shape_of(value)
    if shape is None:
        raise CompileError(
            f"the shape of '{name_of(value)}' is unknown",
            origin=[name_of(node)],
            hint="export the model with fixed sizes except for the batch",
        )
    if len(shape) < 2 or shape[0] != batch:
        raise CompileError(
            f"'{name_of(value)}' has shape {shape}; axis 0 must stay the batch ({batch}), with at least one axis more",
            origin=[name_of(node)],
            hint="keep axis 0 as the batch in reshapes and squeezes",
        )
    return shape[1:]


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """The plain Python value of an attribute, `default` where it is absent."""
    attr = node.attributes.get(name)
    if attr is None:
        return default
    value = attr.value
    return list(value) if isinstance(value, (tuple, list)) else value


def text(node: ir.Node, name: str, default: str) -> str:
    """A string attribute, `default` where it is absent."""
    value = attribute(node, name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def finite(array: Array, what: str, node: ir.Node) -> Array:
    """`array` as float64 in C order; raises `CompileError` naming `node` if a value is NaN or infinite."""
    result = np.ascontiguousarray(array, dtype=np.float64).reshape(np.shape(array))
    if not np.isfinite(result).all():
        raise CompileError(f"{what} holds NaN or infinity", origin=[name_of(node)])
    return result


def combine(problems: list[CompileError]) -> CompileError:
    """One error out of many: every node with its reason, every hint once."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"  {', '.join(p.origin)}: {p.message}" for p in problems]
    origin = [name for p in problems for name in p.origin]
    return CompileError(
        "\n".join([f"{len(problems)} places in the model cannot be compiled", *lines]),
        origin=list(dict.fromkeys(origin)),
        hint="\n  hint: ".join(dict.fromkeys(p.hint for p in problems if p.hint)),
    )
