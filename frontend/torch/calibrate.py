"""Thresholds from what the network does on data."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganglion.errors import InputError

from .activation import named_activations


@torch.no_grad()
def calibrate_thresholds(
    model: nn.Module, batches: Iterable[Tensor] | Tensor, percentile: float = 99.9
) -> dict[str, float]:
    """Set the threshold of every activation in `model` from the activations that `batches` cause; return them by name.

    The model runs in eval mode (its mode is restored) with every one acting as a plain ReLU, so that all
    layers are observed undisturbed in one pass. A threshold becomes the given percentile (0 to 100) of its
    layer's activations max(x, 0), zeros counted, over all neurons and images of a batch; of several batches
    the largest value holds. At 100 that is the maximum of the layer (threshold balancing: Deng and Gu, ICLR
    2021); a little less leaves outliers to the clip and gives the rest finer steps. Batch norms use their running
    statistics: on a network that never saw data those mean nothing, and neither would the thresholds.

    `batches` yields tensors (N, ...), or is one, in the model's real input units. Errors: `InputError` if there is no
    batch, or an activation never runs, is not finite, or has no positive percentile (it hardly fires); no
    threshold has changed then.
    """
    if isinstance(batches, Tensor):
        batches = [batches]
    if not 0 < percentile <= 100:
        raise InputError(f"percentile has to be above 0 and at most 100, not {percentile}")
    activations = named_activations(model)
    seen: dict[str, float] = {}

    def observe(name: str, _module: nn.Module, inputs: tuple[Any, ...], _output: Tensor) -> Tensor:
        rectified = torch.relu(inputs[0])
        if not rectified.isfinite().all():
            raise InputError(f"the activation '{name}' reaches values that are not finite")
        seen[name] = max(seen.get(name, 0.0), _percentile(rectified, percentile))
        return rectified

    modes = [(module, module.training) for module in model.modules()]
    hooks = [module.register_forward_hook(partial(observe, name)) for name, module in activations]
    model.eval()
    try:
        count = 0
        for batch in batches:
            model(batch)
            count += 1
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    if not count:
        raise InputError("no batch to take thresholds from")
    for name, _ in activations:
        value = seen.get(name)
        if value is None:
            raise InputError(f"the activation '{name}' never ran, so it has no threshold", hint="remove it")
        if value <= 0:
            raise InputError(
                f"the {percentile}th percentile of activation '{name}' is {value}: not a threshold",
                hint="raise the percentile, or use inputs that drive the network",
            )
    for name, module in activations:
        module.threshold.fill_(seen[name])
    return seen


def _percentile(values: Tensor, percentile: float) -> float:
    """The smallest value that at least `percentile` % of the values do not exceed (torch.quantile stops at 16 M)."""
    flat = values.flatten()
    rank = max(1, -int(-percentile * flat.numel() // 100))
    return flat.kthvalue(rank).values.item()
