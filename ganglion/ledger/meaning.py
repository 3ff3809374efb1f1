"""What the values of a population stand for.

Three units: spike counts n; the population's own real value y, the mean over the window of n times the value of a
spike; and the ONNX value base + gain * y of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, GroupNeuron, MaxPool, Shape, Spikes, Staircase, per_channel

if TYPE_CHECKING:
    from ganglion.frontend import OpenedModel


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Of one population.

    value       the ONNX value it stands for, of shape `view` for one sample
    shape       of the population, the same values in C order
    gain, base  (), or (C,) over the channels of `view`
    scale       what one spike stands for in y: (), or (C,) over the channels of `shape`
    low, high   the ends of what the population can express in y, as `scale`
    once        whether a neuron sends one graded spike a window at most
    """

    name: str
    value: str
    view: Shape
    shape: Shape
    gain: Array
    base: Array
    scale: Array
    low: Array
    high: Array
    once: bool = False

    def of_counts(self, counts: Array) -> Array:
        """y (N, *shape) for the counts (T, N, *shape) of a window."""
        return np.asarray(counts.mean(axis=0, dtype=np.float64) * per_channel(self.scale, self.shape))

    def in_model(self, y: Array) -> Array:
        """The ONNX value (N, *view) for y (N, *shape)."""
        seen = y.reshape(len(y), *self.view)
        return np.asarray(per_channel(self.base, self.view) + per_channel(self.gain, self.view) * seen)

    def from_model(self, value: Array) -> Array:
        """y (N, *shape) for the ONNX value (N, *view)."""
        y = (value.reshape(len(value), *self.view) - per_channel(self.base, self.view)) / per_channel(
            self.gain, self.view
        )
        return np.asarray(y.reshape(len(y), *self.shape))


def meanings_of(composed: Graph, spiking: Graph, source: OpenedModel) -> dict[str, Meaning]:
    """The meanings of all populations that both the composed network and the spiking one have, in order.

    Raises `InputError` where the spiking network lacks one.
    """
    found: dict[str, Meaning] = {}
    for op in composed.ops:
        if not isinstance(op, (Staircase, MaxPool)):
            continue
        kind = spiking.typeof(op.name) if op.name in spiking else None
        shape = composed.typeof(op.name).shape
        if not isinstance(kind, Spikes) or kind.shape != shape:
            raise InputError(
                f"the network '{spiking.name}' has no population '{op.name}' of {shape} neurons, which the model has",
                hint="give the model that the network was compiled from",
            )
        view = source.shapes[op.value] or ()
        scale = np.asarray(getattr(spiking[op.name], "scale"))  # noqa: B009
        found[op.name] = Meaning(
            name=op.name,
            value=op.value,
            view=tuple(view[1:]),
            shape=shape,
            gain=np.asarray(1.0 if isinstance(op, MaxPool) or op.gain is None else op.gain),
            base=np.asarray(0.0 if op.base is None else op.base),
            scale=scale,
            low=np.asarray(0.0 if isinstance(spiking[op.name], GroupNeuron) else kind.low * scale),
            high=np.asarray(kind.high * scale / (spiking.steps if kind.once else 1)),
            once=kind.once,
        )
    return found


Meanings = Mapping[str, Meaning]
