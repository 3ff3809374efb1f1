"""Quantised models in one form: float nodes between DequantizeLinear and QuantizeLinear, weights that remember their
integers.

QLinear nodes (ONNX's own and those of `com.microsoft`) become that form; DequantizeLinear moves up through nodes that
only rearrange codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from .codes import MOVING, moves
from .rewrites import replace_uses
from .values import LIMITS, Array, add_constant, attribute, constant, is_onnx, name_of, scalar, text

INTEGERS = "ganglion.integers"  # where a dequantised weight keeps its `Integers`


@dataclass(frozen=True, eq=False)
class Integers:
    """A constant that stands for `values` * `scale`: int64 without zero point; `scale` float32, () or by `axis`.

    `kind` is the type of the model's own codes, None where float nodes quantise; `zero` their zero point, where given.
    """

    values: Array
    scale: Array
    axis: int = 0
    kind: ir.DataType | None = None
    zero: Array | None = None

    @property
    def real(self) -> Array:
        """The constant itself, in the type of its scale."""
        return self.values.astype(self.scale.dtype) * along(self.scale, self.axis, self.values.ndim)


def integers_of(value: ir.Value | None) -> Integers | None:
    """The integers behind a dequantised constant, None where there are none."""
    found = value.meta.get(INTEGERS) if value is not None else None
    return found if isinstance(found, Integers) else None


def remember(graph: ir.Graph, output: ir.Value, integers: Integers) -> None:
    """In place: a constant that remembers its integers takes the place of `output`, whose node goes."""
    node, new = output.producer(), add_constant(graph, integers.real, f"{name_of(output)}.float")
    new.meta[INTEGERS] = integers
    replace_uses(graph, output, new)
    if node is not None:
        graph.remove(node, safe=True)


def as_qdq(model: ir.Model) -> None:
    """In place: QLinear nodes become float nodes between DequantizeLinear and QuantizeLinear; codes become floats."""
    for node in list(model.graph):
        rule = RULES.get((node.domain if node.domain not in ("", "ai.onnx") else "", node.op_type))
        if rule is not None and all(constant(v) is not None for v in _parameters(node)):
            rule(_Rewrite(model.graph, node))
    _raise_dequantisers(model.graph)


def keep_integers(graph: ir.Graph) -> None:
    """In place: constants behind a DequantizeLinear are computed, and remember their integers; transposed ones too."""
    for node in list(graph):
        output = node.outputs[0]
        if output.is_graph_output():
            continue
        before = integers_of(node.inputs[0]) if node.inputs else None
        found: Integers | None = None
        if is_onnx(node, "DequantizeLinear"):
            found = _dequantised(node)
        elif before is not None and is_onnx(node, "Identity"):
            found = before
        elif before is not None and is_onnx(node, "Transpose"):
            order = attribute(node, "perm", list(range(before.values.ndim))[::-1])
            axis = order.index(before.axis) if before.scale.ndim else 0
            found = replace(before, values=before.values.transpose(order), axis=axis)
        if found is not None:
            remember(graph, output, found)


def _dequantised(node: ir.Node) -> Integers | None:
    """What a DequantizeLinear makes of constant codes; None where they are not, or in blocks, or not in float32."""
    codes = _codes(node.inputs[0])
    parameters = [constant(v) for v in node.inputs[1:] if v is not None]
    if codes is None or not codes.size or any(p is None for p in parameters) or attribute(node, "block_size", 0):
        return None
    scale, *zeros = (np.asarray(p) for p in parameters)
    if scale.dtype != np.float32 or scale.ndim > 1 or (zeros and zeros[0].size not in (1, scale.size)):
        return None
    kind, zero = ir.DataType.from_numpy(codes.dtype), zeros[0].astype(np.int64) if zeros else None
    axis = attribute(node, "axis", 1) % max(codes.ndim, 1) if scale.size > 1 else 0
    if scale.size == 1:
        scale, zero = scale.reshape(()), None if zero is None else zero.reshape(())
    values = codes.astype(np.int64) - (0 if zero is None else along(zero, axis, codes.ndim))
    return Integers(values, scale, axis, kind, zero)


def _codes(value: ir.Value | None) -> Array | None:
    """Constant codes: stored as such, or what a QuantizeLinear makes of floats; clipped, where they have fewer bits."""
    array, node = constant(value), value.producer() if value is not None else None
    if array is not None or node is None:
        return array
    if is_onnx(node, "Clip"):
        codes, bounds = _codes(node.inputs[0]), [constant(v) for v in node.inputs[1:]]
        if codes is None or len(bounds) != 2 or any(b is None for b in bounds):
            return None
        return np.clip(codes, *(np.asarray(b).reshape(()) for b in bounds))
    if not is_onnx(node, "QuantizeLinear"):
        return None
    arrays = [constant(v) for v in node.inputs]
    if len(arrays) != 3 or any(a is None for a in arrays) or attribute(node, "block_size", 0):
        return None
    x, scale, zero = (np.asarray(a) for a in arrays)
    limits = LIMITS.get(ir.DataType.from_numpy(zero.dtype))
    if limits is None or x.dtype != np.float32 or scale.ndim > 1:
        return None
    axis = attribute(node, "axis", 1) % max(x.ndim, 1)
    scale, point = (a.reshape(()) if a.size == 1 else along(a, axis, x.ndim) for a in (scale, zero.astype(np.int64)))
    return np.asarray(np.clip(np.rint(x / scale) + point, *limits).astype(zero.dtype))


def along(array: Array, axis: int, rank: int) -> Array:
    """`array`, () or (n,), in a form that broadcasts along `axis` of a tensor with `rank` axes."""
    return array if array.ndim == 0 else array.reshape(-1, *(1,) * (rank - 1 - axis))


def _parameters(node: ir.Node) -> list[ir.Value]:
    """The scales and zero points of a QLinear node."""
    places = PARAMETERS.get(node.op_type)
    if places is None:  # QLinearConcat: y_scale, y_zero, then (x, scale, zero) for every input
        places = [0, 1, *(i for i in range(2, len(node.inputs)) if (i - 2) % 3)]
    return [v for i in places if i < len(node.inputs) and (v := node.inputs[i]) is not None]


class _Rewrite:
    """Builds the nodes that take the place of one QLinear node."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node = graph, node

    def input(self, index: int) -> ir.Value | None:
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def float(self, data: int, scale: int, zero: int, axis: int | None = None) -> ir.Value:
        """Input `data`, dequantised."""
        inputs = [self.input(data), self.input(scale), self.input(zero)]
        attributes = [ir.AttrInt64("axis", axis)] if axis is not None else []
        return self.add("DequantizeLinear", inputs, f"{self.node.name}.x{data}", attributes)

    def add(
        self, op: str, inputs: Sequence[ir.Value | None], name: str, attributes: Sequence[ir.Attr] = ()
    ) -> ir.Value:
        node = ir.Node("", op, inputs, list(attributes), name=name, outputs=[ir.Value(name=f"{name}.y")])
        self.graph.insert_before(self.node, node)
        return node.outputs[0]

    def finish(self, op: str, inputs: Sequence[ir.Value | None], y_scale: int, y_zero: int, *dropped: str) -> None:
        """The float node under the name of the QLinear one, and the quantiser behind it."""
        attributes = [a for a in self.node.attributes.values() if a.name not in dropped]
        result = self.add(op, inputs, name_of(self.node), attributes)
        scale, output = self.input(y_scale), self.node.outputs[0]
        if scale is not None:
            result = self.add("QuantizeLinear", [result, scale, self.input(y_zero)], f"{self.node.name}.quantise")
        replace_uses(self.graph, output, result)
        name = output.name
        self.graph.remove(self.node, safe=True)
        output.name, result.name = None, name


