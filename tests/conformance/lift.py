"""A batch of one in front of a test's data, where the test's own axis 0 is no batch.

Ganglion takes axis 0 for the batch. A test that reverses all axes, or has vectors for data, says something about
Ganglion only one axis further in. Whether the meaning is kept is not reasoned about: onnx's reference evaluator must
still compute what the test expects.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from .cases import Case

AXIS = {"Concat": 1, "Split": 0, "Gather": 0, "Softmax": -1, "LogSoftmax": -1, "ArgMax": 0} | dict.fromkeys(
    ("QuantizeLinear", "DequantizeLinear"), 1
)  # ops with an attribute `axis`, and its default
AXES_AT = {"Squeeze": 1, "Unsqueeze": 1, "ReduceMean": 1, "ReduceMax": 1, "Slice": 3, "Pad": 3}  # which input holds it
ONE_MORE_AT = {"Reshape": 1, "Expand": 1, "Tile": 1}  # the input with an entry per axis, which gets a 1 in front


def lift(case: Case) -> Case | None:
    """`case` with a batch of one in front; None where its meaning would change."""
    if not isinstance(case.x, np.ndarray):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    for value in (graph.input[0], *graph.output):
        if not value.type.HasField("tensor_type"):
            return None
        dims = value.type.tensor_type.shape.dim
        sizes = [1, *(d.dim_value for d in dims)]
        value.CopyFrom(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, sizes))
    for node in graph.node:
        _shift(node, graph, case.x.ndim)
    lifted = replace(case, model=model, x=case.x[None], expected=[np.asarray(e)[None] for e in case.expected])
    return lifted if _means_the_same(lifted) else None


def _shift(node: onnx.NodeProto, graph: onnx.GraphProto, rank: int) -> None:
    """In place: every axis that `node` names is one further in."""
    attributes = {a.name: a for a in node.attribute}
    if node.op_type in AXIS:
        axis = attributes["axis"].i if "axis" in attributes else AXIS[node.op_type]
        _set(node, "axis", axis + 1 if axis >= 0 else axis)
    if node.op_type == "Transpose":
        perm = list(attributes["perm"].ints) if "perm" in attributes else list(range(rank))[::-1]
        _set(node, "perm", [0, *(p + 1 for p in perm)])
    if "axes" in attributes:
        _set(node, "axes", [a + 1 if a >= 0 else a for a in attributes["axes"].ints])
    at = AXES_AT.get(node.op_type)
    if at is not None and "axes" not in attributes:
        given = _constant(graph, node.input[at]) if len(node.input) > at else np.array([], np.int64)
        if given is None:
            return
        if not given.size and node.op_type != "Unsqueeze":
            given = np.arange(rank)
        while len(node.input) < at:
            node.input.append("")
        _replace(node, graph, at, np.where(given >= 0, given + 1, given))
    at = ONE_MORE_AT.get(node.op_type)
    array = _constant(graph, node.input[at]) if at is not None else None
    if at is not None and array is not None:
        _replace(node, graph, at, np.concatenate([[1], array]))


def _constant(graph: onnx.GraphProto, name: str) -> np.ndarray | None:
    return next((numpy_helper.to_array(t) for t in graph.initializer if t.name == name), None)


def _replace(node: onnx.NodeProto, graph: onnx.GraphProto, at: int, array: np.ndarray) -> None:
    name = f"{node.op_type}_lifted_{at}"
    graph.initializer.append(numpy_helper.from_array(array.astype(np.int64), name))
    if at < len(node.input):
        node.input[at] = name
    else:
        node.input.append(name)


def _set(node: onnx.NodeProto, name: str, value: int | list[int]) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _means_the_same(case: Case) -> bool:
    try:
        onnx.shape_inference.infer_shapes(case.model, strict_mode=True)  # the evaluator does not look at ranks
    except onnx.shape_inference.InferenceError:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            results = ReferenceEvaluator(case.model).run(None, {case.model.graph.input[0].name: case.x})
        except Exception:  # a model that makes no sense any more: errors of any kind
            return False
    return all(
        np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol=1e-5, atol=1e-6)
        for got, expected in zip(results, case.expected, strict=True)
    )
