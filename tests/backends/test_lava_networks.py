"""Whole networks on Lava against the simulator: every spike count of every population at every step."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import ganglion
from ganglion.backends import lava
from ganglion.comparison import LAVA_VS_SIMULATOR
from ganglion.ir import Graph, GroupNeuron, MaxPool, Projection

pytest.importorskip("torch")
import torch
from torch import nn

from ganglion.frontend.torch import calibrate_thresholds, convert, export
from tests.models import digits, models

pytestmark = [pytest.mark.lava, pytest.mark.torch, pytest.mark.xdist_group("lava")]

Form = Literal["graded", "cluster"]


class Rearranging(nn.Module):
    """Max pools (one of the signed input), concatenations, a channel shuffle, a slice, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.down = nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2)
        self.stem, self.deep = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.left, self.right = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 3, padding=1)
        self.shuffle, self.up = nn.ChannelShuffle(2), nn.ConvTranspose2d(8, 5, 2, 2)
        self.fc, self.relu = nn.Linear(5 * 4 * 4 + 8 * 4 * 4, 3), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(self.pool(x)))
        x = self.relu(torch.cat([self.left(x), self.right(x)], 1))
        y = self.relu(self.deep(self.shuffle(x)))
        z = self.relu(self.up(self.down(torch.cat([x, y], 1)[:, 4:12])))
        logits: torch.Tensor = self.fc(torch.cat([z.flatten(1), y.flatten(1)], 1))
        return logits


def network(name: str, folder: Path, samples: int) -> tuple[Path, Any]:
    """The ONNX file of an example network, and samples for it."""
    if name == "rearranging":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            model, x = convert(Rearranging(), levels=4).eval(), 2 * torch.rand(samples, 4, 8, 8) - 1
        calibrate_thresholds(model, [x], 99.9)
        return export(model, x[:1], folder / "rearranging.onnx", input_range=(-1.0, 1.0)), x.numpy()
    if name == "digits":
        trained = digits.train_digits(folder, epochs=3)
        return trained.onnx, np.load(trained.images)[:samples]
    x = models.random_images(models.NETWORKS[name].shape, samples, seed=5)
    path = export(models.random_network(name), x[:1], folder / f"{name}.onnx", input_range=(0.0, 1.0))
    return path, x.numpy()


@pytest.mark.parametrize(
    ("name", "form", "samples", "steps", "members"),
    [
        ("mlp", "graded", 5, 3, 4),
        ("mlp", "cluster", 5, 3, 4),
        ("lenet", "graded", 3, 2, 4),
        ("lenet", "cluster", 3, 2, 3),
        ("digits", "graded", 4, 2, 4),
        ("digits", "cluster", 4, 2, 4),
        ("rearranging", "graded", 3, 3, 3),
        ("rearranging", "cluster", 3, 3, 3),
        ("resnet20", "graded", 2, 2, 4),
    ],
)
def test_lava_equals_the_simulator(
    lava_python: Path, name: str, form: Form, samples: int, steps: int, members: int, tmp_path: Path
) -> None:
    path, x = network(name, tmp_path, samples)
    net = ganglion.compile(path, steps=steps, members=members)
    start = time.perf_counter()
    result = ganglion.compare(path, net, x, lava=form, lava_python=lava_python)
    print(f"{name} {form}: {time.perf_counter() - start:.1f} s")
    pair = result.pairs[LAVA_VS_SIMULATOR]
    assert set(pair) == {op.name for op in net.populations} | {net.readout.name}
    for population, agreement in pair.items():
        assert agreement.compared == samples * steps * np.prod(net.typeof(population).shape), population
        assert agreement.different == 0, (population, agreement.first)
    assert result.accuracy["lava"] is None
    assert result.agreement["lava"] == result.agreement["simulator"]
    assert min(result.rates.values()) > 0.05  # everything fires, so that equality says something
    if name == "resnet20":
        assert len(net.of(GroupNeuron)) == 19
    if name == "rearranging":
        assert len(net.of(MaxPool)) == 2


@pytest.mark.parametrize("form", ["graded", "cluster"])
def test_a_wrong_delay_is_noticed(lava_python: Path, form: Form, tmp_path: Path) -> None:
    """The residual branch of one block arrives one step late: the same comparison must report it."""
    path, x = network("digits", tmp_path, 3)
    net = ganglion.compile(path, steps=2, members=4)
    wrong = late(net, "block3.relu2")
    codes, _ = net.input.encode(x)
    run = lava.run(ganglion.emit(wrong, "lava", tmp_path / "wrong"), codes, form=form, python=lava_python)
    expected = ganglion.simulate(net, x, record="all")
    different = {name for name, counts in expected.counts.items() if (counts != run.counts[name]).any()}
    assert different == {"block3.relu2"}


def late(net: Graph, target: str) -> Graph:
    """`net` with its skip connection into `target` one step late; not verified, and with no proof of its membranes."""
    population = net[target]
    skip = next(name for name in population.inputs if isinstance(p := net[name], Projection) and p.delay)
    ops = [replace(op, delay=op.delay + 1) if isinstance(op, Projection) and op.name == skip else op for op in net.ops]
    return net.rebuild(ops)
