"""What a conversion method is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, GroupNeuron, Neuron, Staircase

Calibration = Literal["mse", "percentile", "max"]


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """How a staircase of threshold theta = step * levels becomes a population; its parameters are the fields.

    source       paper
    training     whether the paper trains for it (`ganglion.frontend.torch`); a network that is not trained so may be
                 converted all the same
    kind         the neuron, in a few words
    cluster      whether the population has a form of explicit members (`expand_clusters`)
    one_member   whether tau is 1 by definition
    calibrated   whether samples are needed to correct its populations after training (`ganglion.tuning`)
    usual        tau at which it is compared with others, unless the user says it otherwise
    calibration  how a plain ReLU gets its theta, unless the user says it otherwise
    """

    name: ClassVar[str]
    source: ClassVar[str]
    kind: ClassVar[str]
    training: ClassVar[bool] = False
    cluster: ClassVar[bool] = True
    one_member: ClassVar[bool] = False
    calibrated: ClassVar[bool] = False
    usual: ClassVar[tuple[int, ...]] = (1, 2, 4, 8)
    calibration: ClassVar[Calibration] = "mse"

    @abstractmethod
    def neuron(self, op: Staircase, members: int, steps: int) -> Neuron:
        """The population of `members` = tau members in windows of `steps` = T for the staircase `op`."""

    def levels(self, members: int) -> int:
        """How many levels one step tells: those that a calibration gives an activation."""
        return members

    def checked_members(self, members: int) -> int:
        """`members` (0: as many as an activation has levels); `InputError` where the method has another number."""
        if self.one_member and members != 1:
            raise InputError(f"the method '{self.name}' has one member", hint="give --members 1")
        return members


def theta_of(op: Staircase) -> float:
    """The threshold of an activation, in the units of its input."""
    return op.step * op.levels


def spaced(q: float, count: int, first: float) -> Array:
    """first * q, (first + 1) * q, .."""
    return (np.arange(count) + first) * q


def population(
    op: Staircase,
    thresholds: Array,
    q: float,
    *,
    negative: Array | None = None,
    bias: float = 0.0,
) -> GroupNeuron:
    """A population whose spikes stand for `q` each: every one takes q from the membrane, and one that takes a spike
    back gives q; with V(0) = 0. `bias` is added at every step.
    """
    whole = op.bias
    if bias:
        whole = np.asarray(bias) if whole is None else whole + bias
    return GroupNeuron(
        name=op.name,
        inputs=op.inputs,
        origin=op.origin,
        bias=whole,
        unit=np.array(1.0),
        grid=op.grid,
        thresholds=thresholds,
        inhibition=np.full(len(thresholds), q),
        scale=q,
        negative=negative,
        excitation=None if negative is None else np.full(len(negative), q),
    )
