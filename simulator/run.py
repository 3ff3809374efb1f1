"""simulate: samples in, spike counts and logits out, through either engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from ganglion.errors import GanglionWarning, InputError
from ganglion.ir import Array, Graph, Input, MaxPool, Projection, Spikes, Stage, is_integer, size

from . import arithmetic
from .layer import LayerEngine
from .step import StepEngine

Engine = Literal["layer", "step"]
Progress = Callable[[int, int], None]

BLOCK_VALUES = 1 << 22  # values of one layer over all T steps that the layer engine holds at a time
MAX_CLIPPED = 0.01  # share of input values outside the input's range beyond which they cannot be meant


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a simulation gave.

    logits      float64 (N, *shape of the model's output): potential * unit / T at the window's end
    counts      for every recorded population, its spike counts: uint8 or int16 (T, N, *shape)
    potentials  the readout's membrane potential at every step, if recorded: int32 (T, N, *shape)
    rates       for every population, spikes per neuron and time-step, averaged over all samples
    spikes      for every population, the number of spikes in all samples
    samples     N
    steps       T
    clipped     share of the input's values that lay outside its range
    """

    logits: Array
    counts: dict[str, Array] = field(default_factory=dict)
    potentials: dict[str, Array] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    spikes: dict[str, int] = field(default_factory=dict)
    samples: int
    steps: int
    clipped: float

    @property
    def spikes_per_sample(self) -> float:
        """Spikes of all populations together, per sample (a cluster sends one spike per member that fires)."""
        return sum(self.spikes.values()) / self.samples if self.samples else 0.0

    def __repr__(self) -> str:
        return (
            f"Run({self.samples} samples, {self.steps} steps, {self.spikes_per_sample:.1f} spikes per sample, "
            f"{len(self.counts)} populations recorded)"
        )


def simulate(
    graph: Graph,
    x: Array,
    *,
    engine: Engine = "layer",
    record: Literal["all"] | Iterable[str] | None = None,
    lanes: int = 1,
    progress: Progress | None = None,
) -> Run:
    """Send the samples `x` (N, *shape), in the model's own real units, through the network.

    `engine="layer"` computes all T steps of a layer at once; `"step"` is the definition, step by step
    through the pipeline, in `lanes` independent copies. A network before quantisation runs in float64 and
    takes its input unrounded; a quantised one runs in integers. `record` names the populations whose counts
    are kept ("all": every one, and the readout's potential).

    Raises `InputError` for a wrong shape, NaN, an unknown population, or when more than 1 % of the values
    lie outside the input's range; fewer are clipped with a `GanglionWarning`.
    """
    if graph.stage < Stage.SCHEDULED:
        raise InputError(
            f"'{graph.name}' is at stage {graph.stage.name.lower()}; it has no time yet", hint="compile it"
        )
    if engine not in ("layer", "step"):
        raise InputError(f"unknown engine '{engine}'", hint="layer or step")
    if lanes < 1:
        raise InputError(f"{lanes} lanes; at least one is needed")
    codes, clipped = encode(graph, np.asarray(x))
    keeper = Keeper(graph, len(codes), names_to_record(graph, record))
    if engine == "step":
        _by_step(graph, codes, keeper, min(lanes, max(len(codes), 1)), progress)
    else:
        _by_layer(graph, codes, keeper, progress)
    return keeper.result(clipped)


def encode(graph: Graph, x: Array) -> tuple[Array, float]:
    """The input as the network takes it: codes int32, or float64 before quantisation; and the share clipped.

    Before quantisation the input is not rounded, unless the model itself rounds it.
    """
    source = graph.input
    if not is_integer_network(graph) and not source.saturate:
        return source.real_codes(x), 0.0
    codes, clipped = source.encode(x)
    if clipped and not source.saturate:
        low, high = source.real_range
        message = (
            f"{100 * clipped:.3g} % of the input's values lie outside [{low:.4g}, {high:.4g}], "
            "the range the network was compiled for"
        )
        if clipped > MAX_CLIPPED:
            raise InputError(message, hint=f"compile with --input-range {np.min(x):.4g} {np.max(x):.4g}")
        warnings.warn(message + "; they were clipped", GanglionWarning, stacklevel=3)
    return codes, clipped


def is_integer_network(graph: Graph) -> bool:
    """Whether the network is quantised (a cluster form can be either)."""
    return all(is_integer(op.weight) for op in graph.of(Projection))


