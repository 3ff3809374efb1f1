"""Networks trained on scikit-learn's digits and exported by tools other than torch; both take about a second.

scikit_learn   a multilayer perceptron, exported by skl2onnx: MatMul and Add for layers, a Cast in front, and a label
               and probabilities as outputs
k_means        filters found by k-means under a perceptron, written with Spox: Conv, MaxPool, Gemm, constants as nodes

A tool that is not installed skips the test that asks for it.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from ganglion.frontend import run_onnxruntime


class Exported(NamedTuple):
    """A model, and samples that it was not trained on with their classes."""

    model: onnx.ModelProto
    x: NDArray[np.float32]  # (360, *shape), multiples of 1/16 in [0, 1]
    labels: NDArray[np.int64]  # (360,)


def scikit_learn(*, zipmap: bool = False, scaler: bool = False) -> Exported:
    """An MLPClassifier of 64-64-32-10 neurons, ReLU, for x (N, 64).

    Outputs: the label, and probabilities as a tensor (N, 10), or with `zipmap` as a sequence of maps.
    `scaler` puts a StandardScaler in front (`Scaler` of ai.onnx.ml).
    """
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    train, labels, x, test_labels = _digits()
    network = _perceptron(64, 32)
    classifier = make_pipeline(StandardScaler(), network) if scaler else network
    _fit(classifier, train, labels)
    options = {id(classifier): {"zipmap": zipmap}}
    return Exported(skl2onnx.to_onnx(classifier, train[:1], options=options), x, test_labels)


def k_means(filters: int = 16, size: int = 3, threshold: float = 0.2) -> Exported:
    """A convolution with k-means filters, ReLU, a max pool and a perceptron with one hidden layer, for x (N, 1, 8, 8).

    After Coates, Lee & Ng (AISTATS 2011), with thresholded correlations as features. One output, the scores (N, 10).
    """
    spox, op = pytest.importorskip("spox"), pytest.importorskip("spox.opset.ai.onnx.v21")
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    train, labels, x, test_labels = _digits()
    train, x = train.reshape(-1, 1, 8, 8), x.reshape(-1, 1, 8, 8)
    patches = np.lib.stride_tricks.sliding_window_view(train[:100, 0], (size, size), (1, 2)).reshape(-1, size * size)
    patches = patches - patches.mean(1, keepdims=True)
    k_means: Any = KMeans  # scikit-learn annotates nothing
    found = k_means(filters, n_init=1, random_state=0).fit(patches[patches.std(1) > 0.1]).cluster_centers_
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    kernel, bias = found.reshape(filters, 1, size, size).astype(np.float32), np.full(filters, -threshold, np.float32)

    image = spox.argument(spox.Tensor(np.float32, ("N", 1, 8, 8)))
    convolved = op.conv(image, op.const(kernel), op.const(bias), auto_pad="SAME_UPPER")
    pooled, _ = op.max_pool(op.relu(convolved), kernel_shape=(2, 2), strides=(2, 2))
    features = op.reshape(pooled, op.const(np.array([0, -1])))
    network = _perceptron(32)
    _fit(network, run_onnxruntime(spox.build({"image": image}, {"features": features}), train), labels)
    (w1, w2), (b1, b2) = network.coefs_, network.intercepts_
    hidden = op.relu(op.gemm(features, op.const(w1.T.copy()), op.const(b1), transB=1))
    scores = op.add(op.matmul(hidden, op.const(w2)), op.const(b2))
    return Exported(spox.build({"image": image}, {"scores": scores}), x, test_labels)


def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Samples and classes to train on, samples and classes to test with."""
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

    x, labels = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    parts: Any = train_test_split(x, labels, test_size=360, random_state=0, stratify=labels)
    train, test, train_labels, test_labels = parts
    return train, train_labels, test, test_labels


def _perceptron(*hidden: int) -> Any:
    from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped]

    return MLPClassifier(hidden, learning_rate_init=5e-3, max_iter=40, random_state=0)


def _fit(classifier: Any, x: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the little training that it gets is enough
        classifier.fit(x, labels)
