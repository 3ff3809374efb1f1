"""Linear values as integers, through everything that adds, scales, joins or moves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from . import requantise as kernel
from .codes import Coded, Codes, moved, moves
from .integer_layers import average, products
from .quantised import integers_of
from .sums import EIGHT_BITS, NotIntegralError, Rounding, Sums, channels_of, codes_again, column, dtype_of, in_floats
from .translation import per_sample
from .values import Array, attribute, constant, is_onnx, name_of, op_label, variables

LARGEST_RATIO = 1024  # of the units of two values that are added: more would take too many bits
LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
AVERAGES = ("GlobalAveragePool", "AveragePool", "ReduceMean")


def sums_of(value: ir.Value, codes: Codes) -> Sums:
    """`value` in integers; raises `NotIntegralError` where it is not made of codes and integer weights."""
    coded, node = codes.of(value), value.producer()
    if coded is not None:
        return codes_again(coded, dtype_of(value))
    if node is None:
        raise NotIntegralError(f"'{name_of(value)}' has no codes", quantised=False)
    if is_onnx(node, *LINEAR):
        return products(node, codes)
    if is_onnx(node, *AVERAGES):
        return average(node, codes)
    if is_onnx(node, "Concat") and attribute(node, "axis", 0) == 1 and moves(node):
        return _joined([sums_of(v, codes) for v in moved(node)], [channels_of(v) for v in moved(node)])
    if is_onnx(node, "Add", "Sub", "Mul", "Div", "BatchNormalization") and len(variables(node)) == 1:
        return _affine(node, codes)
    if is_onnx(node, "Add") and len(node.inputs) == 2:
        return _sum(node, codes)
    if moves(node) and not is_onnx(node, "Concat", "MaxPool", "GlobalMaxPool", "Pad"):
        sums = sums_of(moved(node)[0], codes)
        if not sums.unit.ndim and not sums.rest.ndim:
            return sums
        before, after = channels_of(moved(node)[0]), channels_of(value)
        if before == after and is_onnx(node, "Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze"):
            return sums
    raise NotIntegralError(f"{op_label(node)} '{name_of(node)}' has no integer form", quantised=False)


def _affine(node: ir.Node, codes: Codes) -> Sums:
    """A constant added to integers, or a factor for them, one for all or for each channel; BatchNormalization."""
    (data,) = variables(node)
    producer = data.producer()
    other = next((v for v in node.inputs if v is not data), None)
    if is_onnx(node, "Add") and producer is not None and is_onnx(producer, "MatMul") and len(data.consumers()) == 1:
        try:
            return products(producer, codes, other)  # for onnxruntime too it is one node
        except NotIntegralError:
            pass
    inner = sums_of(data, codes)
    gain, offset = _gain_and_offset(node, data, other)
    if gain.ndim > 1 or offset.ndim > 1:
        raise NotIntegralError(f"{op_label(node)} '{name_of(node)}' has a constant for each neuron")
    dtype = dtype_of(node.outputs[0])
    sign = np.where(gain < 0, -1, 1)
    bounds = sign * inner.least, sign * inner.most

    def value(V: Array) -> Array:
        before = inner.value(V * column(sign)).astype(np.float64)
        scaled = (before * column(gain)).astype(dtype).astype(np.float64)
        return (scaled + column(offset)).astype(dtype)

    return Sums(
        unit=np.abs(np.where(gain == 0, 1, gain)) * inner.unit,
        rest=gain * inner.rest + offset,
        least=np.minimum(*bounds),
        most=np.maximum(*bounds),
        value=value,
        rounding=_addition(node, codes.of(data), other),
        certain=inner.certain and not is_onnx(node, "BatchNormalization"),
        meant=inner.meant,
    )


def _gain_and_offset(node: ir.Node, data: ir.Value, other: ir.Value | None) -> tuple[Array, Array]:
    """x * gain + offset, each (), (C,) or one for each neuron, float64."""
    one, zero = np.array(1.0), np.array(0.0)
    if is_onnx(node, "BatchNormalization"):
        arrays = [constant(v) for v in node.inputs[1:5]]
        if any(a is None for a in arrays):
            raise NotIntegralError(f"{op_label(node)} '{name_of(node)}' has computed parameters")
        scale, bias, mean, variance = (np.asarray(a, np.float64) for a in arrays)
        factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        return factor, bias - mean * factor
    array = constant(other)
    assert array is not None, "the other input is computed"
    number = per_sample(np.asarray(array, np.float64), node.outputs[0], node)
    if is_onnx(node, "Mul"):
        return number, zero
    if is_onnx(node, "Div"):
        if node.inputs[0] is not data or not number.all():
            raise NotIntegralError("it divides by what is computed, or by zero")
        return 1 / number, zero
    if is_onnx(node, "Sub"):
        return (one, -number) if node.inputs[0] is data else (-one, number)
    return one, number


def _addition(node: ir.Node, x: Coded | None, other: ir.Value | None) -> Callable[[Coded], Rounding | None]:
    """QLinearAdd of codes and a constant that has codes as well."""
    c, data = integers_of(other), node.inputs[0]

    def rounding(y: Coded) -> Rounding | None:
        alike = x is not None and c is not None and y.kind == x.kind == c.kind and x.kind in EIGHT_BITS
        if not is_onnx(node, "Add") or not alike or c is None or x is None or c.scale.ndim or c.values.ndim > 4:
            return None
        number = per_sample(c.values, node.outputs[0], node)
        if number.ndim > 1:
            return None
        point = int(c.zero.ravel()[0]) if c.zero is not None else 0
        constant_as = replace(x, scale=float(c.scale), zero=point).encoding
        codes, zero, encoding = np.asarray(number + point), x.zero, x.encoding

        def add(V: Array) -> Array:
            i, j = np.broadcast_arrays(V + zero, column(codes))
            if other is data:
                return kernel.add_codes(j, i, constant_as, encoding, y.encoding)
            return kernel.add_codes(i, j, encoding, constant_as, y.encoding)

        return Rounding(add)

    return rounding


def _sum(node: ir.Node, codes: Codes) -> Sums:
    """Add of two values whose units are small multiples of a common one."""
    a, b = (sums_of(v, codes) for v in variables(node))
    ratios = np.ravel(a.unit / b.unit)
    ratio = Fraction(float(ratios[0])).limit_denominator(LARGEST_RATIO)
    if not 0 < ratio < LARGEST_RATIO or np.abs(ratios / float(ratio) - 1).max() > 1e-9:
        raise NotIntegralError("the scales of the two values that it adds have no common unit")
    p, q = ratio.numerator, ratio.denominator
    sums = in_floats(
        a.unit / p, a.rest + b.rest, p * a.least + q * b.least, p * a.most + q * b.most, dtype_of(node.outputs[0])
    )
    return replace(sums, certain=sums.certain and a.certain and b.certain, meant=a.meant or b.meant)


def _joined(parts: list[Sums], channels: list[int]) -> Sums:
    """Parts along the channels."""
    starts = np.cumsum([0, *channels])

    def along_channels(name: str) -> Array:
        return np.concatenate([np.broadcast_to(getattr(p, name), n) for p, n in zip(parts, channels, strict=True)])

    def value(V: Array) -> Array:
        rows = np.broadcast_to(V, (starts[-1], V.shape[-1]))
        pieces = zip(parts, starts, starts[1:], strict=False)
        return np.concatenate([part.value(rows[begin:end]) for part, begin, end in pieces])

    unit, rest, least, most = (along_channels(name) for name in ("unit", "rest", "least", "most"))
    certain, meant = all(p.certain for p in parts), any(p.meant for p in parts)
    return Sums(unit, rest, least, most, value, certain=certain, meant=meant)


__all__ = ["sums_of"]
