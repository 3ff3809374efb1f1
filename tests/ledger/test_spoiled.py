"""A network in which one layer was spoiled on purpose: the ledger must find it, wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.ir import Array, Conv2d, Graph, GroupNeuron, Op, Projection
from ganglion.ledger import ledger_of

pytest.importorskip("torch")
from ganglion.frontend.torch import export
from tests.models import models

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("resnet20")]

POSITIONS = {"early": 1, "middle": 9, "late": 17}  # of its 19 populations


@pytest.fixture(scope="module")
def resnet20(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Graph, Array]:
    """The model, its network at T = 2, tau = 4, and some images."""
    x = models.random_images(models.NETWORKS["resnet20"].shape, 6, seed=5)
    path = tmp_path_factory.mktemp("resnet20") / "resnet20.onnx"
    export(models.random_network("resnet20"), x[:1], path, input_range=(0.0, 1.0))
    return path, ganglion.compile(path, steps=2, members=4), x.numpy()


def changed(net: Graph, op: Op, **fields: Any) -> Graph:
    """`net` with other fields of `op`, unverified."""
    return net.rebuild([replace(op, **fields) if o is op else o for o in net.ops])


def halved_threshold(net: Graph, population: GroupNeuron) -> Graph:
    return changed(net, population, thresholds=population.thresholds // 2)


def flipped_sign(net: Graph, population: GroupNeuron) -> Graph:
    (projection,) = (p for p in map(net.__getitem__, population.inputs) if isinstance(p, Conv2d) and p.weight.size > 99)
    weight = np.array(projection.weight)
    flipped = np.unravel_index(np.argmax(np.abs(weight)), weight.shape)
    weight[flipped] *= -1
    return changed(net, projection, weight=weight)


def wrong_delay(net: Graph, population: GroupNeuron) -> Graph:
    projection = net[population.inputs[0]]
    assert isinstance(projection, Projection)
    return changed(net, projection, delay=projection.delay + 1)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("spoil", [halved_threshold, flipped_sign, wrong_delay])
def test_the_spoiled_layer_is_the_first_offender(
    resnet20: tuple[Path, Graph, Array], spoil: Callable[[Graph, GroupNeuron], Graph], position: str
) -> None:
    path, net, x = resnet20
    population = net.of(GroupNeuron)[POSITIONS[position]]
    ledger = ledger_of(path, spoil(net, population), x)
    assert ledger.first_offender == ("integer spikes", population.name)
    assert population.name in ledger.advice
    ladder = "onnxruntime, folded, staircase, infinite T, float spikes, recompiled, integer spikes, clusters"
    assert ledger.rungs == ladder.split(", ")
    for name in ledger.populations:
        error = ledger.entry("integer spikes", name).local_error
        assert error is not None
        assert (error > 0) == (name == population.name)
        assert ledger.entry("clusters", name).relative_error == ledger.entry("integer spikes", name).relative_error


def test_a_readout_can_be_spoiled_too(resnet20: tuple[Path, Graph, Array]) -> None:
    path, net, x = resnet20
    projection = net[net.readout.inputs[0]]
    assert isinstance(projection, Projection)
    weight = np.array(projection.weight)
    weight[3] *= -1
    ledger = ledger_of(path, changed(net, projection, weight=weight), x)
    assert ledger.first_offender == ("integer spikes", net.readout.name)


def test_an_unspoiled_network_has_no_such_offender(resnet20: tuple[Path, Graph, Array]) -> None:
    path, net, x = resnet20
    ledger = ledger_of(path, net, x)
    assert "recompiled" not in ledger.rungs
    assert ledger.first_offender is None or ledger.first_offender[0] in ("float spikes", "integer spikes", "infinite T")
    assert (ledger.first_offender is None) == (ledger.loss <= 0)
