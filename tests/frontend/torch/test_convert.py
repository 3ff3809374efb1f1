"""ReLU to QCFS, wherever torch lets one write a ReLU.

Whether a conversion is right is seen by its values: with the thresholds high and the levels many, a QCFS is a ReLU up
to half a step, so a converted network has to compute what the original does.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, fx, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from ganglion.errors import CompileError  # noqa: E402
from ganglion.frontend.torch import QCFS, convert  # noqa: E402
from ganglion.frontend.torch.activation import named_activations  # noqa: E402

pytestmark = pytest.mark.torch

FINE = 1 << 20  # levels; the threshold starts there too, so that a step is 1


def names(model: nn.Module) -> list[str]:
    return [name for name, _ in named_activations(model)]


def assert_same_function(model: nn.Module, *shape: int, **options: str) -> nn.Module:
    """`model` converted; checked to compute what `model` does, to be a copy, and to keep weights and modes."""
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    before = copy.deepcopy(model.state_dict())
    converted = convert(model, FINE, **options)  # type: ignore[arg-type]
    for activation in converted.modules():
        if isinstance(activation, QCFS):
            with torch.no_grad():
                activation.threshold.fill_(32.0)  # a step of 2 ** -15
    state = converted.state_dict()
    assert {key for key in state if not key.endswith("threshold")} == set(before)
    for key, value in before.items():
        assert torch.equal(state[key], value)
        assert state[key].data_ptr() != model.state_dict()[key].data_ptr()
    assert {m.training for m in converted.modules()} == {m.training for m in model.modules()}
    torch.testing.assert_close(converted(x), model(x.clone()), atol=1e-3, rtol=0)
    assert not any(isinstance(m, nn.ReLU) for m in converted.modules())
    return converted


class Functional(nn.Module):
    """One layer followed by the ReLU `relu`."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 7)
        self.rectify = relu

    def forward(self, x: Tensor) -> Tensor:
        return self.rectify(self.fc(x))


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu with keywords": lambda x: F.relu(input=x),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: x.relu_(),
}


@pytest.mark.parametrize("relu", RELUS)
def test_functions_and_methods(relu: str) -> None:
    converted = assert_same_function(Functional(RELUS[relu]).eval(), 5)
    assert names(converted) == ["relu"]


def test_modules_keep_name_class_and_order() -> None:
    model = nn.Sequential(
        OrderedDict(a=nn.Linear(5, 6), act=nn.ReLU(), body=nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True)))
    )
    converted = assert_same_function(model, 5)
    assert names(converted) == ["act", "body.1"]
    assert type(converted) is nn.Sequential
    assert isinstance(model[1], nn.ReLU)


@pytest.mark.parametrize("training", [True, False])
def test_mode_is_kept(training: bool) -> None:
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU()).train(training)
    assert all(module.training is training for module in convert(model, 4).modules())
    functional = Functional(F.relu).train(training)
    assert all(module.training is training for module in convert(functional, 4).modules())


def test_a_model_that_is_a_relu() -> None:
    converted = convert(nn.ReLU(), 4)
    assert isinstance(converted, QCFS)
    assert converted.threshold.item() == 4.0


def test_one_relu_under_several_names_and_in_a_sequential_becomes_several() -> None:
    relu = nn.ReLU()
    converted = assert_same_function(nn.Sequential(nn.Linear(5, 5), relu, nn.Linear(5, 5), relu), 5)
    assert names(converted) == ["1", "3"]
    assert converted[1] is not converted[3]  # type: ignore[index]


class Residual(nn.Module):
    """A residual block in torchvision's style: one ReLU module, called three times."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=inplace)
        self.relu_3 = nn.Identity()  # a name that is taken
        self.unused = nn.Linear(2, 2)
        self.expansion = 4

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)
        out += x
        out = self.relu(out)
        return self.relu(self.conv1(out))  # type: ignore[no-any-return]


@pytest.mark.parametrize("inplace", [True, False])
def test_a_reused_relu_gets_one_qcfs_per_call(inplace: bool) -> None:
    model = nn.Sequential(OrderedDict(block=Residual(inplace)))
    converted = assert_same_function(model.eval(), 3, 8, 8)
    assert names(converted) == ["block.relu", "block.relu_2", "block.relu_4"]
    block = converted.get_submodule("block")
    assert isinstance(block, fx.GraphModule)
    assert type(block).__name__ == "Residual"
    assert block.expansion == 4
    assert isinstance(block.unused, nn.Linear)


def test_a_converted_network_trains_and_can_be_copied_and_converted_again() -> None:
    converted = convert(nn.Sequential(OrderedDict(block=Residual(True))), 4)
    copied = convert(copy.deepcopy(converted), 8)
    assert [activation.levels for _, activation in named_activations(copied)] == [4, 4, 4]
    copied(torch.randn(2, 3, 8, 8)).square().sum().backward()
    for _, activation in named_activations(copied):
        assert activation.threshold.grad is not None
    assert all(parameter.grad is None for parameter in converted.parameters())


class Nested(nn.Module):
    """Calls members of members, from a list, with one ReLU for all layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(5, 5), nn.ReLU()) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.layers[0][1](layer[0](x))  # type: ignore[index]
        return x


