"""Layers that the model computes in integers, and where exactly each of their codes begins.

Between DequantizeLinear and QuantizeLinear all a layer sees is whole multiples V of one real unit. Which V reach which
code is found by evaluating the arithmetic of onnxruntime's 8-bit kernels (requantise.py) on integers: so at T = 1 and
tau = levels not one code differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from . import requantise as kernel
from .quantised import MOVABLE, Integers, integers_of
from .requantise import Encoding
from .staircase import Fit
from .thresholds import add_weights, smallest_reaching
from .values import Array, attribute, constant, is_onnx, scalar, shape_of, variables

if TYPE_CHECKING:
    from .populations import Fitted  # which emits what is found here

FINE = 16  # parts of a code's step that the grid should have, where weights of a few bits allow it


@dataclass(frozen=True, eq=False)
class Integral:
    """A linear node whose result is a whole multiple of `unit`, () or (C,), for every sample.

    `bias` replaces the node's own, `gains` are factors for its inputs (near 1; an Add whose two scales have no common
    unit).
    """

    unit: Array
    bias: Array | None = None
    gains: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Exact:
    """For a quantised activation: `grid` () or (C,), the offset before it, and the thresholds behind the offset."""

    grid: Array
    offset: Array
    thresholds: Array


@dataclass(frozen=True, eq=False)
class _Sums:
    """What a layer's integer sums are: bounds, () or (C,), and how the kernel or float32 makes real numbers of them."""

    integral: Integral
    least: Array
    most: Array
    fused: Callable[[Array, Encoding], Array]
    real: Callable[[Array], Array]


def integer_layers(found: list[Fitted]) -> tuple[dict[ir.Node, Integral], dict[ir.Value, Exact]]:
    """The layers before quantised activations that compute in integers, and the activations' exact thresholds.

    By node, and by the activations' outputs. What is not in the form (DequantizeLinear, layer, Relu, QuantizeLinear)
    is left out.
    """
    layers: dict[ir.Node, Integral] = {}
    activations: dict[ir.Value, Exact] = {}
    for fitted in found:
        quantiser = _quantiser(fitted)
        if quantiser is None or fitted.fit is None:
            continue
        encoding, rectified = quantiser
        root, fit = fitted.activation.root, fitted.fit
        node = root.producer()
        lowest = encoding.zero_point + round(fit.base / fit.rise)  # the code below all thresholds
        if node is not None and is_onnx(node, "Add"):
            exact = _sum_of_two(node, encoding, rectified, fit, lowest, layers)
        else:
            sums = _sums(root)
            exact = None if sums is None else _search(sums, encoding, rectified, fit, lowest)
            if exact is not None and sums is not None and node is not None and sums.integral.bias is not None:
                layers[node] = sums.integral
        if exact is not None:
            activations[fitted.activation.output] = exact
    return layers, activations


def _quantiser(fitted: Fitted) -> tuple[Encoding, bool] | None:
    """How the activation encodes its result, and whether a Relu comes first; None where it is more than that."""
    nodes = fitted.activation.nodes
    ops = [n.op_type for n in nodes]
    if ops not in (["QuantizeLinear", "DequantizeLinear"], ["Relu", "QuantizeLinear", "DequantizeLinear"]):
        return None
    encoding = _encoding(nodes[-1])
    return None if encoding is None else (encoding, ops[0] == "Relu")


def _encoding(node: ir.Node) -> Encoding | None:
    """The encoding of a DequantizeLinear's input, where it has one scale."""
    scale = constant(node.inputs[1])
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    if (
        scale is None
        or scalar(scale) is None
        or scale.dtype != np.float32
        or (zero is not None and scalar(zero) is None)
    ):
        return None
    data = node.inputs[0]
    kind = ir.DataType.from_numpy(zero.dtype) if zero is not None else data.dtype if data is not None else None
    limits = LIMITS.get(kind) if kind is not None else None
    if limits is None:
        return None
    point = 0 if zero is None else int(np.asarray(zero).astype(np.int64).ravel()[0])
    return Encoding(np.float32(scale.ravel()[0]), point, *limits)