def _conv(r: _Rewrite) -> None:
    x, w = r.float(0, 1, 2), r.float(3, 4, 5, axis=0)
    r.finish("Conv", [x, w, _bias(r, 8, 1, 4)], 6, 7)


def _matmul(r: _Rewrite) -> None:
    b = r.input(4)
    scale = constant(b)
    axis = None if scale is None or scale.size == 1 else 1
    r.finish("MatMul", [r.float(0, 1, 2), r.float(3, 4, 5, axis=axis)], 6, 7)


def _gemm(r: _Rewrite) -> None:
    transposed = attribute(r.node, "transB", 0)
    x, w = r.float(0, 1, 2), r.float(3, 4, 5, axis=0 if transposed else 1)
    r.finish("Gemm", [x, w, _bias(r, 6, 1, 4, attribute(r.node, "alpha", 1.0))], 7, 8)


def _bias(r: _Rewrite, index: int, x_scale: int, w_scale: int, alpha: float = 1.0) -> ir.Value | None:
    """The integer bias, which counts in units of alpha * x_scale * w_scale, dequantised."""
    bias = r.input(index)
    if bias is None:
        return None
    unit = np.float32(alpha) * np.asarray(constant(r.input(x_scale))) * np.asarray(constant(r.input(w_scale)))
    scale = add_constant(
        r.graph, np.asarray(unit, np.float32).reshape(-1 if unit.size > 1 else ()), f"{r.node.name}.unit"
    )
    return r.add("DequantizeLinear", [bias, scale], f"{r.node.name}.bias", [ir.AttrInt64("axis", 0)])


