"""Small ONNX models, and the meaning of an imported graph in float64, written without the package's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

from ganglion.frontend import Options, import_model, run_onnxruntime
from ganglion.ir import Bias, Conv2d, Dense, Graph, Input, OneToOne, Op, Readout, Reshape, Staircase, Sum

Array = NDArray[Any]


def build(
    body: str,
    *,
    x: str = "float[N,2,6,5] x",
    y: str = "float[N,M] y",
    opset: int = 17,
    extra: str = "",
    weights: Mapping[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """A model from the text form of its nodes; `weights` become initialisers."""
    text = f'<ir_version: 8, opset_import: ["" : {opset}{extra}]> g ({x}) => ({y}) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for name, array in (weights or {}).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model


def dyadic(*shape: int, seed: int = 0, unit: float = 1 / 8, span: int = 8) -> Array:
    """Random multiples of `unit`, float32: sums of products of them are exact."""
    return (np.random.default_rng(seed).integers(-span, span + 1, shape) * unit).astype(np.float32)


def samples(graph: Graph, n: int = 3, seed: int = 1, span: int = 64) -> Array:
    """Real inputs (n, ...), float64, that the codes of `graph` express exactly."""
    op = graph.input
    codes = np.random.default_rng(seed).integers(max(op.low, -span), min(op.high, span) + 1, (n, *op.shape))
    return (codes - op.zero_point) * op.scale


def evaluate(graph: Graph, x: Array) -> dict[str, Array]:
    """Every value of a graph at stage IMPORTED for real inputs `x` (N, ...)."""
    values: dict[str, Array] = {}
    for op in graph:
        values[op.name] = _value(op, [values[i] for i in op.inputs], x)
        assert values[op.name].shape[1:] == graph.typeof(op.name).shape, op.name
    return values


def _value(op: Op, inputs: list[Array], x: Array) -> Array:
    match op:
        case Input():
            return (np.clip(np.rint(x / op.scale + op.zero_point), op.low, op.high) - op.zero_point) * op.scale
        case Conv2d():
            return _conv(op, inputs[0])
        case Dense():
            return inputs[0].reshape(len(x), -1) @ op.weight.T
        case OneToOne():
            return inputs[0] * _spread(op.weight, inputs[0])
        case Bias():
            return inputs[0] + _spread(op.bias, inputs[0])
        case Sum():
            return np.asarray(np.sum(inputs, axis=0))
        case Reshape():
            return inputs[0].reshape(len(x), *op.shape)
        case Staircase():
            return op.step * np.clip(np.floor(inputs[0] / op.step + 0.5), 0, op.levels)
        case Readout():
            return inputs[0] * op.unit
    raise AssertionError(f"{op.mnemonic} does not belong into an imported graph")


def _spread(a: Array, value: Array) -> Array:
    return a.reshape(a.shape + (1,) * (value.ndim - 2)) if a.ndim == 1 else a


def _conv(op: Conv2d, x: Array) -> Array:
    top, left, bottom, right = op.pads
    if bottom < 0 or right < 0:
        x = x[:, :, : x.shape[2] + min(bottom, 0), : x.shape[3] + min(right, 0)]
    x = np.pad(x, ((0, 0), (0, 0), (top, max(bottom, 0)), (left, max(right, 0))))
    out, fan_in, kh, kw = op.weight.shape
    (sy, sx), (dy, dx) = op.strides, op.dilations
    height = (x.shape[2] - dy * (kh - 1) - 1) // sy + 1
    width = (x.shape[3] - dx * (kw - 1) - 1) // sx + 1
    y = np.zeros((len(x), out, height, width))
    per_group = out // op.groups
    for g in range(op.groups):
        source = x[:, g * fan_in : (g + 1) * fan_in]
        rows = slice(g * per_group, (g + 1) * per_group)
        for i in range(kh):
            for j in range(kw):
                part = source[:, :, i * dy :, j * dx :][:, :, : sy * (height - 1) + 1 : sy, : sx * (width - 1) + 1 : sx]
                y[:, rows] += np.einsum("oc,nchw->nohw", op.weight[rows, :, i, j], part)
    return y


def assert_same_meaning(model: onnx.ModelProto, **options: Any) -> Graph:
    """The imported graph computes what onnxruntime computes; returns the graph."""
    graph = import_model(model, Options(**options))
    x = samples(graph)
    expected = run_onnxruntime(model, x)
    actual = evaluate(graph, x)[graph.readout.name]
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(expected) > 0, "a constant output would prove nothing"
    return graph
