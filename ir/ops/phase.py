"""Phase coding: one spike a window, whose step says what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Array, Spikes, Type
from .populations import Membrane


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhaseNeuron(Membrane):
    """A neuron that collects a whole window first, and then sends one spike in the T steps from its last one on.

    At each step t = 0..T-1 of the window it collects, V <- V + input + bias, and after the last of them U <- V, so that
    it can collect the next window while it sends. Then, s = 0..T-1, the first of them in that same step:

        n <- payloads[s] where thresholds[s] <= U, and U < thresholds[s - 1] or s = 0;  0 otherwise

    (one-spike phase coding: Hwang and Kung, arXiv 2403.08786, after Kim et al., Neurocomputing 2018.) Thresholds and
    payloads fall from step to step by a base B; the paper multiplies weights by B^-s, here the spike carries that
    factor as a graded payload, a whole number. n stands for n * `scale` (a mean over the window, as everywhere: T times
    the activation). It cannot send sooner, since its first step is the most significant one.

    `thresholds` is (T,) or (T, C), `payloads` (T,) in 1..255. Integer form: thresholds rounded up. `level` is that of
    the first step it collects; it first sends `hold` steps later.
    """

    mnemonic: ClassVar[str] = "phase-neuron"

    thresholds: Array
    payloads: Array
    scale: float

    @property
    def hold(self) -> int:
        """How many steps after the first that is collected the first spike may be sent: T - 1."""
        return len(self.payloads) - 1

    @property
    def finest(self) -> float:
        """The least value that it can tell from 0."""
        return float(self.scale * self.payloads[-1])

    @property
    def counts(self) -> tuple[int, int, bool]:
        """The least and the most that is sent in a step, and whether a neuron sends at most once a window."""
        return 0, int(self.payloads[0]), True

    def infer(self, *types: Type) -> Spikes:
        shape = self.input_shape(types)
        steps = len(self.payloads)
        whole = np.issubdtype(self.payloads.dtype, np.integer) and self.payloads.shape == (steps,) and steps > 0
        if (
            not whole
            or (np.diff(self.payloads) >= 0).any()
            or not 1 <= self.payloads.min() <= self.payloads.max() < 256
        ):
            raise self.bug(f"payloads {self.payloads} are no whole numbers that fall within 255..1")
        if self.thresholds.shape not in ((steps,), (steps, shape[0])):
            raise self.bug(f"thresholds of shape {self.thresholds.shape} for {steps} steps and {shape[0]} channels")
        if (np.diff(self.thresholds, axis=0) >= 0).any() or (self.thresholds <= 0).any():
            raise self.fail(
                f"the thresholds of '{self.name}' are not positive and strictly falling in whole membrane units",
                "its phases are too fine beside its weights or the input's range: narrow --input-range, use fewer "
                "steps, or a larger base",
            )
        low, high, once = self.counts
        return Spikes(shape=shape, low=low, high=high, once=once)
