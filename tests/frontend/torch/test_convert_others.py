"""What `convert` does with other activations and with max pools: refuse them by name, or replace them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from ganglion.errors import CompileError, InputError  # noqa: E402
from ganglion.frontend.torch import convert  # noqa: E402

pytestmark = pytest.mark.torch


class Functional(nn.Module):
    """One layer followed by the function `relu`."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 7)
        self.rectify = relu

    def forward(self, x: Tensor) -> Tensor:
        return self.rectify(self.fc(x))


ACTIVATIONS = [
    *(nn.LeakyReLU, nn.GELU, nn.Sigmoid, nn.SiLU, nn.Tanh, nn.ELU, nn.PReLU, nn.Hardswish, nn.Hardtanh, nn.Softplus),
]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_other_activation_modules_are_named(kind: type[nn.Module]) -> None:
    model = nn.Sequential(OrderedDict(body=nn.Sequential(nn.Linear(5, 5), kind())))
    with pytest.raises(CompileError, match=rf"body\.1: {kind.__name__} cannot become a QCFS") as caught:
        convert(model, 4)
    assert caught.value.origin == ("body.1",)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky_relu": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": lambda x: x.tanh(),
    "sigmoid_": lambda x: x.sigmoid_(),
    "elu_": F.elu_,
    "hardtanh": lambda x: F.hardtanh(x, -1, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_activation_functions_are_named(name: str) -> None:
    with pytest.raises(CompileError, match=rf"0\.{name}.*: {name} cannot become a QCFS"):
        convert(nn.Sequential(Functional(FUNCTIONS[name])), 4)


def test_softmax_has_its_own_hint() -> None:
    with pytest.raises(CompileError, match=r"2: Softmax cannot become spikes\n.*logits"):
        convert(nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Softmax(1)), 4)


@pytest.mark.parametrize("module", [nn.LSTM(5, 5), nn.TransformerEncoderLayer(4, 2), nn.MultiheadAttention(4, 2)])
def test_modules_with_nonlinearities_inside_are_named(module: nn.Module) -> None:
    with pytest.raises(CompileError, match=rf"0: {type(module).__name__} cannot become a QCFS"):
        convert(nn.Sequential(module), 4)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) if x.sum() > 0 else x


def test_control_flow_on_data_names_the_module() -> None:
    model = nn.Sequential(OrderedDict(head=nn.Sequential(nn.Linear(5, 5), Branching())))
    with pytest.raises(CompileError, match=r"head\.1: cannot follow the forward method of Branching") as caught:
        convert(model, 4)
    assert "control flow" in caught.value.hint


def test_a_hidden_forward_method_is_an_error() -> None:
    model = Functional(F.relu)
    model.forward = lambda x: x  # type: ignore[method-assign]
    with pytest.raises(CompileError, match="Functional: Functional hides its forward method"):
        convert(model, 4)


class Pools(nn.Module):
    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.apply_pool = pool

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_pool(self.conv(x))


POOLS: dict[str, tuple[Callable[[Tensor], Tensor], nn.Module]] = {
    "module": (nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1)),
    "module, ceil": (nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True)),
    "F": (lambda x: F.max_pool2d(x, 2), nn.AvgPool2d(2)),
    "F, keywords": (
        lambda x: F.max_pool2d(x, kernel_size=(3, 2), stride=2, padding=(1, 0)),
        nn.AvgPool2d((3, 2), 2, (1, 0)),
    ),
    "torch": (lambda x: torch.max_pool2d(x, 3, 2, 1), nn.AvgPool2d(3, 2, 1)),
    "1d": (lambda x: F.max_pool1d(x.flatten(2), 4), nn.Sequential(nn.Flatten(2), nn.AvgPool1d(4))),
}


@pytest.mark.parametrize("case", POOLS)
def test_max_pools_become_average_pools(case: str) -> None:
    maximum, average = POOLS[case]
    model = Pools(maximum)
    x = torch.randn(2, 1, 9, 9)
    converted = convert(model, 4, max_pool="average")
    assert torch.equal(converted(x), average(model.conv(x)))
    assert torch.equal(convert(model, 4)(x), model(x))


NO_AVERAGE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "dilated module": (nn.MaxPool2d(2, dilation=2), "apply_pool: a dilated max pool"),
    "dilated function": (lambda x: F.max_pool2d(x, 2, dilation=2), "Pools.max_pool2d: a dilated max pool"),
    "indices": (nn.MaxPool2d(2, return_indices=True), "apply_pool: a max pool with indices"),
    "indices, function": (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], "max_pool2d_with_indices"),
    "adaptive": (nn.AdaptiveMaxPool2d(1), "apply_pool: an adaptive max pool"),
    "adaptive, function": (lambda x: F.adaptive_max_pool2d(x, 1), "Pools.adaptive_max_pool2d"),
}


@pytest.mark.parametrize("case", NO_AVERAGE)
def test_max_pools_without_an_average_are_named(case: str) -> None:
    pool, message = NO_AVERAGE[case]
    with pytest.raises(CompileError, match=message):
        convert(Pools(pool), 4, max_pool="average")
    convert(Pools(pool), 4)


def test_unusable_options() -> None:
    with pytest.raises(InputError, match="max_pool"):
        convert(nn.ReLU(), 4, max_pool="mean")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="levels"):
        convert(nn.Linear(1, 1), 0)
