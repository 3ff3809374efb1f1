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
from ganglion.ir import Graph, GroupNeuron, Projection

pytest.importorskip("torch")

from ganglion.frontend.torch import export
from tests.models import digits, models

pytestmark = [pytest.mark.lava, pytest.mark.torch, pytest.mark.xdist_group("lava")]

Form = Literal["graded", "cluster"]


def network(name: str, folder: Path, samples: int) -> tuple[Path, Any]:
    """The ONNX file of an example network, and samples for it."""
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
