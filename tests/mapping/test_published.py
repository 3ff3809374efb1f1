"""Networks whose size on Loihi is published."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganglion
from ganglion.frontend.torch import export
from ganglion.ir import Graph, Input
from ganglion.mapping import map_network
from tests.models import load_example, models


def compiled(name: str, folder: Path) -> Graph:
    """The network with random weights, as plain integrate-and-fire neurons for Loihi 1."""
    make, shape = load_example("mobile_models").MOBILE[name]
    model = models.random_network(models.Network(make, shape))
    path = folder / f"{name}.onnx"
    export(model, models.random_images(shape, 1), path)
    return ganglion.compile(path, steps=4, members=1, target="loihi1")


@pytest.fixture(scope="module")
def pseudo_mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return compiled("pseudo_mobilenet", tmp_path_factory.mktemp("models"))


def test_nxtfs_pseudo_mobilenet_takes_no_more_cores_than_published(pseudo_mobilenet: Graph) -> None:
    """157 cores are published for 14 populations, of which the image is one. Here the image takes no cores (its current
    is written into the first population), which the mapping names; NxTF needs 6 for it: ceil(2 * 3072 / 1024)."""
    mapping = map_network(pseudo_mobilenet, "loihi1", form="cluster")
    least = [-(-2 * layer.shape[0] * layer.shape[1] * layer.shape[2] // 1024) for layer in mapping.layers]
    assert sum(least) + 6 == 157
    assert mapping.fits == "under assumptions"
    assert any(check.name == "input" for check in mapping.checks)
    for layer, cores in zip(mapping.layers, least, strict=True):
        if layer.cores > cores:  # only where 8-bit weights fill the synaptic memory of so few cores
            assert layer.binding.startswith("synaptic words")
            assert layer.limits["synaptic words"] == 512 * 256 * 8 // 64
    assert mapping.core_count <= 157 - 6 + 2


def test_sanafes_dvs_network_takes_no_more_cores_than_it_is_shipped_with(tmp_path: Path) -> None:
    """49 cores as shipped, with neurons that the chip itself resets to 0, one compartment each."""
    net = compiled("dvs_gesture", tmp_path)
    text = (Path(ganglion.targets.__file__).parent / "loihi1.toml").read_text()
    assert "compartments_soft_reset = 2" in text
    path = tmp_path / "hard.toml"
    path.write_text(text.replace("compartments_soft_reset = 2", "compartments_soft_reset = 1"))
    mapping = map_network(net, path, form="cluster")
    shapes = [layer.shape for layer in mapping.layers]
    assert shapes == [(16, 15, 15), (32, 13, 13), (64, 11, 11), (11, 9, 9), (11, 1, 1)]
    assert net.of(Input)[0].shape == (1, 32, 32)
    assert mapping.placement is not None
    assert mapping.core_count + 1 <= 49  # one more would hold its 1,024 input neurons
    assert any(c.name == "soft reset" and c.verdict == "fail" for c in mapping.checks)  # as NxTF's form needs two
