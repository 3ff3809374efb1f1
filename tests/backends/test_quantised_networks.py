"""Networks that onnxruntime has quantised: at T = 1 and tau = levels not one output code differs, and Lava agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.comparison import LAVA_VS_SIMULATOR
from ganglion.frontend import run_onnxruntime
from ganglion.ir import Array

pytest.importorskip("torch")
import torch
from onnxruntime import quantization  # type: ignore[import-untyped]
from torch import nn

from ganglion.frontend.torch import export
from tests.models import digits, models

pytestmark = pytest.mark.torch
SAMPLES = 500


class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds images to onnxruntime's quantiser, a few at a time."""

    def __init__(self, x: Array) -> None:
        self.parts = iter(np.array_split(x, 8))

    def get_next(self) -> Any:
        part = next(self.parts, None)
        return None if part is None else {"input": part}


def plain(name: str) -> tuple[Any, Array]:
    """A ReLU network, and images for it: a digits CNN after a few epochs, or a ResNet-20 with random weights."""
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name == "digits":
            data, model = digits.load(), digits.DigitsNet()
            setattr(model, "pool", nn.MaxPool2d(2))  # noqa: B010
            images, labels = (torch.from_numpy(a) for a in (data.train_images, data.train_labels))
            digits.fit(model, images, labels, 2, 0)
            return model.eval(), np.concatenate([data.test_images, data.train_images])
        network = models.resnet20()
        x = models.random_images((3, 32, 32), SAMPLES + 64, seed=1)
        with torch.no_grad():
            for _ in range(5):  # batch norm learns its statistics
                network.train()(x[:64])
    return network.eval(), x.numpy()


def quantised(name: str, form: str, kind: str, per_channel: bool, folder: Path) -> tuple[Path, Array]:
    """The network in onnxruntime's quantised form: int8 weights, activations of `kind`; and images for it."""
    model, x = plain(name)
    source, path = folder / "plain.onnx", folder / f"{name}.onnx"
    export(model, torch.from_numpy(x[:1]), source)
    quantization.quantize_static(
        str(source),
        str(path),
        Reader(x[:64]),
        quant_format=getattr(quantization.QuantFormat, form),
        activation_type=getattr(quantization.QuantType, kind),
        weight_type=quantization.QuantType.QInt8,
        per_channel=per_channel,
    )
    return path, x[64:]


def scale_of(path: Path) -> float:
    """The real value of one code of the output."""
    graph = onnx.load(path).graph
    last = next(node for node in graph.node if graph.output[0].name in node.output)
    assert last.op_type == "DequantizeLinear"
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return float(arrays[last.input[1]])


CASES = [
    (name, form, kind, per_channel)
    for name in ("digits", "resnet20")
    for form in ("QDQ", "QOperator")
    for kind in ("QUInt8", "QInt8")
    for per_channel in (False, True)
]
QUICK = [case for case in CASES if case[2:] == ("QUInt8", True)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form", "kind", "per_channel"), CASES)
def test_every_code_of_500_samples(name: str, form: str, kind: str, per_channel: bool, tmp_path: Path) -> None:
    codes_agree(*quantised(name, form, kind, per_channel, tmp_path), SAMPLES)


@pytest.mark.parametrize(("name", "form", "kind", "per_channel"), QUICK)
def test_every_code(name: str, form: str, kind: str, per_channel: bool, tmp_path: Path) -> None:
    codes_agree(*quantised(name, form, kind, per_channel, tmp_path), 500 if name == "digits" else 40)


def codes_agree(path: Path, x: Array, samples: int) -> None:
    """Compile with the model's own levels, and compare all output codes with onnxruntime's."""
    x = x[:samples]
    assert len(x) == samples
    net = ganglion.compile(path, steps=1, members="levels")
    assert not net.notes, "no layer lost its integers"
    unit = scale_of(path)
    expected = np.rint(run_onnxruntime(path, x) / unit).astype(int)
    codes = np.rint(ganglion.simulate(net, x).logits / unit).astype(int)
    assert np.ptp(expected) > 50
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.lava
@pytest.mark.xdist_group("lava")
@pytest.mark.parametrize("name", ["digits", "resnet20"])
def test_lava_equals_the_simulator(name: str, lava_python: Path, tmp_path: Path) -> None:
    path, x = quantised(name, "QDQ", "QUInt8", True, tmp_path)
    net = ganglion.compile(path, steps=1, members="levels")
    result = ganglion.compare(path, net, x[:8], lava="graded", lava_python=lava_python)
    assert result.lava_samples == 8
    assert result.equal
    assert all(a.compared and not a.different for a in result.pairs[LAVA_VS_SIMULATOR].values())
    assert result.agreement["lava"] == 1.0
