"""What onnx's own inference lets pass: parameters of nodes that do not fit their data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError

from .structure import BROKEN
from .values import attribute, constant, is_onnx, name_of, op_label, shape_of

STATIC = "quantise the model statically, with scales from calibration data"
POSITIVE = "quantise the model again; where all values are zero, any positive scale will do"


def check_quantisers(graph: ir.Graph) -> None:
    """Raises `CompileError` for the first scale that is not positive, or does not fit its data or zero point."""
    for node in graph:
        if not is_onnx(node, "QuantizeLinear", "DequantizeLinear"):
            continue
        data, scale, zero = [*node.inputs, None][:3]
        scales, shape = constant(scale), _shape(data)
        if scales is not None and not (scales.astype(np.float64) > 0).all():
            raise CompileError(f"{op_label(node)}: a scale is not positive", origin=[name_of(node)], hint=POSITIVE)
        if scales is None or attribute(node, "block_size", 0):
            continue
        alone = [(), (1,)] if scales.size == 1 else [scales.shape]  # onnxruntime's quantiser mixes the two forms
        if zero is not None and _shape(zero) not in (None, *alone):
            raise _wrong(node, "zero point", _shape(zero), scales.shape)
        if scales.ndim > 1 or not scales.size:
            raise _wrong(node, "scale", scales.shape, ("channels",))
        if shape is not None and scales.size > 1:
            axis = attribute(node, "axis", 1)
            if not -len(shape) <= axis < len(shape) or shape[axis] != scales.size:
                raise _wrong(node, f"scale, along axis {axis} of {shape},", scales.shape, ("channels",))


def check_parameters(graph: ir.Graph) -> None:
    """Raises `CompileError` for the first bias, statistic or scale that does not fit its node.

    Constants must have been folded, and shapes inferred.
    """
    for node in graph:
        if is_onnx(node, "QuantizeLinear", "DequantizeLinear"):
            for value, what in zip(node.inputs[1:], ("scale", "zero point"), strict=False):
                if value is not None and constant(value) is None:
                    message = f"{op_label(node)}: the {what} is computed by the network; it must be constant"
                    raise CompileError(message, origin=[name_of(node)], hint=STATIC)
        out = shape_of(node.outputs[0])
        if out is None:
            continue
        if is_onnx(node, "Gemm") and len(node.inputs) > 2:
            given = _shape(node.inputs[2])
            if given is not None and not _broadcasts(given, out):
                raise _wrong(node, "matrix C", given, out)
        elif is_onnx(node, "BatchNormalization") and len(out) > 1:
            for value, what in zip(node.inputs[1:], ("scale", "bias", "mean", "variance"), strict=False):
                if _shape(value) not in (None, out[1:2]):
                    raise _wrong(node, what, _shape(value), out[1:2])
        elif is_onnx(node, "Conv", "ConvTranspose") and len(out) > 1:
            for value in node.inputs[2:]:
                if _shape(value) not in (None, out[1:2]):
                    raise _wrong(node, "bias", _shape(value), out[1:2])


def _broadcasts(given: Sequence[int], out: Sequence[int]) -> bool:
    return len(given) <= len(out) and all(g in (1, o) for g, o in zip(given[::-1], out[::-1], strict=False))


def _shape(value: ir.Value | None) -> tuple[int, ...] | None:
    return None if value is None else shape_of(value)


def _wrong(node: ir.Node, what: str, given: Sequence[int] | None, needed: Sequence[object]) -> CompileError:
    shape = f"({', '.join(map(str, needed))}{',' if len(needed) == 1 else ''})"
    message = f"{op_label(node)}: the {what} has shape {given}; it needs {shape}"
    return CompileError(message, origin=[name_of(node)], hint=BROKEN)