def test_members_of_members() -> None:
    converted = assert_same_function(Nested(), 5)
    assert len({id(a) for _, a in named_activations(converted)}) == 5
    called = []
    for name, activation in named_activations(converted):
        activation.register_forward_hook(lambda *_, name=name: called.append(name))
    converted(torch.randn(1, 5))
    assert called == ["layers.0.1", "relu", "relu_2"]


class Shared(nn.Module):
    """A block that is applied twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(5, 5), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.block(x))  # type: ignore[no-any-return]


def test_a_block_applied_twice_shares_its_threshold_as_its_weights() -> None:
    assert names(assert_same_function(Shared(), 5)) == ["block.1"]


class Overwriting(nn.Module):
    """Reads a tensor again after it was overwritten by an in-place ReLU: the second reader sees the ReLU."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(5, 5), nn.Linear(5, 5)
        self.rectify = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        y = self.fc2(self.rectify(x))
        return y + x  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "relu", [nn.ReLU(inplace=True), nn.ReLU(), F.relu_, F.relu], ids=["in place", "module", "relu_", "relu"]
)
def test_in_place_relus_keep_their_side_effect(relu: Callable[[Tensor], Tensor]) -> None:
    assert_same_function(Overwriting(relu), 5)


class Direct(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(x)


@pytest.mark.parametrize(
    "first",
    [
        nn.Sequential(nn.ReLU(inplace=True), nn.Linear(5, 5)),
        nn.Sequential(nn.Sequential(nn.ReLU(inplace=True))),
        Direct(),
        nn.Sequential(Direct()),
    ],
)
def test_a_side_effect_that_leaves_its_module_is_an_error(first: nn.Module) -> None:
    with pytest.raises(CompileError, match=r"rectify: it overwrites its input .*\n.*inplace=False"):
        convert(Overwriting(first), 4)


class Defaults(nn.Module):
    """Optional arguments, and a mode that matters."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)

    def forward(self, x: Tensor, mask: Tensor | None = None, scale: float = 2.0) -> Tensor:
        x = F.relu(self.fc(x))
        if mask is not None:
            x = x * mask
        return F.dropout(x, 0.5, training=self.training) * scale


class Calling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Defaults()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.inner(x, mask=None, scale=2.0))


def test_optional_arguments_keep_their_default() -> None:
    converted = assert_same_function(Calling().eval(), 5)
    assert set(names(converted)) == {"relu", "inner.relu"}
    with pytest.raises(AssertionError, match="specialized"):
        converted.inner(torch.zeros(1, 5), scale=3.0)  # type: ignore[operator]


@pytest.mark.parametrize("training", [True, False])
def test_functional_dropout_follows_the_mode(training: bool) -> None:
    torch.manual_seed(0)  # some weights leave all activations silent, and dropout nothing to drop
    converted = convert(Defaults().train(training), FINE)
    x = torch.full((50, 5), 3.0)
    converted.eval()
    assert torch.equal(converted(x), converted(x))
    converted.train()
    assert not torch.equal(converted(x), converted(x))


class ByMode(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) if self.training else F.relu(x) + 1


def test_other_dependence_on_the_mode_is_an_error() -> None:
    with pytest.raises(CompileError, match="0: the forward method of ByMode does different things"):
        convert(nn.Sequential(ByMode()), 4)


@pytest.mark.parametrize("make", [nn.ReLU6, lambda: nn.Hardtanh(0.0, 6.0), lambda: Functional(F.relu6)])
def test_a_clipped_relu_starts_with_its_clip_as_the_threshold(make: Callable[[], nn.Module]) -> None:
    (_, activation), *rest = named_activations(convert(nn.Sequential(make()), 4))
    assert not rest
    assert activation.threshold.item() == 6.0


def test_levels_and_threshold_of_what_is_inserted() -> None:
    (_, activation), *_ = named_activations(convert(nn.Sequential(nn.ReLU()), 6))
    assert isinstance(activation, QCFS)
    assert (activation.levels, activation.threshold.item()) == (6, 6.0)
