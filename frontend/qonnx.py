"""QONNX (Pappalardo et al., 2022, arXiv 2206.07527): quantisers on floats, as Brevitas and FINN write them.

`Quant` (also `IntQuant`), `BipolarQuant` and `MultiThreshold` become nodes of ONNX itself, in which onnxruntime can run
the model as well; constants behind them become constants that remember their integers. Semantics as documented in the
qonnx repository (docs/qonnx-custom-ops). The nodes of a MultiThreshold remember its table (tables.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from ganglion.errors import CompileError

from .activations import PART
from .codes import QUANTISER
from .quantised import INTEGERS, Integers, remember
from .rewrites import replace_uses
from .tables import evenly_spaced
from .values import Array, add_constant, attribute, constant, is_onnx, name_of, op_label, text

DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
WIDEST = 16  # thresholds that are compared at a time
LARGEST = 2**14  # of weights that are whole numbers as they stand
WEIGHTY = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def is_qonnx(node: ir.Node | onnx.NodeProto) -> bool:
    """Whether `node` is one of QONNX's."""
    return node.domain in DOMAINS and node.op_type in RULES


def as_onnx(model: ir.Model) -> bool:
    """In place: QONNX's nodes become ONNX's. Whether there were any.

    Raises `CompileError` for a node that is no quantiser after all: a scale of 0, an unknown mode of rounding.
    """
    nodes = [n for n in model.graph if is_qonnx(n)]
    taken = {name_of(v) for n in model.graph for v in (n, *n.inputs, *n.outputs) if v is not None} if nodes else set()
    for node in nodes:
        if node.op_type == "MultiThreshold" and any(v.shape is None for v in node.inputs[:1] if v is not None):
            ShapeInferencePass()(model)  # what lies between two of them can only be inferred now
        RULES[node.op_type](_Builder(model.graph, node, taken))
    if nodes:
        _whole_weights(model.graph)
        for domain in set(DOMAINS) - {n.domain for n in model.graph}:
            model.opset_imports.pop(domain, None)
    return bool(nodes)


