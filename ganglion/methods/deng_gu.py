"""Threshold balancing with soft reset and a bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.ir import GroupNeuron, Staircase

from .base import Calibration, Method, population, theta_of


@dataclass(frozen=True, kw_only=True)
class DengGu(Method):
    """An integrate-and-fire neuron of threshold V_th = theta, V(0) = 0, soft reset, whose input is raised by
    V_th / (2 T'):

        V <- V + input + V_th / (2 T');  s = [V >= V_th];  V <- V - s * V_th

    so that counting down, as a window of T' steps does, becomes rounding (Deng and Gu, ICLR 2021, arXiv 2103.00476).
    theta is the largest activation seen (threshold balancing), or was trained as the bound of a threshold ReLU.

    design_steps  T'; 0: the network's own T
    """

    name: ClassVar[str] = "deng-gu"
    source: ClassVar[str] = "Deng and Gu, ICLR 2021, arXiv 2103.00476"
    kind: ClassVar[str] = "one level, soft reset, a bias at every step"
    training: ClassVar[bool] = True
    one_member: ClassVar[bool] = True
    calibration: ClassVar[Calibration] = "max"

    design_steps: int = 0

    def neuron(self, op: Staircase, members: int, steps: int) -> GroupNeuron:
        theta = theta_of(op)
        return population(op, np.array([theta]), theta, bias=theta / (2 * (self.design_steps or steps)))
