"""What samples do to a network: how often every neuron sends, and how large sums and potentials become.

Seen on the step engine, the definition. What was seen is no proof: another sample may do more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, Membrane
from ganglion.simulator.run import check_range
from ganglion.simulator.step import StepEngine

from .layers import Layer, three

BLOCK = 16  # samples at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen on `samples` samples.

    rates       messages per neuron and time-step of the input and every population, (C, H, W), means over the samples
    sums        by population, the largest |sum of the spikes that arrive in one step|, in membrane units
    potentials  by population, the largest |potential| when it is compared: after what arrived, before any reset
    """

    samples: int
    rates: dict[str, Array]
    sums: dict[str, int]
    potentials: dict[str, int]


class Watcher(StepEngine):
    """The step engine, which also keeps the largest sums and potentials. `entries` are the projections with spikes."""

    def __init__(self, graph: Graph, entries: set[str]) -> None:
        super().__init__(graph)
        self.arrived: Any = 0
        self.sums = {op.name: 0 for op in graph.of(Membrane)}
        self.potentials = {op.name: 0 for op in graph.of(Membrane)}
        self.deliver = {k: self.noted(f) if k in entries else f for k, f in self.deliver.items()}

    def noted(self, deliver: Callable[[Array], Array]) -> Callable[[Array], Array]:
        """`deliver`, whose results are added up."""

        def delivered(spikes: Array) -> Array:
            current = deliver(spikes)
            self.arrived = self.arrived + current
            return current

        return delivered

    def integrate(self, op: Membrane, g: int, t: int, inhibition: Array | int = 0) -> Any:
        self.arrived = 0
        V = super().integrate(op, g, t, inhibition)
        for largest, values in ((self.sums, self.arrived), (self.potentials, V)):
            largest[op.name] = max(largest[op.name], int(np.abs(values).max(initial=0)))
        return V


def observe(
    net: Graph, layers: Mapping[str, Layer], x: Array, progress: Callable[[int, int], None] = lambda done, total: None
) -> Observed:
    """Send the samples `x` (N, *shape), in the model's real units, through the network, some at a time.

    A neuron of explicit members sends as many messages as it has spikes; one that sends a count, one where that is not
    0. Raises `InputError` for no samples, and for those that the network does not take.
    """
    if not len(x):
        raise InputError("there are no samples to measure spikes on")
    check_range(net, x)
    total = {net.input.name: np.zeros(net.input.shape)}
    total |= {name: np.zeros(net.typeof(name).shape) for name, layer in layers.items() if layer.fires}
    watcher = Watcher(net, {link.name for layer in layers.values() for link in layer.incoming if link.entry})

    def record(name: str, sample: int, t: int, value: Array) -> None:
        if name in total:
            explicit = name in layers and layers[name].members > 1
            total[name] += (np.abs(value) if explicit else value != 0).sum(0, dtype=np.float64)

    for first in range(0, len(x), BLOCK):
        codes = net.input.encode(x[first : first + BLOCK])[0]
        watcher.run(codes[:, None], record)  # side by side
        progress(min(first + BLOCK, len(x)), len(x))
    return Observed(
        samples=len(x),
        rates={name: (sums / (net.steps * len(x))).reshape(three(sums.shape)) for name, sums in total.items()},
        sums=watcher.sums,
        potentials=watcher.potentials,
    )
