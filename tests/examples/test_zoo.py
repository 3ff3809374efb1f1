"""The zoo: what becomes of the onnx package's files, and that their random weights are worth computing with."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from ganglion.errors import InputError
from ganglion.frontend import run_values

pytest.importorskip("torch")  # tests.models loads the other examples too

from tests.models import load_example

if TYPE_CHECKING:
    from examples import zoo
else:
    zoo = load_example("zoo")

FAST = ("shufflenet", "squeezenet")
SLOW = ("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "vgg19", "zfnet512")
WEIGHTS = {"shufflenet": 1_420_152, "squeezenet": 1_235_496}


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_the_zoo_is_complete() -> None:
    assert zoo.zoo_names() == sorted([*FAST, *SLOW])
    with pytest.raises(InputError, match="'resnet18'") as caught:
        zoo.zoo_model("resnet18")
    assert "resnet50" in caught.value.hint


@pytest.mark.parametrize("name", FAST)
def test_only_the_weights_change(name: str) -> None:
    given, model = onnx.load(zoo.LIGHT / f"light_{name}.onnx"), zoo.zoo_model(name)
    onnx.checker.check_model(model)
    assert (model.ir_version, model.opset_import[0].version) == (3, 9)
    assert list(model.graph.node) == [node for node in given.graph.node if node.op_type != "ConstantOfShape"]
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    (data,) = (value.name for value in model.graph.input if value.name not in stored)
    assert {data, *stored} == {value.name for value in model.graph.input}  # IR version 3 wants them all
    assert {data, *stored} <= {name for node in model.graph.node for name in node.input}
    floats = [tensor for tensor in stored.values() if tensor.data_type == onnx.TensorProto.FLOAT]
    assert sum(int(np.prod(tensor.dims)) for tensor in floats) == WEIGHTS[name]
    assert all(onnx.numpy_helper.to_array(tensor).std() > 0 for tensor in floats)


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_network_is_healthy(name: str) -> None:
    model, images = zoo.zoo_model(name), zoo.zoo_images(4, seed=7)  # others than those of its statistics
    relus = [node for node in model.graph.node if node.op_type == "Relu"]
    for start in range(0, len(relus), 40):  # not every value at once
        part = relus[start : start + 40]
        values = run_values(model, images, [name for node in part for name in (node.input[0], node.output[0])])
        for node in part:
            before, after = values[node.input[0]], values[node.output[0]]
            assert 0.5 < before.std() < 5, node.name
            assert 0.3 < after.std() < 5, node.name
            assert 0.3 < (after > 0).mean() < 0.9, node.name  # the sums of residual networks: more than half
    logits = zoo.zoo_logits(model, images)
    assert logits.shape == (4, 1000)
    assert max(cosine(a, b) for a, b in combinations(logits, 2)) < 0.98
    assert len(set(logits.argmax(1).tolist())) > 1


def test_small_errors_stay_small() -> None:
    """Three per mille on every weight moves the logits far less than another image does."""
    model, images = zoo.zoo_model("squeezenet"), zoo.zoo_images(2, seed=7)
    exact = zoo.zoo_logits(model, images)
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        noise = 1 + 0.003 * rng.standard_normal(tuple(tensor.dims))
        weight = onnx.numpy_helper.to_array(tensor) * noise.astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(weight, tensor.name))
    assert min(map(cosine, exact, zoo.zoo_logits(model, images))) > 0.99 > 0.95 > cosine(*exact)


def test_seeds_decide() -> None:
    first, again, other = (zoo.zoo_model("squeezenet", seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_logits_are_what_softmax_gets() -> None:
    model, images = zoo.zoo_model("shufflenet"), zoo.zoo_images(3)
    (output,) = run_values(model, images, [model.graph.output[0].name]).values()
    logits = zoo.zoo_logits(model, images).astype(np.float64)
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(output, exponentials / exponentials.sum(1, keepdims=True), rtol=1e-4)
    assert logits.min() < 0


def test_nodes_are_left_out() -> None:
    model, images = zoo.zoo_model("squeezenet"), zoo.zoo_images(1)
    exact = zoo.zoo_logits(model, images)
    np.testing.assert_array_equal(zoo.zoo_logits(zoo.without(model, ["Dropout"]), images), exact)
    assert np.abs(zoo.zoo_logits(zoo.without(model, ["Relu"]), images) - exact).max() > 0.1
    assert [node.op_type for node in model.graph.node].count("Relu") == 26  # the model itself is as it was


def test_images_are_8_bit_and_smooth() -> None:
    images = zoo.zoo_images(8, seed=3)
    assert images.dtype == np.float32
    codes = (images.astype(np.float64) + 2) * 255 / 4
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert (images.min(), images.max()) == zoo.IMAGE_RANGE
    assert abs(images.mean()) < 0.2
    assert 0.8 < images.std() < 1.1
    assert np.abs(np.diff(images)).mean() < 0.5 * images.std()
    np.testing.assert_array_equal(zoo.zoo_images(2, seed=3), images[:2])
    assert max(abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in combinations(images, 2)) < 0.5
    assert zoo.zoo_images(2, (1, 28, 30)).shape == (2, 1, 28, 30)
