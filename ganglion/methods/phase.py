"""One-spike phase coding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, PhaseNeuron, Staircase

from .base import Calibration, Method, theta_of

MOST = 255  # the largest payload: a count of 8 bits
SPAN = 32  # of the largest to the least value, at most, where the base is chosen for T


@dataclass(frozen=True, kw_only=True)
class Phase(Method):
    """One spike a window; at step s = 0..T-1 it stands for theta * B^-s, so that every layer needs a window of its own:

        V <- sum of a window's input;  the spike is sent at the first s at which V / T >= threshold[s]
        threshold[s] = value[s] - shift * (value[s] - value[s + 1]),  value[s] = theta * B^-s,  value[T] = 0

    (Hwang and Kung, arXiv 2403.08786: a spike for each neuron, a base B of its own instead of the 2 of Kim et al.,
    2018, and shifted thresholds, which round to the nearest value; no training.) Here B^-s is a whole payload: G * B^-s
    rounded, of which one stands for theta / G; exactly B^(T-1-s) where B is whole, else G = 255. Where that
    rounds two steps to the same payload, the method is refused.

    base   B, above 1; 0: the one with which the largest value is 2 T times the least, but 32 times at most
    shift  0: round down, as by the thresholds of phase coding; 0.5: to the nearest value
    """

    name: ClassVar[str] = "phase"
    source: ClassVar[str] = "Hwang and Kung, arXiv 2403.08786"
    kind: ClassVar[str] = "one spike a window, of value theta * B^-step"
    one_member: ClassVar[bool] = True
    usual: ClassVar[tuple[int, ...]] = (1,)
    calibration: ClassVar[Calibration] = "max"

    base: float = 0.0
    shift: float = 0.5

    def __post_init__(self) -> None:
        if not (self.base == 0 or 1 < self.base <= MOST) or not 0 <= self.shift < 1:
            raise InputError(
                f"base={self.base!r}, shift={self.shift!r}: the base must be above 1 and at most {MOST}, or 0, "
                "the shift at least 0 and below 1"
            )

    def levels(self, members: int) -> int:
        """Payloads are parts of 255: how finely an activation can be told at best."""
        return self.checked_members(members) * MOST

    def payloads(self, steps: int) -> Array:
        """What a spike carries at each step, int32 (T,); `InputError` where two steps cannot be told apart."""
        base = self.base or (min(2 * steps, SPAN) ** (1 / (steps - 1)) if steps > 1 else 2.0)
        whole = float(base).is_integer() and base ** (steps - 1) <= MOST
        most = base ** (steps - 1) if whole else MOST
        found = np.rint(most * base ** -np.arange(steps, dtype=np.float64)).astype(np.int32)
        if found[-1] < 1 or (np.diff(found) >= 0).any():
            raise InputError(
                f"the method '{self.name}' with base {base:.4g} has no {steps} different values within 8 bits",
                hint="fewer steps, or for long windows a base nearer to 1",
            )
        return found

    def neuron(self, op: Staircase, members: int, steps: int) -> PhaseNeuron:
        payloads = self.payloads(steps)
        value = np.append(payloads, 0) * (theta_of(op) / payloads[0])
        thresholds = value[:-1] - self.shift * (value[:-1] - value[1:])
        return PhaseNeuron(
            name=op.name,
            inputs=op.inputs,
            origin=op.origin,
            bias=op.bias,
            unit=np.array(1.0),
            grid=op.grid,
            thresholds=steps * thresholds,
            payloads=payloads,
            scale=steps * theta_of(op) / float(payloads[0]),
        )