def _two(op: str) -> Callable[[_Rewrite], None]:
    return lambda r: r.finish(op, [r.float(0, 1, 2), r.float(3, 4, 5)], 6, 7)


def _one(op: str) -> Callable[[_Rewrite], None]:
    return lambda r: r.finish(op, [r.float(0, 1, 2)], 3, 4)


def _pool(op: str) -> Callable[[_Rewrite], None]:
    def rule(r: _Rewrite) -> None:
        if not attribute(r.node, "channels_last", 0):
            r.finish(op, [r.float(0, 1, 2)], 3, 4, "channels_last")

    return rule


def _concat(r: _Rewrite) -> None:
    parts = [r.float(i, i + 1, i + 2) for i in range(2, len(r.node.inputs), 3)]
    r.finish("Concat", parts, 0, 1)


MICROSOFT = "com.microsoft"
RULES: dict[tuple[str, str], Callable[[_Rewrite], None]] = {
    ("", "QLinearConv"): _conv,
    ("", "QLinearMatMul"): _matmul,
    (MICROSOFT, "QGemm"): _gemm,
    (MICROSOFT, "QLinearAdd"): _two("Add"),
    (MICROSOFT, "QLinearMul"): _two("Mul"),
    (MICROSOFT, "QLinearLeakyRelu"): _one("LeakyRelu"),
    (MICROSOFT, "QLinearSigmoid"): _one("Sigmoid"),
    (MICROSOFT, "QLinearGlobalAveragePool"): _pool("GlobalAveragePool"),
    (MICROSOFT, "QLinearAveragePool"): _pool("AveragePool"),
    (MICROSOFT, "QLinearConcat"): _concat,
}
PARAMETERS: dict[str, list[int]] = {
    "QLinearConv": [1, 2, 4, 5, 6, 7],
    "QLinearMatMul": [1, 2, 4, 5, 6, 7],
    "QGemm": [1, 2, 4, 5, 7, 8],
    "QLinearAdd": [1, 2, 4, 5, 6, 7],
    "QLinearMul": [1, 2, 4, 5, 6, 7],
    "QLinearLeakyRelu": [1, 2, 3, 4],
    "QLinearSigmoid": [1, 2, 3, 4],
    "QLinearGlobalAveragePool": [1, 2, 3, 4],
    "QLinearAveragePool": [1, 2, 3, 4],
}


def _raise_dequantisers(graph: ir.Graph) -> None:
    """In place: a DequantizeLinear behind a node that only moves codes about goes before it."""
    changed = True
    while changed:
        changed = False
        for node in list(graph):
            if is_onnx(node, *MOVING) and _raise_above(graph, node):
                changed = True


def _raise_above(graph: ir.Graph, node: ir.Node) -> bool:
    readers = [n for v in node.outputs for n in v.consumers()]
    outputs = [v for v in node.outputs if v.uses()]
    if not readers or not all(is_onnx(n, "DequantizeLinear") and n.inputs[0] in outputs for n in readers):
        return False
    parameters = [[constant(v) for v in n.inputs[1:] if v is not None] for n in readers]
    arrays = parameters[0]
    same = all(len(p) == len(arrays) for p in parameters) and all(
        a is not None and b is not None and scalar(a) is not None and np.array_equal(a, b)
        for p in parameters
        for a, b in zip(arrays, p, strict=True)
    )
    if not same or any(v.is_graph_output() for v in node.outputs):
        return False
    if is_onnx(node, "Pad"):
        if not _pads_with(node, np.zeros(1) if len(arrays) < 2 else arrays[1]):
            return False
        node.resize_inputs(2)
    elif not (is_onnx(node, "Concat") or moves(node)):
        return False
    first = readers[0]
    for position in range(len(node.inputs) if is_onnx(node, "Concat") else 1):
        name = f"{first.name}.before{position}" if position else name_of(first)
        inputs = [node.inputs[position], *first.inputs[1:]]
        new = ir.Node("", "DequantizeLinear", inputs, name=name, outputs=[ir.Value(name=f"{node.name}.in{position}")])
        graph.insert_before(node, new)
        node.replace_input_with(position, new.outputs[0])
    for reader in readers:
        value = reader.inputs[0]
        assert value is not None, "asked for above"
        value.dtype = reader.outputs[0].dtype or ir.DataType.FLOAT
        replace_uses(graph, reader.outputs[0], value)
        graph.remove(reader, safe=True)
    return True


def _pads_with(node: ir.Node, zero: Array | None) -> bool:
    """Whether a Pad of codes fills with their zero point, which is 0."""
    fill = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros(1)
    plain = len(node.inputs) <= 3 and text(node, "mode", "constant") == "constant"
    return plain and fill is not None and zero is not None and np.array_equal(np.ravel(fill), np.ravel(zero))
