"""Networks whose values stay linear between activations: dense connectivity, linear bottlenecks, pre-activation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.ir import Conv2d, MaxPool

torch: Any = pytest.importorskip("torch")
nn = torch.nn
export = pytest.importorskip("ganglion.frontend.torch").export
pytestmark = pytest.mark.torch


def bottleneck(channels: int, out: int, stride: int) -> Any:
    hidden = 4 * channels
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(),
        nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(),
        nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out),
    )  # fmt: skip


def normalised(channels: int, *layers: Any) -> Any:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), *layers)


class DenselyConnected(nn.Module):  # type: ignore[misc, name-defined]
    """Every layer reads all before it; BatchNormalization after a Concat."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layers = nn.ModuleList(
            normalised(8 + 6 * i, nn.Conv2d(8 + 6 * i, 12, 1), *normalised(12, nn.Conv2d(12, 6, 3, padding=1)))
            for i in range(4)
        )
        self.transition = normalised(32, nn.Conv2d(32, 16, 1), nn.AvgPool2d(2))
        self.end = normalised(16, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, x: Any) -> Any:
        x = torch.max_pool2d(torch.relu(self.stem(x)), 2)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return torch.softmax(self.end(self.transition(x)), 1)


class LinearBottlenecks(nn.Module):  # type: ignore[misc, name-defined]
    """MobileNetV2's blocks: what is added was never rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU6())
        self.first, self.down, self.last = bottleneck(8, 8, 1), bottleneck(8, 12, 2), bottleneck(12, 12, 1)
        self.end = nn.Sequential(
            nn.Conv2d(12, 32, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
        )

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        x = self.down(x + self.first(x))
        return self.end(x + self.last(x))


class PreActivation(nn.Module):  # type: ignore[misc, name-defined]
    """A residual stream that no activation ever touches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 1, 1)
        self.blocks = nn.ModuleList(
            normalised(12, nn.Conv2d(12, 12, 3, 1, 1), *normalised(12, nn.Conv2d(12, 12, 3, 1, 1))) for _ in range(4)
        )
        self.end = normalised(12, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12 * 64, 10))

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.end(x)


class Shuffled(nn.Module):  # type: ignore[misc, name-defined]
    """Channel shuffle, grouped and transposed convolutions, a crop, and an activation behind its pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.grouped = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3, groups=2)
        self.up, self.end = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Linear(8 * 64, 10)

    def forward(self, x: Any) -> Any:
        x = torch.relu(torch.max_pool2d(self.stem(x), 2))
        x = torch.relu(self.grouped(nn.functional.pad(nn.functional.channel_shuffle(x, 2), (1, 0, 0, 1))))
        x = torch.relu(self.up(x))
        return torch.log_softmax(self.end(x[:, :, 1:9, 2:10].flatten(1)), 1)


@pytest.mark.parametrize("network", [DenselyConnected, LinearBottlenecks, PreActivation, Shuffled])
def test_topology(network: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, path = network(), tmp_path / "model.onnx"
    with torch.no_grad():
        for _ in range(20):  # batch norm learns its statistics
            model(torch.randn(64, 3, 16, 16))
    model.eval()
    export(model, torch.zeros(1, 3, 16, 16), path)
    rng = np.random.default_rng(0)
    samples, x = (rng.standard_normal((n, 3, 16, 16), np.float32).clip(-3, 3) for n in (32, 8))
    assert all(node.status != "refused" for node in ganglion.check(path))
    net = ganglion.compile(path, steps=4, members=16, calibration=samples)
    result = ganglion.compare(path, net, x)
    assert result.equal
    distance = result.distance["simulator"]
    assert distance is not None
    assert distance < 0.06
    notes = "\n".join(net.notes)
    if network is not Shuffled:
        assert "a relay population of" in notes
        assert " readers: cost " in notes
    else:
        assert net.of(MaxPool)[0].level == 2, "the pool reads the activation that stood behind it"
        assert any(conv.upsample == (2, 2) for conv in net.of(Conv2d))
