"""A ReLU with a threshold: what integrate-and-fire neurons without levels are trained for."""

from __future__ import annotations

import torch
from torch import Tensor

from ganglion.errors import InputError

from .activation import Activation


class ThresholdReLU(Activation):
    """y = min(max(x - shift, 0), theta).

    With theta fixed (`trainable=False`): the threshold ReLU of Deng and Gu, "Optimal conversion of conventional
    artificial neural networks to spiking neural networks" (ICLR 2021, arXiv 2103.00476). theta is balanced on data by
    `calibrate_thresholds(..., percentile=100)`, the largest activation of the layer, and a spiking neuron of threshold
    theta never has to tell more. Where it runs for T steps it counts down, on average by half a spike; the
    network learns to expect that from shift = theta / (2T), with T = `shift_steps` (0: no shift), as their code has
    it. A shifted network then runs without the bias that `--method deng-gu` adds: the two are the same
    correction on either side, and cancel.

    With theta trained: a learnable threshold clipping function, as error compensation has (ICML 2025, arXiv 2506.01968;
    for `--method dual-threshold`). The gradient is that of the clip: dy/dx = 1 where 0 < x - shift < theta and else 0,
    dy/dtheta = 1 where x - shift > theta (and dy/dshift = -1 inside). The paper's first value of theta is not known:
    it is 8 unless said otherwise, about where QCFS starts.

    Errors: `InputError` if the threshold is not positive and finite, or `shift_steps` no whole number of at least 0.
    """

    def __init__(self, threshold: float = 8.0, *, trainable: bool = True, shift_steps: int = 0) -> None:
        if isinstance(shift_steps, bool) or not isinstance(shift_steps, int) or shift_steps < 0:
            raise InputError(f"ThresholdReLU shifts for a whole number of steps, 0 or more, not {shift_steps!r}")
        super().__init__(threshold, trainable)
        self.shift_steps = shift_steps

    def activate(self, x: Tensor) -> Tensor:
        if self.shift_steps:
            x = x - self.threshold / (2 * self.shift_steps)
        return torch.minimum(torch.relu(x), self.threshold)

    def extra_repr(self) -> str:
        fixed = "" if self.threshold.requires_grad else ", trainable=False"
        shift = f", shift_steps={self.shift_steps}" if self.shift_steps else ""
        return f"threshold={self.threshold.item():g}{fixed}{shift}"