class _Builder:
    """Builds the nodes that take the place of one of QONNX's."""

    def __init__(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
        self.graph, self.node, self.taken = graph, node, taken
        self.x = node.inputs[0]

    def parameter(self, index: int, what: str) -> Array:
        """The constant input `index`, float64."""
        array = constant(self.node.inputs[index]) if index < len(self.node.inputs) else None
        if array is None:
            raise self.error(f"its {what} is missing, or computed by the network", "export it as a constant")
        return np.asarray(array, np.float64)

    def error(self, problem: str, hint: str = "") -> CompileError:
        return CompileError(f"{op_label(self.node)}: {problem}", origin=[name_of(self.node)], hint=hint)

    def add(
        self, op: str, *inputs: ir.Value | Array | None, part: object = None, main: bool = False, **attributes: int
    ) -> ir.Value:
        """A node of ONNX's own; arrays become constants, float32 unless they are integers.

        The `main` one has the name of the node for which they stand.
        """
        name = self._fresh(op.lower())
        values = [self._constant(v, self._fresh(op.lower())) if isinstance(v, np.ndarray) else v for v in inputs]
        attrs = [ir.AttrInt64(key, value) for key, value in attributes.items()]
        output = ir.Value(name=self._fresh(f"{op.lower()}.y"))
        node = ir.Node("", op, values, attrs, name=name_of(self.node) if main else name, outputs=[output])
        node.meta[QUANTISER] = True
        if part is not None:
            node.meta[PART] = part
        self.graph.insert_before(self.node, node)
        return node.outputs[0]

    def _fresh(self, what: str) -> str:
        """A name for part of the node."""
        name, n = f"{name_of(self.node)}.{what}", 1
        while name in self.taken:
            name, n = f"{name_of(self.node)}.{what}{n}", n + 1
        self.taken.add(name)
        return name

    def _constant(self, array: Array, name: str) -> ir.Value:
        return add_constant(self.graph, array if array.dtype == np.int64 else array.astype(np.float32), name)

    def finish(self, result: ir.Value) -> None:
        """`result` takes the place of the node's output, and its name."""
        output = self.node.outputs[0]
        name, shape, kind = output.name, output.shape, output.type
        replace_uses(self.graph, output, result)
        self.graph.remove(self.node, safe=True)
        output.name, result.name = None, name
        result.shape, result.type = shape, kind or ir.TensorType(ir.DataType.FLOAT)

    def remember(self, values: Array, scale: Array) -> None:
        """The node's constant result: whole `values` times `scale`, which differs along one axis at most."""
        along = [axis for axis, n in enumerate(scale.shape) if n > 1]
        if len(along) > 1 or scale.ndim > values.ndim:
            raise self.error(f"a scale of shape {scale.shape} for weights of shape {values.shape}")
        axis = along[0] + values.ndim - scale.ndim if along else 0
        flat = scale.astype(np.float32).reshape(-1 if along else ())
        remember(self.graph, self.node.outputs[0], Integers(values.astype(np.int64), flat, axis))


def _quant(b: _Builder) -> None:
    """scale * (round(clip(x / scale + zero, least, most)) - zero)."""
    scale, zero, bits = (b.parameter(i, what) for i, what in enumerate(("scale", "zero point", "bit width"), 1))
    if bits.size != 1 or bits.ravel()[0] < 1 or bits.ravel()[0] != int(bits.ravel()[0]):
        raise b.error(f"a bit width of {bits.ravel()}", "it must be one whole number")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise b.error("a scale is not positive")
    width, signed, narrow = int(bits.ravel()[0]), attribute(b.node, "signed", 1), attribute(b.node, "narrow", 0)
    most = 2 ** (width - 1) - 1 if signed else 2**width - 1 - narrow
    least = -(2 ** (width - 1)) + narrow if signed else 0
    mode = text(b.node, "rounding_mode", "ROUND").upper()
    if mode not in ROUNDING:
        raise b.error(f"the rounding mode '{mode}' is unknown", f"one of {', '.join(ROUNDING)}")
    given = constant(b.x)
    if given is not None and (zero == np.rint(zero)).all():
        codes = np.asarray(given, np.float32) / scale.astype(np.float32) + zero.astype(np.float32)
        bipolar = width == 1 and signed
        whole = np.where(codes >= 0, 1, -1) if bipolar else ROUNDING[mode](np.clip(codes, least, most))
        b.remember(whole - zero, scale)
        return
    y = b.add("Div", b.x, scale)
    y = b.add("Add", y, zero) if zero.any() else y
    if width == 1 and signed:
        reached = b.add("GreaterOrEqual", y, np.zeros(()))
        y = b.add("Where", reached, np.array(1.0), np.array(-1.0), main=True)
    else:
        y = _rounded(b, b.add("Clip", y, np.array(float(least)), np.array(float(most))), mode)
    y = b.add("Sub", y, zero) if zero.any() else y
    b.finish(b.add("Mul", y, scale))


def _away(x: Array) -> Array:
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + 0.5))


def _towards(x: Array) -> Array:
    return np.asarray(np.sign(x) * np.ceil(np.abs(x) - 0.5))


ROUNDING: dict[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.asarray(np.sign(x) * np.ceil(np.abs(x))),
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": _away,
    "HALF_DOWN": _towards,
}
PLAIN = {"ROUND": "Round", "HALF_EVEN": "Round", "CEIL": "Ceil", "FLOOR": "Floor"}


def _rounded(b: _Builder, y: ir.Value, mode: str) -> ir.Value:
    """ONNX has the modes of PLAIN; the others treat both signs alike."""
    if mode in PLAIN:
        return b.add(PLAIN[mode], y, main=True)
    size, half = b.add("Abs", y), np.array(0.5)
    if mode in ("HALF_UP", "HALF_DOWN"):
        size = b.add("Add", size, half) if mode == "HALF_UP" else b.add("Sub", size, half)
    size = b.add("Ceil" if mode in ("UP", "HALF_DOWN") else "Floor", size)
    return b.add("Mul", b.add("Sign", y), size, main=True)


