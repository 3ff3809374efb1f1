"""One population, opened: its members, what they inhibit, its channels, and what arrives at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.ir import Array, Shape, per_channel, signed_bits

from .chip import Cores
from .document import plain


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrival:
    """What the population reads: a projection from `source`, its weights, and its steps of `delay` beyond the one of
    every synapse.

    `bits` of the weights is None before quantisation, `arrives`, the level at which its spikes are added, before
    scheduling. Before composition it may be another op: without weights then, and with all its inputs as `source`.
    """

    name: str
    op: str
    source: str
    weights: Array | None
    bits: int | None
    exponent: int
    delay: int
    synapses: int
    arrives: int | None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        shape = None if self.weights is None else {"dtype": str(self.weights.dtype), "shape": list(self.weights.shape)}
        return {
            "name": self.name,
            "op": self.op,
            "from": self.source,
            "weights": shape,
            "bits": self.bits,
            "exponent": self.exponent,
            "delay": self.delay,
            "synapses": self.synapses,
            "arrives": self.arrives,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedPopulation:
    """What `inspect --cluster` shows of the population `name`.

    kind           the op: group-neuron, cluster (of integrate-fire), staircase, max-pool or readout
    shape          of its neurons, with `channels` along axis 0
    level, steps   its level and T; None before scheduling
    spikes         the lowest and the highest count of a step; None for a readout
    scale          the real value of one spike, () or (C,); None for a readout
    unit           the real value of one unit of the membrane potential, () or (C,)
    interval       [low, high] that the potential never leaves; None before quantisation
    bias           (), (C,) or one per neuron, in membrane units; None: no bias
    members        their names: those of the populations in the cluster form, those they would have in the graded form
    thresholds     (tau,) or (tau, C), in membrane units, of the members in order; (0,) where there are none
    inhibition     of the same shape: what every spike of member k takes from the membrane of all members; (0,) where it
                   takes nothing
    payloads       (T,) of a phase neuron, whose `members` are the steps it may send in: what its spike carries; (0,) of
                   others
    inhibited_by   the lateral inhibition of the cluster form; None in the graded form, where it is at once
    arrivals       the projections into it
    placeholder    whether the levels are not chosen yet
    """

    name: str
    kind: str
    origin: tuple[str, ...]
    shape: Shape
    level: int | None
    steps: int | None
    spikes: tuple[int, int] | None
    scale: Array | None
    unit: Array
    interval: tuple[int, int] | None
    bias: Array | None
    members: tuple[str, ...]
    thresholds: Array
    inhibition: Array
    payloads: Array
    inhibited_by: str | None
    arrivals: tuple[Arrival, ...]
    readers: tuple[str, ...]
    placeholder: bool
    on_chip: Cores | str

    @property
    def per_channel(self) -> bool:
        """Whether any of its numbers differ between the channels."""
        tables = (self.thresholds, self.inhibition)
        return any(t.ndim > 1 for t in tables) or self.unit.ndim > 0 or (self.bias is not None and self.bias.ndim > 0)

    def channels(self) -> list[dict[str, Any]]:
        """Unit, bias (of all its neurons), thresholds and inhibition of every channel."""
        count = self.shape[0] if self.shape else 1
        units = np.broadcast_to(self.unit, (count,))
        biases = None if self.bias is None else np.broadcast_to(per_channel(self.bias, self.shape), self.shape)
        tables = [_over(table, count) for table in (self.thresholds, self.inhibition)]
        return [
            {
                "channel": c,
                "unit": units[c].item(),
                "bias": None if biases is None else [biases[c].min().item(), biases[c].max().item()],
                "thresholds": tables[0][:, c].tolist(),
                "inhibition": tables[1][:, c].tolist(),
            }
            for c in range(count)
        ]

    def as_json(self) -> dict[str, Any]:
        """For machines: all members and all channels."""
        return {
            "name": self.name,
            "kind": self.kind,
            "origin": list(self.origin),
            "shape": list(self.shape),
            "level": self.level,
            "steps": self.steps,
            "spikes": None if self.spikes is None else list(self.spikes),
            "scale": None if self.scale is None else plain(self.scale.tolist()),
            "interval": None if self.interval is None else list(self.interval),
            "membrane_bits": None if self.interval is None else signed_bits(*self.interval),
            "placeholder": self.placeholder,
            "inhibited_by": self.inhibited_by,
            "payloads": self.payloads.tolist(),
            "members": list(self.members),
            "channels": self.channels(),
            "inputs": [a.as_json() for a in self.arrivals],
            "read_by": list(self.readers),
            "mapping": _mapped(self.on_chip),
        }

    def __str__(self) -> str:
        from .population_text import population_text  # which reads the population

        return population_text(self)


def _mapped(found: Cores | str) -> dict[str, Any] | None:
    """Its cores, or the problem with the mapping; None where there is none."""
    return ({"problem": found} if found else None) if isinstance(found, str) else found.as_json()


def _over(table: Array, channels: int) -> Array:
    """`table` (tau,) or (tau, C) as (tau, C)."""
    return np.broadcast_to(table if table.ndim > 1 else table[:, None], (len(table), channels))