def names_to_record(graph: Graph, record: Literal["all"] | Iterable[str] | None) -> set[str]:
    """The populations to record; raises `InputError` for a name the network does not have."""
    if record is None:
        return set()
    known = {op.name for op in graph.populations} | {graph.readout.name}
    if record == "all":
        return known
    names = {record} if isinstance(record, str) else set(record)
    spiking = {op.name for op in graph.ops if isinstance(graph.typeof(op.name), Spikes)}
    if names - known - spiking:
        raise InputError(
            f"no population is called {', '.join(sorted(names - known - spiking))}",
            hint=f"the network has {', '.join(op.name for op in graph.populations)}",
        )
    return names


class Keeper:
    """Keeps what was asked for of all that an engine computes, and counts the spikes of everything."""

    def __init__(self, graph: Graph, samples: int, names: set[str]) -> None:
        self.graph, self.samples = graph, samples
        self.kept: dict[str, Array] = {}
        self.native = graph.typeof(graph.readout.name).shape
        self.logits = np.zeros((samples, *self.native))
        self.populations = {op.name for op in graph.populations}
        self.spikes = dict.fromkeys([op.name for op in graph.populations], 0)
        real = not is_integer_network(graph)
        for name in (op.name for op in graph.ops if op.name in names):
            kind = graph.typeof(name)
            if isinstance(kind, Spikes):
                signed = kind.low < 0 or kind.high >= 1 << 15
                dtype: np.dtype[np.generic] = np.dtype(np.int32) if signed else arithmetic.count_type(kind.high)
                if real and isinstance(graph[name], (Input, MaxPool)):  # an unrounded input
                    dtype = np.dtype(np.float64)
            else:
                dtype = np.dtype(np.float64) if real else np.dtype(np.int32)
            self.kept[name] = np.zeros((graph.steps, samples, *kind.shape), dtype)

    def put(self, name: str, t: int | slice, first: int, value: Array) -> None:
        """`value` is what `name` sent at local step `t` (or all) for the samples from `first` on."""
        axis = 0 if isinstance(t, int) else 1
        room = self.samples - first
        if room <= 0:
            return
        value = value[:room] if axis == 0 else value[:, :room]
        there = slice(first, first + value.shape[axis])
        if name in self.populations:
            self.spikes[name] += int(value.sum(dtype=np.int64))
        if name in self.kept:
            self.kept[name][t, there] = value
        last = value if axis == 0 else value[-1]
        if name == self.graph.readout.name and (axis == 1 or t == self.graph.steps - 1):
            self.logits[there] = last * self.graph.readout.unit / self.graph.steps

    def put_window(self, first: int, name: str, value: Array) -> None:
        """`value` (T, n, *shape) is what `name` sent over the window for the samples from `first` on."""
        self.put(name, slice(None), first, value)

    def result(self, clipped: float) -> Run:
        """The finished run."""
        steps, n = self.graph.steps, self.samples
        neurons = {name: size(self.graph.typeof(name).shape) for name in self.spikes}
        readout = self.graph.readout.name
        return Run(
            logits=self.logits.reshape(n, *(self.graph.readout.shape or self.native)),
            counts={name: a for name, a in self.kept.items() if name != readout},
            potentials={name: a for name, a in self.kept.items() if name == readout},
            rates={name: s / (neurons[name] * steps * n) if n else 0.0 for name, s in self.spikes.items()},
            spikes=self.spikes,
            samples=n,
            steps=steps,
            clipped=clipped,
        )


def _by_step(graph: Graph, codes: Array, keeper: Keeper, lanes: int, progress: Progress | None) -> None:
    each = -(-len(codes) // lanes)  # samples per lane; the last lanes may run on a repeated sample
    if not each:
        return
    padded = codes[np.minimum(np.arange(lanes * each), len(codes) - 1)].reshape(lanes, each, *codes.shape[1:])

    def put(name: str, sample: int, t: int, value: Array) -> None:
        whole = np.broadcast_to(value, (lanes, *value.shape[1:]))
        for lane in range(lanes):
            keeper.put(name, t, lane * each + sample, whole[lane : lane + 1])

    StepEngine(graph).run(padded, put, progress)


def _by_layer(graph: Graph, codes: Array, keeper: Keeper, progress: Progress | None) -> None:
    widest = max(size(graph.typeof(op.name).shape) for op in graph.ops) * graph.steps
    block = max(1, BLOCK_VALUES // widest)
    engine = LayerEngine(graph)
    for first in range(0, len(codes), block):
        part = codes[first : first + block]
        engine.run(part, partial(keeper.put_window, first))
        if progress:
            progress(min(first + block, len(codes)), len(codes))
