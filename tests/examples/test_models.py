"""The example networks: shapes, seeds, and that they are worth simulating."""

from __future__ import annotations

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from ganglion.frontend.torch.activation import named_activations  # noqa: E402
from tests.models import models  # noqa: E402

pytestmark = pytest.mark.torch

ACTIVATIONS = {"mlp": 2, "lenet": 4, "resnet20": 19, "resnet18": 17, "vgg16": 15}
WEIGHTS = {"mlp": 3, "lenet": 5, "resnet20": 22, "resnet18": 21, "vgg16": 16}  # shortcuts: 2 and 3


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_random_network_fires(name: str) -> None:
    network = models.random_network(name, levels=4, seed=1)
    activations = named_activations(network)
    assert len(activations) == ACTIVATIONS[name]
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules()) == WEIGHTS[name]
    assert not any(isinstance(module, nn.MaxPool2d | nn.ReLU) for module in network.modules())
    assert not any(module.training for module in network.modules())
    rates: dict[str, float] = {}

    def observe(label: str, top: float, _module: nn.Module, _inputs: object, y: Tensor) -> None:
        rates[label] = y.mean().item() / top

    for label, activation in activations:
        activation.register_forward_hook(partial(observe, label, activation.threshold.item()))
    with torch.no_grad():
        logits = network(models.random_images(models.NETWORKS[name].shape, 4, seed=2))  # images not calibrated on
    assert logits.shape == (4, 10)
    assert logits.std(0).min() > 0.01
    assert set(rates) == {label for label, _ in activations}
    assert all(0.04 < rate < 0.6 for rate in rates.values()), rates


@pytest.mark.parametrize("name", ["lenet", "resnet20"])
def test_seeds_decide(name: str) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (models.random_network(name, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_images_are_8_bit_grey_levels() -> None:
    images = models.random_images((3, 32, 32), 2)
    codes = images * 255
    assert (codes - codes.round()).abs().max() < 1e-4
    assert 0 <= images.min() < 0.2 < 0.8 < images.max() <= 1