def _bipolar(b: _Builder) -> None:
    """scale where x >= 0, else -scale."""
    scale, given = b.parameter(1, "scale"), constant(b.x)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise b.error("a scale is not positive")
    if given is not None:
        b.remember(np.where(np.asarray(given) >= 0, 1, -1), scale)
        return
    sign = b.add("Where", b.add("GreaterOrEqual", b.x, np.zeros(())), np.array(1.0), np.array(-1.0), main=True)
    b.finish(b.add("Mul", sign, scale))


def _multi_threshold(b: _Builder) -> None:
    """out_bias + out_scale * (how many of a channel's thresholds x reaches)."""
    thresholds = np.sort(b.parameter(1, "thresholds"), axis=-1)
    if thresholds.ndim != 2 or not thresholds.size or not np.isfinite(thresholds).all():
        raise b.error(f"thresholds of shape {thresholds.shape}", "they must be finite numbers (channels or 1, levels)")
    scale, bias = (float(attribute(b.node, f"out_{k}", default)) for k, default in (("scale", 1.0), ("bias", 0.0)))
    if scale == 0:
        raise b.error("out_scale is 0: the result does not depend on the input")
    assert b.x is not None, "not optional"
    table = evenly_spaced(thresholds[0] if len(thresholds) == 1 else thresholds.T)
    placed = _placed(b, thresholds)
    wide = b.add("Unsqueeze", b.x, np.array([-1]), part=table, main=True)
    counts: ir.Value | None = None
    for first in range(0, thresholds.shape[1], WIDEST):
        reached = b.add("GreaterOrEqual", wide, placed[..., first : first + WIDEST], part=table)
        numbers = b.add("Cast", reached, to=int(ir.DataType.FLOAT), part=table)
        part = b.add("ReduceSum", numbers, np.array([-1]), part=table, keepdims=0)
        counts = part if counts is None else b.add("Add", counts, part, part=table)
    assert counts is not None, "there are thresholds"
    result = counts if scale == 1 else b.add("Mul", counts, np.array(scale))
    b.finish(result if bias == 0 else b.add("Add", result, np.array(bias)))


def _placed(b: _Builder, thresholds: Array) -> Array:
    """The thresholds (..., K) in a form that broadcasts over x (..., 1)."""
    if len(thresholds) == 1:
        first: Array = thresholds[0]
        return first
    assert b.x is not None, "not optional"
    rank = len(b.x.shape) if b.x.shape is not None else None
    if rank not in (2, 4):
        shape = "unknown" if rank is None else f"{rank} axes"
        raise b.error(
            f"thresholds for each channel of an input with a shape that is {shape}; 2 and 4 axes are supported",
            "run shape inference (qonnx.transformation.infer_shapes) before the export",
        )
    last = rank == 2 or text(b.node, "data_layout", "NCHW") == "NHWC"
    channels = b.x.shape[-1 if last else 1] if b.x.shape is not None else None
    if isinstance(channels, int) and channels != len(thresholds):
        raise b.error(f"{len(thresholds)} rows of thresholds for {channels} channels")
    shaped: Array = thresholds if last else thresholds.reshape(len(thresholds), 1, 1, -1)
    return shaped


def _whole_weights(graph: ir.Graph) -> None:
    """In place: weights that are whole numbers as they stand (where scales have been moved elsewhere) remember it."""
    for node in graph:
        if not is_onnx(node, *WEIGHTY):
            continue
        for value in node.inputs[:2]:
            array = constant(value)
            if value is None or array is None or INTEGERS in value.meta or array.dtype != np.float32:
                continue
            if (array == np.rint(array)).all() and np.abs(array).max(initial=0) < LARGEST:
                value.meta[INTEGERS] = Integers(array.astype(np.int64), np.ones((), np.float32))


RULES: dict[str, Callable[[_Builder], None]] = {
    "Quant": _quant,
    "IntQuant": _quant,
    "BipolarQuant": _bipolar,
    "MultiThreshold": _multi_threshold,
}