LIMITS = {
    ir.DataType.UINT8: (0, 255),
    ir.DataType.INT8: (-128, 127),
    ir.DataType.UINT4: (0, 15),
    ir.DataType.INT4: (-8, 7),
    ir.DataType.UINT16: (0, 65535),
    ir.DataType.INT16: (-32768, 32767),
}


def encoding_of(value: ir.Value | None) -> Encoding | None:
    """How the codes behind a float value stand for it: through everything that only moves values about."""
    node = value.producer() if value is not None else None
    if node is None:
        return None
    if is_onnx(node, "DequantizeLinear"):
        return _encoding(node)
    if is_onnx(node, *MOVABLE):
        data = variables(node) if is_onnx(node, "Concat") else list(node.inputs[:1])
        found = [encoding_of(v) for v in data]
        return found[0] if found and found[0] is not None and all(e == found[0] for e in found) else None
    return None


def _sums(root: ir.Value) -> _Sums | None:
    """The integer sums behind `root`; None where there are none."""
    node = root.producer()
    if node is None:
        return None
    own = encoding_of(root)
    if own is not None:
        return _codes_again(own)
    if is_onnx(node, "Conv", "Gemm", "MatMul"):
        return _products(node)
    if is_onnx(node, "GlobalAveragePool", "AveragePool", "ReduceMean"):
        return _average(node)
    return None


def _codes_again(x: Encoding) -> _Sums:
    """Codes that are quantised once more."""

    def real(V: Array) -> Array:
        return kernel.dequantise(V, x._replace(zero_point=0))

    least, most = np.array(x.low - x.zero_point), np.array(x.high - x.zero_point)
    unit = Integral(unit=np.array(float(x.scale)))
    return _Sums(unit, least, most, lambda V, y: kernel.quantise(real(V), y), real)


def _products(node: ir.Node) -> _Sums | None:
    """Conv, Gemm or MatMul with integer weights."""
    x, w = encoding_of(node.inputs[0]), integers_of(node.inputs[1])
    if x is None or w is None or attribute(node, "alpha", 1.0) != 1 or attribute(node, "beta", 1.0) != 1:
        return None
    by_output = is_onnx(node, "Conv") or bool(attribute(node, "transB", 0))
    rank = w.values.ndim
    if (w.scale.ndim and w.axis != (0 if by_output else rank - 1)) or (not is_onnx(node, "Conv") and rank != 2):
        return None
    scale = kernel.conv_scale(x.scale, w.scale)
    unit = float(x.scale) * w.scale.astype(np.float64)
    channels = w.values.shape[0 if by_output else -1]
    whole = np.zeros(channels, np.int64)
    extra = node.inputs[2] if len(node.inputs) > 2 else None
    if extra is not None:
        bias = constant(extra)
        if bias is None or bias.size not in (1, channels):
            return None
        stored = integers_of(extra)
        if stored is not None and np.allclose(stored.scale, scale, rtol=1e-3):
            whole = whole + stored.values.ravel()
        else:
            whole = whole + kernel.quantise_bias(np.asarray(bias, np.float32).ravel(), x.scale, w.scale)
    reach = np.abs(w.values if by_output else w.values.T).reshape(channels, -1).sum(axis=1)
    reach = reach * max(abs(x.low - x.zero_point), abs(x.high - x.zero_point))
    least, most = whole - reach, whole + reach
    if not w.scale.ndim:
        least, most = least.min(), most.max()

    def fused(V: Array, y: Encoding) -> Array:
        return kernel.requantise(V, _column(kernel.conv_scale(x.scale, w.scale, y.scale)), *y[1:])

    def real(V: Array) -> Array:
        return np.asarray(V.astype(np.float32) * _column(scale))

    return _Sums(Integral(unit=unit, bias=whole * unit), least, most, fused, real)


def _column(scale: Array) -> Array:
    """One scale per channel (C,), for sums (C, k)."""
    return scale[:, None] if scale.ndim else scale


