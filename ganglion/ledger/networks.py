"""The rungs of the ladder under one interface: a network that runs samples, and whose populations can be given."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ganglion.errors import GanglionWarning
from ganglion.ir import Array, Graph
from ganglion.simulator import simulate
from ganglion.simulator.values import Activation, ValueNetwork

from .meaning import Meanings

if TYPE_CHECKING:
    from ganglion.frontend import OpenedModel, Source

NONE: Mapping[str, Array] = {}


@dataclass(frozen=True)
class Trace:
    """What a rung did with some samples.

    values  of the populations that were recorded: y (N, *shape), or counts (T, N, *shape) where the rung has spikes
    logits  (N, classes)
    x       (N, *shape), the input as the rung sees it: where it has integer codes, what they stand for
    """

    values: dict[str, Array]
    logits: Array
    x: Array


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One network of the ladder.

    spikes     whether its populations send counts
    headroom   by population, the bits of the target's membrane potential that the proven interval leaves free
    tolerance  the local error beyond which something is wrong; None where the rung is meant to change values
    """

    name: str
    spikes: bool
    headroom: Mapping[str, int] = field(default_factory=dict)
    tolerance: float | None = None


class Network(Rung, ABC):
    """A rung that runs samples."""

    @abstractmethod
    def run(self, x: Array, record: Collection[str], given: Mapping[str, Array] = NONE) -> Trace:
        """The samples `x` (N, *shape) through the network.

        Whatever reads one of the `given` populations, in the rung's own form, sees what is given; if such a population
        is among `record`, its value is what it makes of its own input.
        """


@dataclass(frozen=True, kw_only=True)
class SourceRung(Network):
    """The model itself, in onnxruntime: `judge` gives the logits, `model` what lies between."""

    judge: Source
    model: OpenedModel
    meanings: Meanings
    spikes: bool = False

    def run(self, x: Array, record: Collection[str], given: Mapping[str, Array] = NONE) -> Trace:
        from ganglion.frontend import run_onnxruntime  # onnxruntime takes a second to load

        m = self.meanings
        names = {name: m[name].value for name in record}
        there = {m[name].value: m[name].in_model(y) for name, y in given.items()}
        result = self.model.result
        wanted = list(dict.fromkeys([*names.values(), *([result] if given else [])]))
        found = self.model.run(x, wanted, there) if wanted else {}
        logits = there.get(result, found[result]) if given else run_onnxruntime(self.judge, x)
        values = {name: m[name].from_model(found[value]) for name, value in names.items()}
        return Trace(values, logits.reshape(len(x), -1).astype(np.float64), x)


@dataclass(frozen=True, kw_only=True)
class ValueRung(Network):
    """A network of real values, without time."""

    graph: Graph
    activation: Activation
    spikes: bool = False

    def run(self, x: Array, record: Collection[str], given: Mapping[str, Array] = NONE) -> Trace:
        values, logits = ValueNetwork(self.graph, self.activation).run(x, given, record)
        return Trace(values, logits.reshape(len(x), -1), x)


@dataclass(frozen=True, kw_only=True)
class SpikingRung(Network):
    """A scheduled network in the simulator: real, integer, or in cluster form."""

    graph: Graph
    engine: Literal["layer", "step"] = "layer"
    spikes: bool = True

    def run(self, x: Array, record: Collection[str], given: Mapping[str, Array] = NONE) -> Trace:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GanglionWarning)  # about clipped input: said once, by whoever asked
            lanes = max(1, len(x) // 4)  # several samples back to back in every lane
            run = simulate(self.graph, x, engine=self.engine, record=record, given=given, lanes=lanes)
        source = self.graph.input
        seen = x
        if self.graph.target or source.saturate:
            seen = (source.encode(x)[0] - source.zero_point) * source.scale
        return Trace(dict(run.counts), run.logits.reshape(len(x), -1), seen)


@dataclass(frozen=True, kw_only=True)
class Recording(Rung):
    """What another engine recorded of the first samples: nothing of it can be given, it stands at the ladder's end.

    counts (T, N, *shape) by population, logits (N, ...)
    """

    counts: Mapping[str, Array]
    logits: Array
    x: Array
    spikes: bool = True
    tolerance: float | None = 0.0

    @property
    def samples(self) -> int:
        return len(self.logits)

    def part(self, samples: slice) -> Trace:
        """Of the samples within `samples` that were recorded."""
        values = {name: counts[:, samples] for name, counts in self.counts.items()}
        logits = self.logits[samples]
        return Trace(values, logits.reshape(len(logits), -1), self.x[samples])
