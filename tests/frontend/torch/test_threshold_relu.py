"""The threshold ReLU: its formula, its gradients, where convert puts it, and the spiking network it is trained for."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import ganglion  # noqa: E402
from ganglion.errors import CompileError, InputError  # noqa: E402
from ganglion.frontend.torch import QCFS, ThresholdReLU, calibrate_thresholds, convert, export  # noqa: E402
from ganglion.frontend.torch.activation import SMALLEST_THRESHOLD, named_activations  # noqa: E402
from ganglion.ir import GroupNeuron  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("theta", [0.25, 1.5, 8.0])
@pytest.mark.parametrize("steps", [0, 1, 4])
@pytest.mark.parametrize("training", [True, False])
def test_forward_is_the_formula(theta: float, steps: int, training: bool) -> None:
    x = torch.arange(-40, 81) * (theta / 32)  # exact in float32, with the shift as well
    shift = theta / (2 * steps) if steps else 0.0
    expected = np.clip(x.numpy().astype(np.float64) - shift, 0, theta)
    y = ThresholdReLU(theta, shift_steps=steps).train(training)(x)
    np.testing.assert_array_equal(y.detach().numpy(), expected.astype(np.float32))
    assert y.detach().max() == theta


@pytest.mark.parametrize("steps", [0, 4])
def test_gradients_are_those_of_the_clip(steps: int) -> None:
    activation = ThresholdReLU(1.0, shift_steps=steps)
    shift = 1 / 8 if steps else 0.0
    x = torch.tensor([-1.0, 0.25, 0.75, 2.0, 3.0]) + shift
    x.requires_grad_()
    weight = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    activation(x).backward(weight)
    assert x.grad is not None
    assert activation.threshold.grad is not None
    assert x.grad.tolist() == [0, 2, 4, 0, 0]
    inside = (2 + 4) * -shift  # by the shift, which grows with theta
    assert activation.threshold.grad.item() == 8 + 16 + inside


def test_a_fixed_threshold_is_kept_but_not_trained() -> None:
    activation = ThresholdReLU(2.0, trainable=False)
    activation(torch.randn(5, requires_grad=True)).sum().backward()
    assert activation.threshold.grad is None
    assert list(activation.state_dict()) == ["threshold"]


def test_training_keeps_the_threshold_positive() -> None:
    activation = ThresholdReLU(1.0)
    activation.threshold.data.fill_(-3.0)
    activation(torch.ones(2))
    assert activation.threshold.item() == SMALLEST_THRESHOLD


def test_input_and_output_may_be_overwritten_before_the_backward_pass() -> None:
    activation, scale = ThresholdReLU(2.0), nn.Parameter(torch.ones(()))
    x = torch.arange(-4.0, 5.0) * scale
    y = activation(x)
    x += 1
    y += x
    y.sum().backward()
    assert scale.grad is not None


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_unusable_threshold(threshold: float) -> None:
    with pytest.raises(InputError, match="ThresholdReLU needs a positive, finite threshold"):
        ThresholdReLU(threshold)


@pytest.mark.parametrize("steps", [-1, 1.5, True, "4"])
def test_unusable_shift(steps: object) -> None:
    with pytest.raises(InputError, match="whole number of steps"):
        ThresholdReLU(shift_steps=steps)  # type: ignore[arg-type]


def test_repr_says_what_it_is() -> None:
    assert repr(ThresholdReLU(0.5)) == "ThresholdReLU(threshold=0.5)"
    assert repr(ThresholdReLU(2, trainable=False, shift_steps=8)).endswith("trainable=False, shift_steps=8)")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        *(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.ReLU6(), nn.Flatten(), nn.Linear(8 * 16, 10)),
    ).eval()


def test_convert_gives_every_relu_its_own() -> None:
    like = ThresholdReLU(3.0, trainable=False, shift_steps=4)
    found = dict(named_activations(convert(network(), activation=like)))
    assert list(found) == ["2", "4"]
    assert [a.threshold.item() for a in found.values()] == [3.0, 6.0]  # ReLU6 clips at 6
    assert all(isinstance(a, ThresholdReLU) and a.shift_steps == 4 for a in found.values())
    assert not any(a.threshold.requires_grad or a.training for a in found.values())
    assert len({id(a.threshold) for a in (*found.values(), like)}) == 3
    assert like.threshold.item() == 3.0


def test_convert_takes_one_or_the_other() -> None:
    for options in ({}, {"levels": 4, "activation": ThresholdReLU()}, {"activation": ThresholdReLU(), "noise": 0.1}):
        with pytest.raises(InputError, match="takes levels"):
            convert(network(), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a QCFS or a ThresholdReLU, not ReLU"):
        convert(network(), activation=nn.ReLU())  # type: ignore[arg-type]


def test_a_qcfs_can_be_given_as_well() -> None:
    (_, first), (_, second) = named_activations(convert(network(), activation=QCFS(4, noise=0.1)))
    for activation, theta in ((first, 4.0), (second, 6.0)):
        assert isinstance(activation, QCFS)
        assert (activation.levels, activation.noise, activation.threshold.item()) == (4, 0.1, theta)


def test_thresholds_are_balanced_on_data() -> None:
    x = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    plain = network()
    model = convert(plain, activation=ThresholdReLU(trainable=False))
    seen = calibrate_thresholds(model, x, percentile=100)
    with torch.no_grad():
        first = plain[:3](x).max().item()
    assert seen["2"] == first
    found = dict(named_activations(model))
    assert found["2"].threshold.item() == pytest.approx(first)
    assert not found["2"].threshold.requires_grad


def test_a_network_of_trained_thresholds_compiles_without_samples(tmp_path: Path) -> None:
    """Its bounds are the thresholds of the neurons, and a shift for T steps makes up for the bias of Deng and Gu."""
    steps = 4
    x = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    shifted = convert(network(), activation=ThresholdReLU(trainable=False, shift_steps=steps))
    calibrate_thresholds(shifted, x, percentile=100)
    plain = copy.deepcopy(shifted)
    for _, activation in named_activations(plain):
        assert isinstance(activation, ThresholdReLU)
        activation.shift_steps = 0
    thetas = [a.threshold.item() for _, a in named_activations(shifted)]
    neurons = {}
    for name, model in (("shifted", shifted), ("plain", plain)):
        path = export(model, x[:2], tmp_path / f"{name}.onnx", input_range=(0, 1))
        assert all(node.status != "refused" for node in ganglion.check(path))
        net = ganglion.compile(path, steps=steps, method="deng-gu", target=None)
        neurons[name] = list(net.of(GroupNeuron))
        assert [float(op.scale) for op in neurons[name]] == pytest.approx(thetas)
        assert all(op.thresholds.shape == (1,) for op in neurons[name])
    for op, other, theta in zip(neurons["shifted"], neurons["plain"], thetas, strict=True):
        assert op.bias is not None
        assert other.bias is not None
        lower = np.asarray(other.bias) - np.asarray(op.bias)  # shift = theta / (2T)
        np.testing.assert_allclose(lower, theta / (2 * steps), rtol=1e-4)
    net = ganglion.compile(tmp_path / "plain.onnx", steps=64, method="dual-threshold")
    logits = ganglion.simulate(net, x.numpy()).logits
    with torch.no_grad():
        expected = plain.eval()(x).numpy()
    assert (logits.argmax(1) == expected.argmax(1)).mean() >= 0.75
    cosine = (logits * expected).sum() / np.linalg.norm(logits) / np.linalg.norm(expected)
    assert cosine > 0.98


def test_a_plain_relu_among_them_still_needs_samples(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), ThresholdReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    path = export(model, torch.rand(2, 4), tmp_path / "mixed.onnx", input_range=(0, 1))
    with pytest.raises(CompileError, match=r"1 activation has no levels: a plain ReLU"):
        ganglion.compile(path, steps=4, members=1)


def test_every_tau_of_a_sweep_has_levels_of_its_own(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(6, 12), ThresholdReLU(1.0), nn.Linear(12, 3)).eval()
    x = torch.rand(16, 6, generator=torch.Generator().manual_seed(2)).numpy()
    path = export(model, torch.from_numpy(x[:2]), tmp_path / "clipped.onnx", input_range=(0, 1))
    with pytest.raises(CompileError, match="1 activation has no levels: a clipped ReLU"):
        ganglion.compile(path, steps=1, members="levels")
    found = ganglion.sweep(path, x, steps=(1, 2), members=(1, 4))
    for row in found.rows:
        assert isinstance(row.members, int)
        net = ganglion.compile(path, steps=row.steps, members=row.members)
        assert row.spikes_per_sample == ganglion.simulate(net, x).spikes_per_sample
    assert len({row.spikes_per_sample for row in found.rows}) == 4