def _average(node: ir.Node) -> _Sums | None:
    """An average of codes over windows that all hold as many of them."""
    (value,) = variables(node)
    x, shape, out = encoding_of(value), shape_of(value), shape_of(node.outputs[0])
    if x is None or shape is None or out is None or len(shape) < 3:
        return None
    if is_onnx(node, "AveragePool"):
        if any(attribute(node, "pads", [])) or attribute(node, "ceil_mode", 0) or "auto_pad" in node.attributes:
            return None
        count = int(np.prod(attribute(node, "kernel_shape", [])))
        whole = list(attribute(node, "kernel_shape", [])) == list(shape[2:])
    else:
        count, whole = int(np.prod(shape)) // int(np.prod(out)), is_onnx(node, "GlobalAveragePool")

    def real(V: Array) -> Array:
        return np.asarray(kernel.dequantise(V, x._replace(zero_point=0)) / np.float32(count))

    def fused(V: Array, y: Encoding) -> Array:
        if whole:
            return kernel.requantise(V, kernel.global_average_scale(count, x.scale, y.scale), *y[1:])
        return kernel.average_of_sum(V, count, x, y)

    least, most = np.array(count * (x.low - x.zero_point)), np.array(count * (x.high - x.zero_point))
    return _Sums(Integral(unit=np.array(float(x.scale) / count)), least, most, fused, real)


def _search(sums: _Sums, y: Encoding, rectified: bool, fit: Fit, lowest: int) -> Exact:
    """The smallest V of every level, and from these the thresholds."""

    def code(V: Array) -> Array:
        if rectified and y.zero_point != y.low:  # then the Relu is a node of its own, in float32
            return kernel.quantise(np.maximum(sums.real(V), 0), y)
        return sums.fused(V, y)

    first = smallest_reaching(code, fit.levels, sums.least, sums.most, lowest)  # (levels,) or (C, levels)
    return _thresholds(first.T, sums.integral.unit, fit)


def _thresholds(first: Array, unit: Array, fit: Fit) -> Exact:
    """From the smallest multiples `first` (levels,) or (levels, C) that reach each level: half a unit below them.

    The offset makes the thresholds positive, and is what the zero point of the codes stands for, on the grid.
    """
    parts = 1
    while unit.max() / parts > fit.step / FINE and parts < FINE:
        parts *= 2
    grid = unit / parts
    at = (first - 0.5) * unit
    offset = np.rint((fit.shift - 0.5) * fit.step / grid) * grid
    offset = np.where(at[0] + offset > 0, offset, np.ceil(-at[0] / grid + 0.5) * grid)
    return Exact(grid=grid, offset=offset, thresholds=at + offset)


def _sum_of_two(
    node: ir.Node, y: Encoding, rectified: bool, fit: Fit, lowest: int, layers: dict[ir.Node, Integral]
) -> Exact | None:
    """Add of two coded values: integer weights that put all pairs of codes in the order of their sums."""
    inputs = variables(node)
    encodings = [encoding_of(v) for v in inputs]
    if len(inputs) != 2 or inputs[0] is inputs[1] or encodings[0] is None or encodings[1] is None:
        return None
    a, b = encodings[0], encodings[1]
    i, j = np.arange(a.low, a.high + 1)[:, None], np.arange(b.low, b.high + 1)
    if max(i.size, j.size) > 256 or any(shape_of(v) != shape_of(node.outputs[0]) for v in inputs):
        return None
    if rectified and y.zero_point != y.low:
        codes = kernel.quantise(np.maximum(kernel.dequantise(i, a) + kernel.dequantise(j, b), 0), y)
    else:
        codes = kernel.add_codes(i, j, a, b, y)
    found = add_weights(np.clip(codes - lowest, 0, fit.levels), fit.levels)
    if found is None:
        return None
    wa, wb = found.weights
    unit = (float(a.scale) / wa + float(b.scale) / wb) / 2
    layers[node] = Integral(unit=np.array(unit), gains=(wa * unit / float(a.scale), wb * unit / float(b.scale)))
    zero = wa * (a.zero_point - a.low) + wb * (b.zero_point - b.low)
    return _thresholds(found.thresholds - zero, np.array(unit), fit)


__all__ = ["Exact", "Integers", "Integral", "encoding_of", "integer_layers"]
