"""The activation that trains like a clipped ReLU and runs like a spiking neuron."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ganglion.errors import InputError

from .activation import Activation


class QCFS(Activation):
    """Quantised clip-floor-shift activation: y = theta * clip(floor(x * levels / theta + 1/2) / levels, 0, 1).

    Source: Bu et al., "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking neural
    networks" (ICLR 2022), the activation with shift 1/2; its threshold starts at `levels`, as in the reference
    code of Group Neurons (arXiv 2402.19061). Input and output have the same shape, whatever it is; both are in
    the units of the network's real activations, and so is the threshold theta, one per module.

    The gradient takes floor for the identity (straight-through), and is that of the clip otherwise. With the
    step s = theta / levels and n = floor(x / s + 1/2):

        n < 0            dy/dx = 0    dy/dtheta = 0
        0 <= n < levels  dy/dx = 1    dy/dtheta = (y - x) / theta
        n >= levels      dy/dx = 0    dy/dtheta = 1

    noise: in training mode a sample of the normal distribution with mean 0 and standard deviation noise * s is added to
    every output (NQ: Huang et al., "Converting high-performance and low-latency SNNs through explicit modeling of
    residual error in ANNs", arXiv 2404.17456, whose sigma is noise * s). It stands for the spikes more or fewer that a
    population sends where its input is uneven, so that the network learns to bear them; plain neurons run it
    afterwards. No gradient goes through it. In eval mode, and with the default 0, there is none.

    Errors: `InputError` if levels is no positive integer, the threshold not positive and finite, or the noise negative
    or not finite.
    """

    def __init__(self, levels: int, threshold: float | None = None, noise: float = 0.0) -> None:
        if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
            raise InputError(f"QCFS needs a positive number of levels, not {levels!r}")
        super().__init__(levels if threshold is None else threshold)
        if not (math.isfinite(noise) and noise >= 0):
            raise InputError(f"QCFS needs noise of a standard deviation of at least 0 steps, not {noise!r}")
        self.levels = levels
        self.noise = float(noise)

    def activate(self, x: Tensor) -> Tensor:
        y = self._staircase(x)
        if self.training and self.noise and not torch.compiler.is_exporting():
            y = y + torch.randn_like(y) * (self.noise * self.threshold.detach() / self.levels)
        return y

    def _staircase(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled() or torch.compiler.is_exporting():
            step = self.threshold / self.levels
            return torch.clamp(torch.floor(x / step + 0.5), 0, self.levels) * step
        y: Tensor = _StraightThrough.apply(x, self.threshold, self.levels)  # type: ignore[no-untyped-call]
        return y

    def extra_repr(self) -> str:
        noise = f", noise={self.noise:g}" if self.noise else ""
        return f"levels={self.levels}, threshold={self.threshold.item():g}{noise}"


class _StraightThrough(torch.autograd.Function):
    """The staircase with the gradient of `QCFS`.

    It keeps neither its input nor its output: either may be changed in place afterwards (`out += identity`).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, levels: int) -> Tensor:
        step = threshold / levels
        n = torch.floor(x / step + 0.5)
        y = torch.clamp(n, 0, levels) * step
        inside = (n >= 0) & (n < levels)
        slope = torch.where(inside, (y - x) / threshold, (n >= levels).to(x.dtype))
        ctx.save_for_backward(inside, slope)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        inside, slope = ctx.saved_tensors
        return grads[0] * inside, (grads[0] * slope).sum(), None
