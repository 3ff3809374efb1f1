"""QCFS against its formula, value for value, and its gradient against the case distinction of its docstring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from ganglion.errors import InputError  # noqa: E402
from ganglion.frontend.torch import QCFS, convert, export  # noqa: E402
from ganglion.frontend.torch.activation import SMALLEST_THRESHOLD  # noqa: E402

pytestmark = pytest.mark.torch


def inputs(levels: int, theta: float) -> Tensor:
    """All multiples of an eighth of a step around the staircase, jumps and plateaus both; exact in float32."""
    multiples: Tensor = torch.arange(-16, 8 * levels + 17) * (theta / levels / 8)
    return multiples


# theta / levels is a power of two: then float32 has no rounding, and the formula holds to the bit
CASES = [(1, 1.0), (1, 0.25), (4, 2.0), (4, 4.0), (8, 8.0), (3, 1.5), (15, 3.75), (255, 255.0)]


@pytest.mark.parametrize(("levels", "theta"), CASES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad])
def test_forward_is_the_formula(levels: int, theta: float, training: bool, context: Callable[[], object]) -> None:
    x = inputs(levels, theta)
    z = x.numpy().astype(np.float64)
    expected = theta * np.clip(np.floor(z * levels / theta + 0.5) / levels, 0, 1)
    with context():  # type: ignore[attr-defined]
        y = QCFS(levels, theta).train(training)(x)
    np.testing.assert_array_equal(y.detach().numpy(), expected.astype(np.float32))
    assert len(set(y.tolist())) == levels + 1


@pytest.mark.parametrize("theta", [0.1, 1.37, 7.9])
def test_a_real_threshold_gives_the_same_values_with_and_without_gradients(theta: float) -> None:
    qcfs = QCFS(5, theta)
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * theta
    with torch.no_grad():
        plain = qcfs.eval()(x)
    assert torch.equal(qcfs.train()(x), plain)
    counts = plain.double() / (theta / 5)
    assert (counts - counts.round()).abs().max() < 1e-5


@pytest.mark.parametrize(("levels", "theta"), CASES)
def test_gradients_are_those_of_the_straight_through_formula(levels: int, theta: float) -> None:
    qcfs = QCFS(levels, theta)
    x = inputs(levels, theta).requires_grad_()
    y = qcfs(x)
    n = torch.floor(x.detach() * levels / theta + 0.5)
    inside = (n >= 0) & (n < levels)
    slope = torch.where(inside, (y.detach() - x.detach()) / theta, (n >= levels).float())
    weight = torch.arange(len(x)) % 7 - 3.0
    y.backward(weight)
    assert qcfs.threshold.grad is not None
    assert x.grad is not None
    assert torch.equal(x.grad, torch.where(inside, weight, 0.0))
    torch.testing.assert_close(qcfs.threshold.grad, (weight * slope).sum())


def test_gradient_agrees_with_autograd_through_floor_taken_for_the_identity() -> None:
    levels, theta = 4, 1.37
    x = torch.randn(500, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    qcfs = QCFS(levels, theta).double()
    qcfs(x).square().sum().backward()
    z, threshold = x.detach().clone().requires_grad_(), qcfs.threshold.detach().clone().requires_grad_()
    u = z * levels / threshold + 0.5
    floor = (u.floor() - u).detach() + u - 0.5 + 0.5  # value floor(u), derivative 1
    count = torch.where(u >= levels, levels, torch.where(u < 0, 0.0, floor))
    (count / levels * threshold).square().sum().backward()
    torch.testing.assert_close(x.grad, z.grad)
    torch.testing.assert_close(qcfs.threshold.grad, threshold.grad)


def test_input_and_output_may_be_overwritten_before_the_backward_pass() -> None:
    qcfs, scale = QCFS(4, 2.0), nn.Parameter(torch.ones(()))
    x = inputs(4, 2.0) * scale
    y = qcfs(x)
    x += 1
    y += x
    y.sum().backward()
    assert scale.grad is not None


def test_threshold_starts_at_levels() -> None:
    assert QCFS(8).threshold.item() == 8.0
    assert QCFS(8).threshold.shape == ()
    assert QCFS(8, 0.5).threshold.item() == 0.5


def test_training_keeps_the_threshold_positive_and_able_to_grow() -> None:
    qcfs = QCFS(4, 1.0)
    optimiser = torch.optim.SGD(qcfs.parameters(), lr=10.0)
    qcfs(torch.ones(8)).sum().backward()  # decreasing y means decreasing theta
    optimiser.step()
    assert qcfs.threshold.item() < 0
    y = qcfs(torch.ones(8))
    assert qcfs.threshold.item() == SMALLEST_THRESHOLD
    assert torch.isfinite(y).all()
    optimiser.zero_grad()
    (-y).sum().backward()
    optimiser.step()
    assert qcfs.threshold.item() > 1


def test_a_module_called_twice_still_has_gradients() -> None:
    qcfs = QCFS(4, 2.0)
    x = torch.ones(3, requires_grad=True)
    qcfs(qcfs(x)).sum().backward()
    assert x.grad is not None


def test_evaluation_does_not_touch_the_threshold() -> None:
    qcfs = QCFS(4, SMALLEST_THRESHOLD / 2)
    qcfs.eval()(torch.ones(3))
    assert qcfs.threshold.item() == SMALLEST_THRESHOLD / 2


@pytest.mark.parametrize("levels", [0, -1, 2.5, True, "4"])
def test_unusable_levels(levels: object) -> None:
    with pytest.raises(InputError, match="levels"):
        QCFS(levels)  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_unusable_threshold(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold"):
        QCFS(4, threshold)


def test_repr_says_levels_and_threshold() -> None:
    assert repr(QCFS(4, 0.5)) == "QCFS(levels=4, threshold=0.5)"


def test_noise_is_there_in_training_only_and_of_the_standard_deviation_asked_for() -> None:
    plain, noisy = QCFS(4, 2.0), QCFS(4, 2.0, noise=0.3)
    x = torch.randn(40_000, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    added = (noisy.train()(x) - plain(x)).detach()
    assert abs(added.mean().item()) < 0.003
    assert added.std().item() == pytest.approx(0.3 * 0.5, rel=0.02)  # steps of theta / levels = 1/2
    torch.manual_seed(1)
    assert torch.equal((noisy(x) - plain(x)).detach(), added)
    with torch.no_grad():
        assert not torch.equal(noisy(x), plain(x))
    assert torch.equal(noisy.eval()(x), plain(x))
    assert torch.equal(QCFS(4, 2.0).train()(x), plain(x))
    assert repr(noisy) == "QCFS(levels=4, threshold=2, noise=0.3)"


def test_noise_changes_no_gradient() -> None:
    gradients = []
    for noise in (0.0, 0.5):
        qcfs = QCFS(4, 1.3, noise)
        x = torch.linspace(-1, 2, 50, requires_grad=True)
        qcfs(x).sum().backward()
        assert x.grad is not None
        assert qcfs.threshold.grad is not None
        gradients.append((x.grad.clone(), qcfs.threshold.grad.clone()))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], gradients[1][1])


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_noise_that_cannot_be(noise: float) -> None:
    with pytest.raises(InputError, match="at least 0 steps"):
        QCFS(4, noise=noise)


def test_convert_passes_noise_on_and_export_leaves_it_out(tmp_path: Path) -> None:
    model = convert(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU6()), levels=4, noise=0.25)
    assert [m.noise for m in model.modules() if isinstance(m, QCFS)] == [0.25, 0.25]
    export(model.train(), torch.rand(2, 3), tmp_path / "m.onnx", dynamo=False)
    assert not [n.op_type for n in onnx.load(tmp_path / "m.onnx").graph.node if n.op_type.startswith("Random")]
    with pytest.raises(InputError, match="at least 0 steps"):
        convert(model, levels=4, noise=-1)
