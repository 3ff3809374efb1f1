"""Activations behind layers that the model computes in integers, and where exactly each of their levels begins.

All that such an activation sees is unit * V + rest for whole V (integer_values.py). Which V reach which level is found
by evaluating on integers what the model does to them: in the arithmetic of onnxruntime's 8-bit kernels where it has
one, and else in its own float32 nodes. So at T = 1 and tau = levels not one code differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError

from . import requantise as kernel
from .activations import Activation
from .codes import Coded, Codes, encoding_of, moved, moves, quantises
from .integer_values import sums_of
from .scalar import evaluator
from .staircase import Fit
from .sums import EIGHT_BITS, NotIntegralError, Sums
from .thresholds import add_weights, smallest_reaching
from .values import Array, constant, is_onnx, name_of, shape_of, variables

if TYPE_CHECKING:
    from .populations import Fitted  # which emits what is found here

FINE = 16  # parts of a level's step that the grid should have, where weights of a few bits allow it
Counter = Callable[[Array], Array]  # V -> levels reached


@dataclass(frozen=True, eq=False)
class Exact:
    """For a quantised activation: `grid` () or (C,), the offset before it, and the thresholds behind the offset."""

    grid: Array
    offset: Array
    thresholds: Array


@dataclass(frozen=True, eq=False)
class Lattice:
    """What of a model is computed in integers.

    activations  by their outputs
    gains        by Add nodes: factors for the two inputs (near 1), where their scales have no common unit
    readout      the real value of which the model's output is a whole multiple, () or (C,), None where there is none
    notes        what is not exact, though quantised
    """

    activations: dict[ir.Value, Exact] = field(default_factory=dict)
    gains: dict[ir.Node, tuple[float, float]] = field(default_factory=dict)
    readout: Array | None = None
    notes: list[str] = field(default_factory=list)


def lattice(found: Sequence[Fitted], codes: Codes, opsets: Mapping[str, int], result: ir.Value) -> Lattice:
    """The activations of `found` whose inputs are integers, with their exact thresholds."""
    whole, doubtful = Lattice(), []
    for fitted in found:
        activation = fitted.activation
        if fitted.fit is None or activation.root.is_graph_input():
            continue
        layer = _layer(activation)
        try:
            exact, certain = _exact(fitted, codes, opsets, whole.gains) or (None, True)
        except CompileError:
            continue  # the translation says so
        except NotIntegralError as error:
            if error.quantised or quantises(activation.nodes):
                whole.notes.append(f"{layer}: its codes are found in float32, not in integers: {error}")
            continue
        if exact is not None:
            whole.activations[activation.output] = exact
        doubtful += [] if certain else [layer]
    if doubtful:
        layers = ", ".join(dict.fromkeys(doubtful))
        whole.notes.append(
            f"onnxruntime computes {layers} in float32: a sum within its rounding error of a threshold may give the "
            "next code there"
        )
    return Lattice(whole.activations, whole.gains, _readout(result, codes), whole.notes)


def _layer(activation: Activation) -> str:
    """The name of the node that computes what `activation` sees, before it is moved about."""
    node = activation.root.producer()
    while node is not None and moves(node) and len(moved(node)) == 1:
        node = moved(node)[0].producer()
    return name_of(node or activation.nodes[0])


def _exact(
    fitted: Fitted, codes: Codes, opsets: Mapping[str, int], gains: dict[ir.Node, tuple[float, float]]
) -> tuple[Exact, bool] | None:
    """Where the levels begin, and whether that is certain; None where nothing is quantised."""
    activation, fit, table = fitted.activation, fitted.fit, fitted.table
    assert fit is not None, "asked for before"
    root = activation.root
    counter = _Counters(fitted, opsets)
    node = root.producer()
    plain = table is None or not table.step.ndim
    if node is not None and plain and is_onnx(node, "Add") and len(variables(node)) == 2:
        pair = _sum_of_two(node, counter, fit, codes)
        if pair is not None and (quantises(activation.nodes) or any(c.meant for c in map(codes.of, node.inputs) if c)):
            exact, gains[node] = pair
            return exact, True
    sums = sums_of(root, codes)
    if not (sums.meant or quantises(activation.nodes)):
        return None
    count, certain = counter.of(sums)
    columns = () if table is None else table.step.shape
    channels = np.broadcast_shapes(sums.unit.shape, sums.rest.shape, columns)
    shape = shape_of(root)
    if channels and (shape is None or shape[1:2] != channels):
        raise NotIntegralError("its channels are not on axis 1")
    least, most = (np.broadcast_to(bound, channels or bound.shape) for bound in (sums.least, sums.most))
    first = smallest_reaching(count, fit.levels, least, most).T  # (levels,) or (levels, C)
    first = first[:, 0] if first.ndim == 2 and (first == first[:, :1]).all() else first
    step, shift = (np.array(fit.step), np.array(fit.shift)) if table is None else (table.step, table.shift)
    return _thresholds(first, sums.unit, sums.rest, step, shift), certain


class _Counters:
    """An activation as functions of integers: how many of its levels V reaches."""

    def __init__(self, fitted: Fitted, opsets: Mapping[str, int]) -> None:
        assert fitted.fit is not None, "asked for before"
        self.activation, self.fit, self.table, self.opsets = fitted.activation, fitted.fit, fitted.table, opsets
        nodes = self.activation.nodes
        self.encoding: Coded | None = None
        self.codes = (
            -np.inf,
            np.inf,
        )  # the range of codes that Clip leaves, where there are fewer bits than the type's
        self.rest: Activation | None = None  # what follows the first pair of quantiser and dequantiser
        first, last = (
            next((i for i, n in enumerate(nodes) if is_onnx(n, op)), None)
            for op in ("QuantizeLinear", "DequantizeLinear")
        )
        if first is None or last is None or not all(is_onnx(n, "Clip") for n in nodes[first + 1 : last]):
            return
        encoding, after = encoding_of(nodes[last]), nodes[last].outputs[0]
        if encoding is None or not all(_is_redundant(n, encoding) for n in nodes[:first]):
            return
        self.encoding = encoding
        for node in nodes[first + 1 : last]:
            low, high = _bounds(node)
            self.codes = max(self.codes[0], low), min(self.codes[1], high)
        if nodes[last + 1 :]:
            self.rest = Activation(root=after, output=self.activation.output, nodes=nodes[last + 1 :])

    def of(self, sums: Sums) -> tuple[Counter, bool]:
        """The function for integers that mean what `sums` says, and whether it is certain."""
        rounding = sums.rounding(self.encoding) if self.encoding is not None else None
        if rounding is not None:
            return self.of_codes(rounding.codes), rounding.certain
        return self.of_reals(sums.value), sums.certain

    def of_codes(self, codes: Callable[[Array], Array]) -> Counter:
        """From the codes that a kernel gives to the levels of the activation."""
        assert self.encoding is not None, "the kernel was found with it"
        encoding = self.encoding.encoding
        function = evaluator(self.rest, self.opsets) if self.rest is not None else None

        def count(V: Array) -> Array:
            y = kernel.dequantise(np.clip(codes(V), *self.codes).astype(np.int64), encoding)
            return self.levels(y if function is None else function(y.ravel()).reshape(y.shape))

        return count

    def of_reals(self, value: Callable[[Array], Array]) -> Counter:
        """The whole activation, by onnxruntime itself."""
        table = self.table
        if table is not None:
            return lambda V: table.reached(value(V))
        function = evaluator(self.activation, self.opsets)

        def count(V: Array) -> Array:
            x = value(V)
            return self.levels(function(np.ascontiguousarray(x).ravel()).reshape(x.shape))

        return count

    def levels(self, y: Array) -> Array:
        return np.rint((y.astype(np.float64) - self.fit.base) / self.fit.rise).astype(np.int64)


def _is_redundant(node: ir.Node, y: Coded) -> bool:
    """Whether onnxruntime drops `node` before a quantiser, whose own range clips as much."""
    if is_onnx(node, "Relu"):
        return y.zero == y.low
    if not is_onnx(node, "Clip"):
        return False
    low, high = _bounds(node)
    scale = np.float32(y.scale)
    below = np.isinf(low) or np.rint(np.float32(low) / scale) + y.zero <= y.low
    return bool(below and (np.isinf(high) or np.rint(np.float32(high) / scale) + y.zero >= y.high))


def _bounds(clip: ir.Node) -> tuple[float, float]:
    low, high = (
        float(np.asarray(a).astype(np.float64).ravel()[0]) if a is not None and a.size else end
        for a, end in zip([*(constant(v) for v in clip.inputs[1:]), None, None], (-np.inf, np.inf), strict=False)
    )
    return low, high


def _thresholds(first: Array, unit: Array, rest: Array, step: Array, shift: Array) -> Exact:
    """From the smallest multiples `first` (levels,) or (levels, C) that reach each level: half a unit below them.

    The offset makes the thresholds positive, is what the shift of the staircase stands for, and takes away what is no
    whole multiple.
    """
    parts = 1
    while (unit / parts > step / FINE).any() and parts < FINE:
        parts *= 2
    grid = unit / parts
    at = (first - 0.5) * unit if first.ndim > unit.ndim else (first[:, None] - 0.5) * unit
    channels = np.broadcast_shapes(rest.shape, step.shape)
    if at.ndim == 1 and channels:
        at = np.repeat(at[:, None], channels[0], axis=1)
    offset = np.rint(((shift - 0.5) * step + rest) / grid) * grid
    offset = np.where(at[0] + offset > 0, offset, np.ceil(-at[0] / grid + 0.5) * grid)
    return Exact(grid=grid, offset=offset - rest, thresholds=at + offset)


def _sum_of_two(node: ir.Node, counter: _Counters, fit: Fit, codes: Codes) -> tuple[Exact, tuple[float, float]] | None:
    """Add of two coded values: integer weights that put all pairs of codes in the order of their sums."""
    first, second = variables(node)
    a, b, y = codes.of(first), codes.of(second), counter.encoding
    if first is second or a is None or b is None:
        return None
    if any(shape_of(v) != shape_of(node.outputs[0]) for v in (first, second)):
        return None
    i, j = np.arange(a.low, a.high + 1)[:, None], np.arange(b.low, b.high + 1)
    if max(i.size, j.size) > 256:
        return None
    if y is not None and a.kind == b.kind == y.kind and y.kind in EIGHT_BITS:
        table = counter.of_codes(lambda V: kernel.add_codes(i, j, a.encoding, b.encoding, y.encoding))(i)
    else:
        table = counter.of_reals(lambda V: kernel.dequantise(i, a.encoding) + kernel.dequantise(j, b.encoding))(i)
    found = add_weights(table, fit.levels)
    if found is None:
        return None
    wa, wb = found.weights
    unit = (a.scale / wa + b.scale / wb) / 2
    zero = wa * (a.zero - a.low) + wb * (b.zero - b.low)
    exact = _thresholds(found.thresholds - zero, np.array(unit), np.zeros(()), np.array(fit.step), np.array(fit.shift))
    return exact, (wa * unit / a.scale, wb * unit / b.scale)


def _readout(result: ir.Value, codes: Codes) -> Array | None:
    """The unit of the model's output, where its last layer computes in integers."""
    if codes.of(result) is not None:
        return None  # every count is a code
    try:
        sums = sums_of(result, codes)
    except (NotIntegralError, CompileError):
        return None
    shape, unit = shape_of(result), sums.unit
    if not sums.meant:
        return None
    return unit if not unit.ndim or (shape is not None and shape[1:] == unit.shape) else None


__all__ = ["Exact", "Lattice", "lattice"]
