"""What all activations that are trained for spikes have: a threshold."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from ganglion.errors import InputError

SMALLEST_THRESHOLD = 2.0**-20  # training keeps thresholds at or above it

Self = TypeVar("Self", bound="Activation")


class Activation(nn.Module):
    """An activation that is 0 at first and `threshold` in the end, element by element.

    Input, output and the threshold theta, one per module, are in the units of the network's real activations. theta
    stays positive: in training mode, before it is used, a threshold that the optimiser has pushed below
    `SMALLEST_THRESHOLD` is set to it (a projection; its gradient is not changed, so that it can grow again).
    """

    def __init__(self, threshold: float, trainable: bool = True) -> None:
        super().__init__()
        if not (math.isfinite(threshold) and threshold > 0):
            raise InputError(f"{type(self).__name__} needs a positive, finite threshold, not {threshold!r}")
        self.threshold = nn.Parameter(torch.tensor(float(threshold)), requires_grad=trainable)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            # not clamp_(): a module called twice in one forward pass would invalidate its own first gradient
            self.threshold.data.clamp_(min=SMALLEST_THRESHOLD)
        return self.activate(x)

    def activate(self, x: Tensor) -> Tensor:
        """The activation, of the same shape as `x`."""
        raise NotImplementedError

    def another(self: Self, threshold: float | None = None) -> Self:
        """One like it, with a threshold of its own that starts there, or where this one stands."""
        made = copy.deepcopy(self)
        if threshold is not None:
            made.threshold.data.fill_(threshold)
        return made


def named_activations(model: nn.Module) -> list[tuple[str, Activation]]:
    """Every activation of `model` with its qualified name, in the order of `named_modules()`."""
    return [(name, module) for name, module in model.named_modules() if isinstance(module, Activation)]
