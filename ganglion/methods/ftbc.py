"""Forward temporal bias correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganglion.errors import InputError

from .gn import GroupNeurons


@dataclass(frozen=True, kw_only=True)
class TemporalBias(GroupNeurons):
    """A Group Neuron (tau = 1: integrate-and-fire, as in the paper) with a bias of its own at each step t and channel:

        V <- V + input + bias + b[t];  n = number of k with V >= k * q;  V <- V - n * q

    b is found after training, forward only, from samples (`ganglion.tuning.temporal`): layer by layer and step by step,
    so that the mean of what is sent is the mean of the source's activation (FTBC: Wu et al., ECCV 2024, arXiv
    2403.18388).

    iterations  how often every step is corrected
    momentum    the share of the mean error that one correction takes (the paper's alpha), above 0 and at most 1
    """

    name: ClassVar[str] = "ftbc"
    source: ClassVar[str] = "Wu et al., ECCV 2024, arXiv 2403.18388"
    kind: ClassVar[str] = "tau uniform levels, soft reset, a bias at each step"
    calibrated: ClassVar[bool] = True

    iterations: int = 8
    momentum: float = 0.5

    def __post_init__(self) -> None:
        if not (self.iterations >= 1 and 0 < self.momentum <= 1):
            raise InputError(
                f"iterations={self.iterations!r}, momentum={self.momentum!r}: there must be at least one iteration, "
                "and a momentum above 0 and at most 1"
            )
