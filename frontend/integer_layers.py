"""What layers with integer weights, and averages of codes, add up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from . import requantise as kernel
from .codes import Coded, Codes, moved, moves
from .kernels import FUSES_FLOAT_BIAS
from .pooling import values_in_windows, window
from .quantised import Integers, integers_of
from .sums import EIGHT_BITS, NotIntegralError, Rounding, Sums, column, dtype_of, in_floats
from .values import Array, attribute, constant, is_onnx, name_of, op_label, shape_of, variables

NEARLY = 1e-4  # of a unit, as which a bias counts as a whole number of units: float32 has rounded it


def products(node: ir.Node, codes: Codes, added: ir.Value | None = None) -> Sums:
    """Conv, ConvTranspose, Gemm or MatMul with integer weights; `added` is a bias that another node adds."""
    data, matrix = node.inputs[:2]
    left = is_onnx(node, "MatMul") and constant(data) is not None  # W @ x
    data, matrix = (matrix, data) if left else (data, matrix)
    x, w = codes.of(data), integers_of(matrix)
    if x is None or w is None:
        floats = "its weights are floats, which onnxruntime may round to 8 bits by itself"
        what = floats if x is not None else _uncoded(data)
        raise NotIntegralError(what, quantised=w is not None or (x is not None and x.meant))
    alpha, beta = float(attribute(node, "alpha", 1.0)), float(attribute(node, "beta", 1.0))
    if alpha <= 0:
        raise NotIntegralError(f"alpha is {alpha:g}")
    rows, scale = _rows(node, w, left)
    unit = alpha * x.scale * scale.astype(np.float64)
    extra = added if added is not None else node.inputs[2] if len(node.inputs) > 2 else None
    whole, bias = _bias(extra, beta, unit, len(rows))
    reach = np.abs(rows).sum(axis=1) * max(abs(bound) for bound in x.reach)
    least, most, rest = whole - reach, whole + reach, bias - whole * unit
    if (np.abs(rest) < NEARLY * unit).all():
        rest = np.zeros(())
    if not unit.ndim:
        least, most = least.min(), most.max()
    if not _by_channel(node, left):
        if unit.ndim or extra is not None:
            raise NotIntegralError("it has a scale or bias for each value of the last axis")
        rest = np.zeros(())
    fuses = _fuses(node, data, x, w, extra, left=left, gemm=added is not None or is_onnx(node, "Gemm"))

    def rounding(y: Coded) -> Rounding | None:
        if not fuses or y.kind != (w.kind if left else x.kind):
            return None
        factor = column(kernel.conv_scale(x.scale, scale, y.scale, alpha))
        return Rounding(lambda V: kernel.requantise(V, factor, *y.encoding[1:]))

    rounds = _rounds_bias(node, data, w, extra, len(rows), added is not None)
    sums = in_floats(unit, np.zeros(()) if rounds else rest, least, most, dtype_of(node.outputs[0]), rounding)
    return replace(sums, rest=rest)


def _rows(node: ir.Node, w: Integers, left: bool) -> tuple[Array, Array]:
    """The integer weights (O, ...) of every output channel, and their scale, () or (O,)."""
    values, scale = w.values, w.scale
    if is_onnx(node, "ConvTranspose"):
        groups, axis = attribute(node, "group", 1), 1
        parts = values.reshape(groups, len(values) // groups, values.shape[1], -1).swapaxes(1, 2)
        rows = parts.reshape(groups * values.shape[1], -1)
        scale = np.tile(scale, groups) if scale.ndim else scale
    else:
        by_output = is_onnx(node, "Conv") or left or bool(attribute(node, "transB", 0))
        if values.ndim != 2 and not is_onnx(node, "Conv"):
            raise NotIntegralError(f"its weights have the shape {values.shape}")
        axis = 0 if by_output else values.ndim - 1
        rows = (values if by_output else values.T).reshape(values.shape[axis], -1)
    if w.scale.ndim and w.axis != axis:
        raise NotIntegralError("its weights have a scale for each input channel")
    return rows, scale


def _bias(extra: ir.Value | None, beta: float, unit: Array, channels: int) -> tuple[Array, Array]:
    """A constant bias as whole numbers of `unit` (C,), and in real numbers (C,)."""
    if extra is None:
        return np.zeros(channels, np.int64), np.zeros(channels)
    array = constant(extra)
    if array is None or array.size not in (1, channels):
        raise NotIntegralError("it adds a value that the network computes, or one for each neuron")
    bias = beta * np.broadcast_to(array.ravel().astype(np.float64), channels)
    stored = integers_of(extra)
    if stored is not None and beta == 1 and np.allclose(stored.scale, unit, rtol=1e-3):
        return np.broadcast_to(stored.values.ravel(), channels), bias
    rounded = np.rint(bias.astype(np.float32) / unit.astype(np.float32))  # as the optimiser does it
    return rounded.astype(np.int64), bias


def _by_channel(node: ir.Node, left: bool) -> bool:
    """Whether the output channels of `node` are on axis 1."""
    shape = shape_of(node.outputs[0])
    if is_onnx(node, "MatMul"):
        return shape is not None and len(shape) == (3 if left else 2)
    return True


def _fuses(
    node: ir.Node, data: ir.Value | None, x: Coded, w: Integers, bias: ir.Value | None, *, left: bool, gemm: bool
) -> bool:
    """Whether onnxruntime has an 8-bit kernel for these types (its QDQ selectors say which)."""
    first, second = (w.kind, x.kind) if left else (x.kind, w.kind)
    if first not in EIGHT_BITS or second not in EIGHT_BITS or (first, second) == (ir.DataType.INT8, ir.DataType.UINT8):
        return False
    if is_onnx(node, "ConvTranspose") or not _dequantised(data) or len(node.outputs[0].consumers()) != 1:
        return False
    if gemm and (w.zero is None or attribute(node, "beta", 1.0) != 1):
        return False
    stored = integers_of(bias)
    if stored is not None:
        return stored.kind == ir.DataType.INT32 and np.allclose(stored.scale, x.scale * w.scale, rtol=1e-3)
    array = constant(bias)
    return bias is None or (FUSES_FLOAT_BIAS and array is not None and array.ndim == 1)


def _rounds_bias(
    node: ir.Node, data: ir.Value | None, w: Integers, bias: ir.Value | None, channels: int, added: bool
) -> bool:
    """Whether onnxruntime rounds a float bias to whole numbers, as for an 8-bit kernel, whether or not it has one."""
    array = constant(bias)
    if not FUSES_FLOAT_BIAS or array is None or integers_of(bias) is not None or array.ndim != 1:
        return False
    if w.kind is None or not _dequantised(data) or (is_onnx(node, "MatMul") and not added):
        return False
    by_output = is_onnx(node, "Conv") or bool(attribute(node, "transB", 0))
    return not w.scale.ndim or (w.axis == (0 if by_output else 1) and w.scale.size == channels)


def _uncoded(value: ir.Value | None) -> str:
    """Why a value has no codes."""
    node = value.producer() if value is not None else None
    if node is not None and is_onnx(node, "Concat"):
        return f"{op_label(node)} '{name_of(node)}' joins codes of different scales"
    return f"'{name_of(value)}' has no codes" if value is not None else "it has no input"


def _dequantised(value: ir.Value | None) -> bool:
    """Whether `value` comes out of a DequantizeLinear, or would if that stood behind what only moves values about."""
    node = value.producer() if value is not None else None
    while node is not None and not is_onnx(node, "DequantizeLinear"):
        if not moves(node) or is_onnx(node, "Concat"):
            return False
        node = moved(node)[0].producer()
    return node is not None


def average(node: ir.Node, codes: Codes) -> Sums:
    """Averages of codes: in parts of a code small enough for windows of every size (fewer at the border)."""
    (data,) = variables(node)
    x, shape, out = codes.of(data), shape_of(data), shape_of(node.outputs[0])
    if x is None or shape is None or out is None or len(shape) not in (3, 4):
        raise NotIntegralError(_uncoded(data), quantised=False)
    counts = _counts(node, shape, out)
    if not all(counts):
        raise NotIntegralError("a window lies in the padding alone")
    parts, whole = math.lcm(*counts), counts == [int(np.prod(shape[2:]))]
    pool = not is_onnx(node, "ReduceMean")

    def rounding(y: Coded) -> Rounding | None:
        if not pool or y.kind != x.kind or x.kind not in EIGHT_BITS or not _dequantised(data):
            return None
        if whole:
            factor = kernel.global_average_scale(parts, x.scale, y.scale)
            return Rounding(lambda V: kernel.requantise(V, factor, *y.encoding[1:]))
        certain = all(kernel.sum_decides_average(count, x.encoding, y.encoding) for count in counts)
        return Rounding(lambda V: kernel.average_of_sum(V, parts, x.encoding, y.encoding), certain)

    least, most = (np.array(parts * bound) for bound in x.reach)
    unit = np.array(x.scale / parts)
    sums = in_floats(unit, np.zeros(()), least, most, dtype_of(node.outputs[0]), rounding)
    return replace(sums, meant=x.meant)


def _counts(node: ir.Node, shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Over how many values the windows average, each number once."""
    if not is_onnx(node, "AveragePool"):
        return [int(np.prod(shape)) // int(np.prod(out))]
    (_, _, *extent), (_, _, *places), kernel = (*shape, 1)[:4], (*out, 1)[:4], attribute(node, "kernel_shape", [])
    kernel, counted = (*kernel, 1)[:2], bool(attribute(node, "count_include_pad", 0))
    counts = values_in_windows(extent, places, kernel, window(node, extent, kernel), counted)
    return [int(n) for n in np.unique(counts)]


__all__ = ["average", "products"]
