"""Thresholds from data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from ganglion.errors import InputError  # noqa: E402
from ganglion.frontend.torch import QCFS, calibrate_thresholds  # noqa: E402

pytestmark = pytest.mark.torch


def two_layers() -> Any:
    """Layers 0 and 3 are linear, 1 and 4 their activations."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), QCFS(4), nn.Dropout(), nn.Linear(20, 10), QCFS(4), nn.Linear(10, 3))


@pytest.mark.parametrize("percentile", [75.0, 90.0, 99.9, 100.0])
def test_thresholds_are_percentiles_of_the_rectified_network(percentile: float) -> None:
    model = two_layers().train()
    x = torch.randn(64, 6)
    first = torch.relu(model[0](x))
    second = torch.relu(model[3](first))
    found = calibrate_thresholds(model, [x], percentile)
    for activation, values, name in ((model[1], first, "1"), (model[4], second, "4")):
        flat = values.detach().numpy().ravel()
        expected = np.percentile(flat, percentile, method="inverted_cdf")
        assert activation.threshold.item() == found[name] == expected
    assert all(module.training for module in model.modules())


def test_the_largest_batch_percentile_holds() -> None:
    model = QCFS(4)
    calibrate_thresholds(model, [torch.tensor([[1.0, 2.0]]), torch.tensor([[5.0, 3.0]]), torch.zeros(1, 2)], 100)
    assert model.threshold.item() == 5.0


def test_the_network_is_itself_again_afterwards() -> None:
    model = two_layers().eval()
    x = torch.randn(8, 6)
    calibrate_thresholds(model, [x])
    by_hand = model[5](model[4](model[3](model[1](model[0](x)))))
    assert torch.equal(model(x), by_hand)
    assert not model.training


def test_a_silent_layer_is_an_error_that_names_it_and_changes_nothing() -> None:
    model = two_layers()
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.fill_(-1)
    with pytest.raises(InputError, match=r"activation '4' is 0\.0"):
        calibrate_thresholds(model, [torch.randn(8, 6)])
    assert [model[1].threshold.item(), model[4].threshold.item()] == [4.0, 4.0]


def test_no_batches_and_no_percentile() -> None:
    with pytest.raises(InputError, match="no batch"):
        calibrate_thresholds(two_layers(), [])
    for percentile in (0, 101):
        with pytest.raises(InputError, match="percentile"):
            calibrate_thresholds(two_layers(), [torch.randn(8, 6)], percentile)


def test_an_activation_that_never_runs_is_named() -> None:
    model = two_layers()
    model[0].unused = QCFS(4)
    with pytest.raises(InputError, match=r"'0\.unused' never ran"):
        calibrate_thresholds(model, [torch.randn(8, 6)])


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="'1' reaches values that are not finite"):
        calibrate_thresholds(two_layers(), [torch.full((2, 6), torch.nan)])
