"""The weights of a model: brought into memory once, and looked at."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError, InputError

from .libraries import guarded
from .limits import MOST_BYTES, SMALLER, bytes_of, megabytes
from .structure import BROKEN
from .values import FLOATS, is_onnx, name_of, op_label

UNBOUNDED_IS_FINE = ("Clip", "Min", "Max", "Where")  # ops that may be given an infinite constant
EMPTY_IS_FINE = ("Resize",)  # exporters give an empty region of interest, or empty scales
LARGEST = 1e31  # no trained weight comes near
DIVERGED = "the training diverged, or the export is broken"
NUMBERS = {  # attributes of Constant
    "value": None,
    "value_float": ir.DataType.FLOAT,
    "value_floats": ir.DataType.FLOAT,
    "value_int": ir.DataType.INT64,
    "value_ints": ir.DataType.INT64,
}


def load_weights(graph: ir.Graph) -> None:
    """Brings every constant into memory, as an array; raises an error that names the first one that is unusable."""
    for name, value in graph.initializers.items():
        what = f"the weights '{name}'"
        if value.const_value is None:
            raise InputError(f"{what} have no values", hint=BROKEN)
        value.const_value = _in_memory(value.const_value, what, value)
        _check_declared(value, value.const_value, what)
        check_numbers(value, value.const_value, what)
    for node in graph.all_nodes():
        for key, attr in list(node.attributes.items()):
            if attr.type in (ir.AttributeType.FLOAT, ir.AttributeType.FLOATS) and not is_onnx(node, "Constant"):
                _check_attribute(attr, node)
            elif attr.type == ir.AttributeType.TENSOR and not attr.is_ref():
                tensor = _in_memory(attr.as_tensor(), f"'{key}' of {name_of(node)}", node)
                node.attributes[key] = ir.AttrTensor(key, tensor)
        if is_onnx(node, "Constant"):
            _load_constant(node, f"the weights '{node.outputs[0].name}'")


def _load_constant(node: ir.Node, what: str) -> None:
    for key, attr in node.attributes.items():
        if key in NUMBERS:
            tensor = attr.as_tensor() if key == "value" else ir.tensor(attr.value, NUMBERS[key])
            node.outputs[0].const_value = tensor
            check_numbers(node.outputs[0], tensor, what)


def _in_memory(tensor: ir.TensorProtocol, what: str, item: ir.Value | ir.Node) -> ir.TensorProtocol:
    """`tensor` as an array: what is still part of a protobuf message would be copied each time that it is read."""
    with guarded(f"{what} cannot be read", hint=BROKEN):
        dtype, dims = tensor.dtype, tensor.shape.numpy()
        size = bytes_of(dtype, dims)
    if min(dims, default=0) < 0:
        raise InputError(f"{what} have the shape {dims}", hint=BROKEN)
    if size > MOST_BYTES:
        message = f"{what} need {megabytes(size)}; at most {megabytes(MOST_BYTES)} are supported"
        raise CompileError(message, origin=[name_of(item)], hint=SMALLER)
    if isinstance(tensor, (ir.Tensor, ir.StringTensor)) or dtype == ir.DataType.STRING:
        return tensor
    with guarded(f"{what} cannot be read", hint=BROKEN):
        return ir.Tensor(tensor.numpy(), dtype=dtype, name=tensor.name)


def _check_declared(value: ir.Value, tensor: ir.TensorProtocol, what: str) -> None:
    """The shape and type that the model states of its weights must be those that they have."""
    dims = tensor.shape.numpy()
    if value.shape is not None:
        same = [not isinstance(d, int) or d == s for d, s in zip(value.shape, dims, strict=False)]
        if len(value.shape) != len(dims) or not all(same):
            raise InputError(f"{what} have shape {dims}, but are declared as {tuple(value.shape)}", hint=BROKEN)
    if value.dtype is not None and value.dtype != tensor.dtype:
        stored, declared = tensor.dtype.name.lower(), value.dtype.name.lower()
        raise InputError(f"{what} are {stored}, but are declared as {declared}", hint=BROKEN)
    value.shape, value.dtype = ir.Shape(dims), tensor.dtype


def check_numbers(value: ir.Value, tensor: ir.TensorProtocol, what: str) -> None:
    """Raises an error for floats that are not float32 or float64, not finite, or none at all."""
    if not (tensor.dtype.is_floating_point() or tensor.dtype.name.startswith("COMPLEX")):
        return
    readers = list(value.consumers())
    if tensor.dtype not in FLOATS:
        raise CompileError(
            f"{what} are {tensor.dtype.name.lower()}; only float32 and float64 work",
            origin=[name_of(n) for n in readers],
            hint="export the model in float32",
        )
    array = tensor.numpy()
    if not array.size:
        if not all(is_onnx(node, *EMPTY_IS_FINE) for node in readers):
            raise CompileError(
                f"{what} are empty: they have shape {array.shape}",
                origin=[name_of(n) for n in readers],
                hint="every axis of weights needs at least one element; take the layer out",
            )
        return
    low, high = float(array.min()), float(array.max())  # NaN where there is any
    if -LARGEST <= low <= high <= LARGEST:
        return
    if np.isnan(low) or not all(is_onnx(node, *UNBOUNDED_IS_FINE) for node in readers):
        kind = "NaN" if np.isnan(low) else "infinity" if np.isinf([low, high]).any() else f"values beyond {LARGEST:g}"
        raise InputError(f"{what} hold {kind}", hint=DIVERGED)


def _check_attribute(attr: ir.Attr, node: ir.Node) -> None:
    numbers = [attr.value] if attr.type == ir.AttributeType.FLOAT else list(attr.value)
    if not all(-LARGEST <= number <= LARGEST for number in numbers):
        raise CompileError(f"{op_label(node)}: {attr.name} is {attr.value}", origin=[name_of(node)], hint=DIVERGED)
