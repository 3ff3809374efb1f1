"""The models of other exporters: trained, and of the form that their authors' tools give today."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest

import ganglion

from .exporters import Exported, k_means, scikit_learn

PERCEPTRON = ["Cast", *["MatMul", "Add", "Relu"] * 2, "MatMul", "Add", "Softmax"]
LABEL = ["ArgMax", "ArrayFeatureExtractor", "Reshape", "Cast"]


@pytest.mark.parametrize(
    ("export", "ops"),
    [
        (scikit_learn, [*PERCEPTRON, "Identity", *LABEL]),
        (lambda: scikit_learn(zipmap=True), [*PERCEPTRON, "ArgMax", "ZipMap", *LABEL[1:], "Cast"]),
        (lambda: scikit_learn(scaler=True), ["Scaler", *PERCEPTRON, "Identity", *LABEL]),
        (k_means, ["Conv", "Relu", "MaxPool", "Reshape", "Gemm", "Relu", "MatMul", "Add", "Identity"]),
    ],
    ids=["scikit-learn", "zipmap", "scaler", "k-means"],
)
def test_an_exported_network_has_learned(export: Callable[[], Exported], ops: list[str]) -> None:
    model, x, labels = export()
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node if node.op_type != "Constant"] == ops
    assert len(x) == len(labels) == 360
    np.testing.assert_array_equal(x * 16, np.rint(x * 16))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    first = np.asarray(session.run(None, {model.graph.input[0].name: x})[0])
    predicted = first if first.ndim == 1 else first.argmax(1)
    assert np.mean(predicted == labels) > 0.94


@pytest.mark.parametrize(
    "export",
    [scikit_learn, lambda: scikit_learn(zipmap=True), lambda: scikit_learn(scaler=True), k_means],
    ids=["scikit-learn", "zipmap", "scaler", "k-means"],
)
def test_an_exported_network_compiles_and_compares(export: Callable[[], Exported]) -> None:
    model, x, labels = export()
    assert all(node.status != "refused" for node in ganglion.check(model))
    net = ganglion.compile(model, steps=4, members=8, calibration=x[:100])
    result = ganglion.compare(model, net, x, labels=labels)
    assert result.equal
    exact, real, integer = (result.accuracy[engine] for engine in ("onnxruntime", "float", "simulator"))
    assert exact is not None
    assert real is not None
    assert integer is not None
    assert real > exact - 0.02
    assert integer > exact - 0.05  # a scaler in front gives weights that differ by orders, of which 8 bits are kept
