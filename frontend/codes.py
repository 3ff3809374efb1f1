"""Which integer codes stand behind float values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from .input_format import InputFormat
from .requantise import Encoding
from .staircase import Fit
from .values import FLOATS, LIMITS, Array, attribute, constant, is_onnx, scalar, shape_of, text, variables

if TYPE_CHECKING:
    from .populations import Fitted  # which emits what is found here

QUANTISER = "ganglion.quantiser"  # set in the `meta` of float nodes that stand for a quantiser
MOVING = (  # nodes that only move values about; Resize only where it takes the nearest, Pad where it fills with 0
    *("MaxPool", "GlobalMaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice"),
    *("Split", "Gather", "Identity", "DepthToSpace", "SpaceToDepth", "Resize", "Expand", "Tile", "Pad", "Dropout"),
)


@dataclass(frozen=True)
class Coded:
    """The values (code - zero) * scale for codes in [low, high].

    `kind` is the type of the model's own codes; None where it has none, since float nodes quantise. `meant`: whether
    the model is quantised here, and does not just take few values (as QCFS). `plain`: whether each value is one product
    in floats, not rounded before.
    """

    scale: float
    zero: int
    low: int
    high: int
    kind: ir.DataType | None = None
    meant: bool = True
    plain: bool = True

    @property
    def reach(self) -> tuple[int, int]:
        """The lowest and the highest code - zero."""
        return self.low - self.zero, self.high - self.zero

    @property
    def encoding(self) -> Encoding:
        """The same for the arithmetic of 8-bit kernels."""
        return Encoding(np.float32(self.scale), self.zero, self.low, self.high)


class Codes:
    """Looks codes up, by value: those of activations, of the network's input, and of what is moved about."""

    def __init__(self, found: Iterable[Fitted], source: ir.Value, given: InputFormat) -> None:
        self.known: dict[ir.Value, Coded] = {}
        for fitted in found:
            coded = _levels(fitted.fit, quantises(fitted.activation.nodes)) if fitted.fit is not None else None
            if coded is not None:
                self.known[fitted.activation.output] = coded
        self.known.setdefault(source, Coded(given.step, 0, given.low, given.high, meant=False))

    def of(self, value: ir.Value | None) -> Coded | None:
        """The codes behind `value`, None where there are none, or different ones at different places."""
        node = value.producer() if value is not None else None
        if node is not None and is_onnx(node, "DequantizeLinear"):
            return encoding_of(node)
        if value is not None and value in self.known:
            return self.known[value]
        if node is None:
            return None
        if moves(node):
            found = [self.of(v) for v in moved(node)]
            return found[0] if found and all(c == found[0] for c in found) else None
        if is_onnx(node, "Mul", "Div", "Add", "Sub") and len(variables(node)) == 1:
            return self._scaled(node)
        return None

    def _scaled(self, node: ir.Node) -> Coded | None:
        """What a constant factor or summand makes of codes."""
        (data,) = variables(node)
        other = next(a for v in node.inputs if (a := constant(v)) is not None)
        number, coded, first = scalar(other), self.of(data), node.inputs[0] is data
        if number is None or coded is None or not np.isfinite(number) or shape_of(data) != shape_of(node.outputs[0]):
            return None
        c, gain, offset = float(number), 1.0, 0.0
        if is_onnx(node, "Mul"):
            gain = c
        elif is_onnx(node, "Div"):
            gain = 1 / c if first and c else 0.0
        else:
            sign = -1.0 if is_onnx(node, "Sub") else 1.0
            gain, offset = (1.0, sign * c) if first else (sign, c)
        low, high = coded.reach
        if not gain:
            return None
        found = _coded(gain * coded.scale, gain * coded.scale * low + offset, high - low, coded.meant)
        return None if found is None else replace(found, plain=False)


def encoding_of(node: ir.Node) -> Coded | None:
    """The encoding of a DequantizeLinear's input, where it has one scale."""
    scale, data = constant(node.inputs[1]), node.inputs[0]
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    one = None if scale is None else scalar(scale)
    if one is None or one.dtype != np.float32 or (zero is not None and scalar(zero) is None):
        return None
    kind = ir.DataType.from_numpy(zero.dtype) if zero is not None else data.dtype if data is not None else None
    limits = LIMITS.get(kind) if kind is not None else None
    if limits is None:
        return None
    point = 0 if zero is None else int(np.asarray(zero).astype(np.int64).ravel()[0])
    return Coded(float(one), point, *limits, kind)


def quantises(nodes: Iterable[ir.Node]) -> bool:
    """Whether a quantiser is among `nodes`."""
    return any(is_onnx(n, "QuantizeLinear") or n.meta.get(QUANTISER) for n in nodes)


def _levels(fit: Fit, meant: bool) -> Coded | None:
    """The levels base + rise * k of a staircase as codes; None where 0 is neither a level nor halfway between two."""
    return _coded(fit.rise, fit.base, fit.levels, meant)


def _coded(rise: float, base: float, levels: int, meant: bool) -> Coded | None:
    for parts in (1, 2):
        first = base * parts / rise
        if abs(first - round(first)) < 1e-6:
            ends = sorted((round(first), round(first) + parts * levels))
            if rise < 0:
                ends = [-ends[1], -ends[0]]
            return Coded(abs(rise) / parts, 0, ends[0], ends[1], meant=meant)
    return None


def moves(node: ir.Node) -> bool:
    """Whether `node` gives values of its input, at other places, and zeros at most."""
    if is_onnx(node, "Cast"):
        return node.outputs[0].dtype in FLOATS
    if not is_onnx(node, *MOVING):
        return False
    if is_onnx(node, "Concat"):
        return len(variables(node)) == len(node.inputs)
    if is_onnx(node, "Resize"):
        return text(node, "mode", "nearest") == "nearest"
    if is_onnx(node, "Pad"):
        return text(node, "mode", "constant") != "constant" or _filling(node) == 0
    return not (is_onnx(node, "Transpose") and attribute(node, "perm", [0])[0] != 0)


def moved(node: ir.Node) -> list[ir.Value]:
    """The inputs whose values such a node moves."""
    return variables(node) if is_onnx(node, "Concat") else [v for v in node.inputs[:1] if v is not None]


def _filling(node: ir.Node) -> float | None:
    given = node.inputs[2] if len(node.inputs) > 2 else None
    if given is None:
        return 0.0
    array: Array | None = constant(given)
    return None if array is None or array.size != 1 else float(np.asarray(array).astype(np.float64).ravel()[0])
