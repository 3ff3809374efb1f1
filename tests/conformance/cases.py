"""The backend tests that come with the onnx package, as models with one input: the data.

What else a test feeds (weights, shapes, axes) becomes an initialiser, as exporters write it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import checker, helper, numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

OPERATORS = frozenset(
    [
        "Add",
        "ArgMax",
        "AveragePool",
        "BatchNormalization",
        "Cast",
        "Clip",
        "Concat",
        "Conv",
        "ConvTranspose",
        "DepthToSpace",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "Gemm",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "LRN",
        "LogSoftmax",
        "MatMul",
        "MaxPool",
        "Mul",
        "Neg",
        "Pad",
        "QLinearConv",
        "QLinearMatMul",
        "QuantizeLinear",
        "ReduceMax",
        "ReduceMean",
        "Relu",
        "Reshape",
        "Resize",
        "Slice",
        "Softmax",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Sub",
        "Sum",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Upsample",
    ]
)
JOINED = ("Concat", "Sum")  # ops of equal operands: their data is one input that a Split takes apart
MOVES = ("Constant", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")  # beside the op that a test is about
PYTORCH = ("pytorch-converted", "pytorch-operator")
NEWEST_OPSET = 26  # that onnxruntime reads; onnx writes tests in opsets that are not released yet
ROUNDED = ("test_averagepool_2d_ceil_last_window_starts_on_pad",)  # whose expected values are written with 4 digits


@dataclass(frozen=True, eq=False)
class Case:
    """A model with one input, the data `x` for it, and what onnx expects of each of its outputs.

    Both are arrays, or lists of arrays where a test is about sequences. `tolerance` is relative to the expected value,
    or to 1 where that is smaller.
    """

    operator: str
    name: str
    model: onnx.ModelProto
    x: Any
    expected: Sequence[Any]
    tolerance: float = 1e-5


@cache
def load() -> dict[str, Case]:
    """Every test of `OPERATORS` by its name. Takes some seconds: onnx computes the expected results here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tests of overflow overflow
        nodes = load_model_tests(kind="node")
    cases = {}
    operators = {test.name: test.model.graph.node[0].op_type for test in nodes if test.model is not None}
    for test in nodes:
        operator = operators[test.name.partition("_expanded")[0]]  # X_expanded: X, written out in simpler ops
        if operator in OPERATORS:
            cases[test.name] = node_case(operator, test)
    for kind in PYTORCH:
        for test in load_model_tests(kind=kind):
            case = pytorch_case(test)
            if case is not None:
                cases[test.name] = case
    return cases


def node_case(operator: str, test: TestCase) -> Case:
    """A test whose model and data are in memory."""
    assert test.model is not None
    assert test.data_sets is not None
    ((inputs, expected),) = test.data_sets
    model = _released(test.model)
    feeds = [_array(value) for value in inputs]
    model, x = _one_input(model, operator, feeds)
    tolerance = 1e-4 if test.name in ROUNDED else 1e-5
    return Case(operator, test.name, model, x, [_array(value) for value in expected], tolerance)


def pytorch_case(test: TestCase) -> Case | None:
    """A test in a folder: model.onnx and its data; None where it needs other operators."""
    folder = Path(str(test.model_dir))
    model = onnx.load(folder / "model.onnx")
    ops = [node.op_type for node in model.graph.node]
    if not set(ops) <= OPERATORS | {"Constant"}:
        return None
    operator = next((op for op in ops if op not in MOVES), None) or next(op for op in ops if op != "Constant")
    data = folder / "test_data_set_0"
    feeds = [_array(onnx.load_tensor(data / f"input_{i}.pb")) for i in range(len(list(data.glob("input_*.pb"))))]
    expected = [_array(onnx.load_tensor(data / f"output_{i}.pb")) for i in range(len(model.graph.output))]
    return Case(operator, test.name, *_one_input(model, operator, feeds), expected)


def _released(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model`, in the newest released opset where it is in a later one and uses nothing new."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.opset_import[0].version > NEWEST_OPSET:
        copy.opset_import[0].version = NEWEST_OPSET
        try:
            checker.check_model(copy)
        except checker.ValidationError:
            copy.CopyFrom(model)
    return copy


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _one_input(model: onnx.ModelProto, operator: str, feeds: list[Any]) -> tuple[onnx.ModelProto, Any]:
    """`model`, changed in place, with one input, and the data for that.

    Before IR version 4 initialisers are inputs as well, and stay listed.
    """
    graph = model.graph
    if operator in JOINED and len(feeds) > 1:
        return model, join(model, feeds)
    for value, array in zip(graph.input[1 : len(feeds)], feeds[1:], strict=True):
        graph.initializer.append(numpy_helper.from_array(array, value.name))
    if model.ir_version >= 4:
        del graph.input[1:]
    return model, feeds[0]


def join(model: onnx.ModelProto, feeds: list[Any]) -> Any:
    """In place: one input instead of all, joined on axis 1 (axis 0 of vectors) and taken apart again by a Split."""
    graph, axis = model.graph, min(1, feeds[0].ndim - 1)
    names, sizes = [value.name for value in graph.input], [array.shape[axis] for array in feeds]
    whole = np.concatenate(feeds, axis)
    if model.opset_import[0].version < 13:
        split = helper.make_node("Split", ["joined"], names, axis=axis, split=sizes)
    else:
        graph.initializer.append(numpy_helper.from_array(np.array(sizes, np.int64), "sizes"))
        split = helper.make_node("Split", ["joined", "sizes"], names, axis=axis)
    graph.node.insert(0, split)
    del graph.input[:]
    graph.input.append(
        helper.make_tensor_value_info("joined", helper.np_dtype_to_tensor_dtype(whole.dtype), whole.shape)
    )
    return whole
