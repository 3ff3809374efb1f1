"""Networks that onnxruntime's own tool has quantised, with every option: not one output code differs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion

from .helpers import Array
from .quantised_models import Builder, assert_same_codes

quantization: Any = pytest.importorskip("onnxruntime.quantization")

SAMPLES = 200


class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds samples to the quantiser, a few at a time."""

    def __init__(self, x: Array) -> None:
        self.parts = iter(np.array_split(x, 4))

    def get_next(self) -> dict[str, Array] | None:
        part = next(self.parts, None)
        return None if part is None else {"x": part}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The quantiser recommends its pre-processing on the root logger."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def network() -> tuple[Builder, onnx.ModelProto]:
    """Convolutions, grouped ones too, a max pool, a residual sum, branches that join, ReLU6, dense layers both ways."""
    b = Builder(3, 8, 8, opset=17)

    def weights(*shape: int) -> str:
        return b.constant(b.rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:])))

    def bias(n: int) -> str:
        return b.constant(0.2 * b.rng.normal(size=n))

    def conv(x: str, inputs: int, outputs: int, k: int, group: int = 1) -> str:
        return b.add("Conv", x, weights(outputs, inputs // group, k, k), bias(outputs), pads=[k // 2] * 4, group=group)

    x = b.add("MaxPool", b.add("Relu", conv("x", 3, 8, 3)), kernel_shape=[2, 2], strides=[2, 2])
    y = conv(b.add("Relu", conv(x, 8, 8, 3)), 8, 8, 3)
    y = b.add("Relu", b.add("Add", y, x))
    y = b.add("Concat", y, b.add("Relu", conv(y, 8, 4, 1)), axis=1)
    y = b.add("Clip", conv(y, 12, 12, 3, group=3), b.constant(0.0), b.constant(6.0))
    y = b.add("Flatten", b.add("GlobalAveragePool", y))
    y = b.add("Relu", b.add("Gemm", y, weights(12, 16), bias(16)))
    return b, b.model(b.add("Add", b.add("MatMul", y, weights(16, 10)), bias(10)))


def quantised(
    folder: Path, form: str, activations: str, weights: str, per_channel: bool, **extra: Any
) -> tuple[onnx.ModelProto, Array]:
    """The network as the tool leaves it, and samples that the tool has not seen."""
    b, model = network()
    x = b.samples(SAMPLES + 64)
    onnx.save(model, folder / "floats.onnx")
    quantization.quantize_static(
        str(folder / "floats.onnx"),
        str(folder / "quantised.onnx"),
        Reader(x[:64]),
        quant_format=quantization.QuantFormat[form],
        activation_type=quantization.QuantType[activations],
        weight_type=quantization.QuantType[weights],
        per_channel=per_channel,
        extra_options=extra,
    )
    return onnx.load(folder / "quantised.onnx"), x[64:]


@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize(
    ("activations", "weights"), [("QUInt8", "QInt8"), ("QUInt8", "QUInt8"), ("QInt8", "QInt8")], ids=str
)
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_every_format(form: str, activations: str, weights: str, per_channel: bool, tmp_path: Path) -> None:
    assert_same_codes(*quantised(tmp_path, form, activations, weights, per_channel), least=150)


OPTIONS: dict[str, Any] = {
    "ActivationSymmetric": True,
    "WeightSymmetric": False,
    "AddQDQPairToWeight": True,
    "QuantizeBias": False,
    "DedicatedQDQPair": True,
    "OpTypesToExcludeOutputQuantization": ["MatMul"],
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("activations", "weights"), [("QUInt8", "QUInt8"), ("QInt8", "QInt8")], ids=str)
def test_options(option: str, activations: str, weights: str, tmp_path: Path) -> None:
    """Zero points in the middle, weights with zero points, float biases, and so on."""
    extra = {option: OPTIONS[option]}
    assert_same_codes(*quantised(tmp_path, "QDQ", activations, weights, True, **extra), least=100)


@pytest.mark.parametrize("option", ["ActivationSymmetric", "WeightSymmetric"])
def test_options_of_the_other_format(option: str, tmp_path: Path) -> None:
    """With zero points in the middle a ReLU6 is a node of its own, and the average behind it one of floats."""
    extra = {option: OPTIONS[option]}
    model, x = quantised(tmp_path, "QOperator", "QInt8", "QInt8", False, **extra)
    net = assert_same_codes(model, x, floats=option == "ActivationSymmetric", least=100)
    assert all("globalaveragepool" in note for note in net.notes)


@pytest.mark.parametrize(("steps", "members"), [(2, 16), (4, 16), (2, 4), (4, 4)])
def test_fewer_members(steps: int, members: int, tmp_path: Path) -> None:
    """The same file for fewer members and more steps: engines agree, most classes stay."""
    model, x = quantised(tmp_path, "QDQ", "QUInt8", "QInt8", True)
    net = ganglion.compile(model, steps=steps, members=members)
    result = ganglion.compare(model, net, x[:64])
    assert result.equal
    agreement, distance = result.agreement["simulator"], result.distance["simulator"]
    assert agreement is not None
    assert distance is not None
    assert agreement >= 0.9
    assert distance < 4 / (steps * members) ** 0.75  # |logits - onnxruntime's| / |onnxruntime's|
