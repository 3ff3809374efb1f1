"""What both of torch's exporters write is understood: the same populations, under the module's names."""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from ganglion.frontend import check, import_model, run_onnxruntime
from ganglion.ir import Conv2d, Dense, Graph, Staircase, Sum

from .helpers import evaluate, samples

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

pytestmark = pytest.mark.torch


class QCFS(nn.Module):
    """y = theta * clip(floor(x * L / theta + 1/2) / L, 0, 1), in one of the ways people write it."""

    def __init__(self, form: str, theta: float, levels: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]))
        self.levels, self.form = levels, form

    def forward(self, x: Tensor) -> Tensor:
        n = self.levels
        if self.form == "quantise":  # becomes QuantizeLinear and DequantizeLinear; the newer exporter cannot
            return torch.fake_quantize_per_tensor_affine(x, 0.0371, 0, 0, 255)
        if self.form == "quantise by hand":
            return torch.clamp(torch.round(x / 0.0371), 0, 255) * 0.0371
        y = torch.clamp(x / self.theta, 0, 1)
        if self.form == "floor":
            return torch.floor(y * n + 0.5) / n * self.theta
        if self.form == "round":
            return torch.round(y * n) / n * self.theta
        if self.form == "straight-through":
            z = y * n + 0.5
            return (z + (torch.floor(z) - z).detach()) / n * self.theta
        assert self.form == "outside"
        z = torch.floor(y * n + 0.5) / n * self.theta
        return x + (z - x).detach()


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = QCFS("straight-through", 1.5, 5)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=2, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act2 = QCFS("round", 1.7, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv1(x)))
        result: Tensor = self.act2(self.bn2(self.conv2(y)) + x)
        return result


class Net(nn.Module):
    """conv + BatchNorm + QCFS + residual Add + AvgPool + Flatten + Linear."""

    def __init__(self, flatten: Callable[[Tensor], Tensor], quantise: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), QCFS("floor", 2.0, 8))
        self.layer1 = nn.Sequential(Block(6), Block(6))
        self.pool = nn.AvgPool2d(3, 2, 1)
        self.act = QCFS("outside", 1.3, 6)
        self.hidden = nn.Linear(6 * 4 * 4, 12)
        self.relu = QCFS(quantise, 1.0, 1)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(12, 10)
        self.flatten = flatten

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(self.stem(x))
        x = self.act(self.pool(x) * 1.5)
        result: Tensor = self.fc(self.drop(self.relu(self.hidden(self.flatten(x)))))
        return result


FLATTEN: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten": lambda x: torch.flatten(x, 1),
    "view": lambda x: x.view(x.size(0), -1),
    "shape": lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]),
}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """torch's exporters deprecate each other and report their progress."""
    level = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        for category in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.simplefilter("ignore", category)
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            yield
        finally:
            logging.getLogger("torch.onnx").setLevel(level)


def export(net: nn.Module, x: Tensor, path: Path, *, dynamo: bool, dynamic: bool) -> onnx.ModelProto:
    axes: dict[str, Any] = {}
    if dynamic and dynamo:
        axes = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1)},)}
    elif dynamic:
        axes = {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}}
    with quiet():
        names: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"]}
        torch.onnx.export(net.eval(), (x,), path, dynamo=dynamo, **names, **axes)
    return onnx.load(path)


def randomise(net: nn.Module) -> nn.Module:
    """Weights and BatchNorm statistics that make every layer active."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for buffer, low, high in ((module.running_mean, -0.3, 0.3), (module.running_var, 0.2, 0.6)):
                assert buffer is not None
                buffer.uniform_(low, high)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.1, 0.6)
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            torch.nn.init.normal_(module.weight, std=(2 / module.weight[0].numel()) ** 0.5)
    return net


def compared(model: onnx.ModelProto, path: Path) -> Graph:
    """The imported graph computes what onnxruntime computes, where no activation lies on a step."""
    graph = import_model(path)
    x = samples(graph, n=8, span=128)
    expected = run_onnxruntime(path, x)
    actual = evaluate(graph, x)[graph.readout.name]
    near = np.isclose(actual, expected, rtol=1e-4, atol=1e-4).all(axis=1)
    assert near.sum() >= 7, "at most one sample may have an activation on a step"
    assert np.ptp(expected, axis=0).min() > 1e-2
    assert {s.status for s in check(model)} <= {"supported", "changed"}
    return graph


@pytest.mark.parametrize(
    ("dynamo", "dynamic", "flatten"),
    [
        (False, False, "flatten"),
        (False, True, "view"),
        (False, True, "shape"),
        (True, False, "view"),
        (True, True, "shape"),
    ],
)
def test_exports_mean_the_same(tmp_path: Path, dynamo: bool, dynamic: bool, flatten: str) -> None:
    net = randomise(Net(FLATTEN[flatten], "quantise by hand" if dynamo else "quantise"))
    path = tmp_path / "net.onnx"
    model = export(net, torch.zeros(2, 3, 16, 16), path, dynamo=dynamo, dynamic=dynamic)
    graph = compared(model, path)
    blocks = [f"layer1.{i}.{name}" for i in (0, 1) for name in ("act1", "act2")]
    assert [s.name for s in graph.of(Staircase)] == ["stem.2", *blocks, "act", "relu"]
    assert [s.levels for s in graph.of(Staircase)] == [8, 5, 4, 5, 4, 6, 255]
    steps = [2 / 8, 1.5 / 5, 1.7 / 4, 1.5 / 5, 1.7 / 4, 1.3 / 6 / 1.5, 0.0371]  # the factor before `act` is part of it
    assert [s.step for s in graph.of(Staircase)] == pytest.approx(steps, rel=2e-7)
    convs = [f"layer1.{i}.{name}" for i in (0, 1) for name in ("conv1", "conv2")]
    assert [c.name for c in graph.of(Conv2d)] == ["stem.0", *convs, "pool"]
    assert [d.name for d in graph.of(Dense)] == ["hidden", "fc"]
    assert len(graph.of(Sum)) == 2
    for op in graph:
        assert not set(op.name) & set("#/:")
        assert op.origin


@pytest.mark.parametrize("dynamo", [False, True])
def test_global_pooling_and_a_batch_norm_that_is_not_folded(tmp_path: Path, dynamo: bool) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        QCFS("floor", 2.0, 8),
        nn.BatchNorm2d(4),
        QCFS("floor", 1.0, 8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    path = tmp_path / "net.onnx"
    graph = compared(export(randomise(net), torch.zeros(1, 3, 8, 8), path, dynamo=dynamo, dynamic=True), path)
    assert [s.name for s in graph.of(Staircase)] == ["1", "3"]


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), QCFS("floor", 1.0, 8)]
            channels = width
        else:
            layers.append(nn.AvgPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 512), QCFS("floor", 1.0, 8), nn.Linear(512, 10))


def test_vgg16_takes_seconds(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.onnx"
    export(vgg16(), torch.zeros(1, 3, 32, 32), path, dynamo=False, dynamic=True)
    started = time.perf_counter()
    graph = import_model(path)
    assert time.perf_counter() - started < 10
    assert len(graph.of(Staircase)) == 14
    assert len(graph.of(Conv2d)) == 18
