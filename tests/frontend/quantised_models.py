"""Quantised ONNX models made by hand, and the comparison of their codes with onnxruntime's."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

import ganglion
from ganglion.frontend import run_onnxruntime
from ganglion.frontend.kernels import kernel_settings
from ganglion.ir import Graph, GroupNeuron, Projection

from .helpers import Array

TYPES = {"uint8": (0, 255), "int8": (-128, 127), "uint4": (0, 15), "int4": (-8, 7), "int16": (-32768, 32767)}
WEIGHTS = [("int8", 0), ("int8", 11), ("uint8", 128), ("uint8", 97), ("uint8", 0)]  # types and zero points
INTEGERS = "onnxruntime computes"  # how the note on float32 layers begins
FLOATS = "found in float32"  # part of the note on a layer whose integers are lost


class Builder:
    """A model in the making: every method adds nodes, and returns the name of the value that they give.

    Scales are random, so that hardly any sum lies halfway between two codes.
    """

    def __init__(self, *shape: int, seed: int = 0, kind: str = "float", opset: int = 21) -> None:
        self.rng, self.shape, self.kind, self.opset = np.random.default_rng(seed), shape, kind, opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def scale(self, about: float) -> np.float32:
        return np.float32(about * self.rng.uniform(0.7, 1.3))

    def scales(self, about: float, n: int) -> Array:
        return (about * self.rng.uniform(0.7, 1.3, n)).astype(np.float32)

    def constant(self, values: Any, kind: str = "float") -> str:
        values, name = np.asarray(values), f"constant{len(self.constants)}"
        element = getattr(TensorProto, kind.upper())
        self.constants.append(helper.make_tensor(name, element, values.shape, values.ravel().tolist()))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [f"{name}.y"], name=name, domain=domain, **attributes))
        return f"{name}.y"

    def dequantise(self, codes: str, scale: Any, zero: Any, kind: str, **attributes: Any) -> str:
        inputs = [codes, self.constant(scale), *([] if zero is None else [self.constant(zero, kind)])]
        return self.add("DequantizeLinear", *inputs, **attributes)

    def quantise(self, x: str, scale: Any, zero: int, kind: str) -> str:
        """The codes of `x`."""
        return self.add("QuantizeLinear", x, self.constant(scale), self.constant(zero, kind))

    def coded(self, x: str, scale: Any, zero: int, kind: str) -> str:
        """`x`, quantised and dequantised."""
        return self.dequantise(self.quantise(x, scale, zero, kind), scale, zero, kind)

    def weights(
        self, *shape: int, kind: str = "int8", zero: Any = 0, scale: Any = None, axis: int | None = None
    ) -> str:
        """Random integer weights, dequantised; with `axis`, a scale for each of its places."""
        low, high = TYPES[kind]
        about = 0.01 if high > 20 else 0.1
        if axis is None:
            scale = self.scale(about) if scale is None else scale
            return self.dequantise(self.constant(self.rng.integers(low, high + 1, shape), kind), scale, zero, kind)
        scale = self.scales(about, shape[axis]) if scale is None else scale
        zeros = None if zero is None else np.full(shape[axis], zero)
        codes = self.constant(self.rng.integers(low, high + 1, shape), kind)
        return self.dequantise(codes, scale, zeros, kind, axis=axis)

    def bias(self, n: int, scale: Any, reach: int = 2000) -> str:
        """A random int32 bias, dequantised."""
        codes = self.constant(self.rng.integers(-reach, reach, n), "int32")
        return self.dequantise(codes, scale, None, "int32", **({"axis": 0} if np.ndim(scale) else {}))

    def model(self, output: str, rank: int | None = None) -> onnx.ModelProto:
        """The model with this output; of so many axes, where onnx cannot infer them."""
        x = helper.make_tensor_value_info("x", getattr(TensorProto, self.kind.upper()), ("N", *self.shape))
        y = onnx.ValueInfoProto(name=output)
        if rank is not None:
            y = helper.make_tensor_value_info(output, TensorProto.FLOAT, ("N", *"abcd"[: rank - 1]))
        graph = helper.make_graph(self.nodes, "g", [x], [y], self.constants)
        domains = {"": self.opset} | {n.domain: 1 for n in self.nodes if n.domain}
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        return onnx.shape_inference.infer_shapes(model) if rank is None else model

    def samples(self, n: int = 24) -> Array:
        """Inputs (n, ...) that reach beyond both ends of the codes."""
        if self.kind == "float":
            return (2 * self.rng.normal(size=(n, *self.shape))).astype(np.float32)
        low, high = TYPES[self.kind]
        return self.rng.integers(low, high + 1, (n, *self.shape)).astype(self.kind)


def output_scale(model: onnx.ModelProto) -> float:
    """The scale of the last DequantizeLinear."""
    last = [n for n in model.graph.node if n.op_type == "DequantizeLinear"][-1]
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return float(constants[last.input[1]].ravel()[0])


def codes_of(model: onnx.ModelProto, y: Array) -> Array:
    """The codes, less their zero point, that the outputs `y` stand for."""
    codes = y / output_scale(model)
    assert np.abs(codes - np.rint(codes)).max() < 1e-2
    return np.asarray(np.rint(codes))


def assert_same_codes(model: onnx.ModelProto, x: Array, *, floats: bool = False, least: int = 12) -> Graph:
    """At T = 1 and tau = levels not one code differs from onnxruntime's, and every layer keeps its integers.

    `floats`: onnxruntime has no 8-bit kernel for one of the layers, and a note says so. `least`: different codes that
    there must be, so that the comparison says something.
    """
    net = ganglion.compile(model, steps=1, members="levels")
    expected, found = codes_of(model, run_onnxruntime(model, x)), codes_of(model, ganglion.simulate(net, x).logits)
    assert (expected != found).sum() == 0
    assert np.unique(expected).size >= least
    assert all(op.grid is not None for op in net.of(GroupNeuron))
    assert [note.startswith(INTEGERS) for note in net.notes] == [True] * floats, net.notes
    return net


def nearly(b: Builder, y: str, message: str, most: float = 0.2, by: int = 3) -> Graph:
    """A layer that cannot keep its integers says so, and is near onnxruntime."""
    model, x = b.model(y), b.samples()
    net = ganglion.compile(model, steps=1, members="levels")
    difference = np.abs(codes_of(model, run_onnxruntime(model, x)) - codes_of(model, ganglion.simulate(net, x).logits))
    assert difference.max() <= by
    assert (difference > 0).mean() < most
    assert any(FLOATS in note and message in note for note in net.notes), net.notes
    return net


def in_integers(model: onnx.ModelProto) -> set[str]:
    """The nodes that onnxruntime runs in 8-bit kernels."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    for key, value in kernel_settings(model).items():
        options.add_session_config_entry(key, value)
    with TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        optimised = onnx.load(options.optimized_model_filepath)
    return {n.name for n in optimised.graph.node if n.op_type.startswith(("QLinear", "QGemm"))}


def integer_weights(net: Graph, name: str) -> Array:
    """The weights of the projection `name` in membrane units: the sum of its two planes, where there are two."""
    parts = [op for op in net.of(Projection) if op.name in (name, f"{name}#low")]
    return np.asarray(sum(op.weight.astype(np.int64) << op.exponent for op in parts))
