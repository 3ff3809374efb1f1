"""simulate: samples in, spike counts and logits out, through either engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ganglion.errors import GanglionWarning, InputError
from ganglion.ir import Array, Graph, Input, Spikes, Stage, dims
from ganglion.ir.exact import MATRIX_KERNELS, Kernel
from ganglion.ir.html import table

from . import layout
from .arithmetic import is_integer_network
from .blocks import by_layer
from .keeper import Keeper
from .kernels import Loops, inner_loops
from .layer import Given
from .step import StepEngine

Engine = Literal["layer", "step"]
Progress = Callable[[int, int], None]

MAX_CLIPPED = 0.01  # share of input values outside the input's range beyond which they cannot be meant
PIECE = 1 << 20  # input values that are looked at together


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a simulation gave.

    logits      float64 (N, *shape of the model's output): potential * unit / T at the window's end
    counts      for every recorded population, its spike counts: uint8 or int16 (T, N, *shape)
    potentials  the readout's membrane potential at every step, if recorded: int32 (T, N, *shape)
    rates       for every population, spikes per neuron and time-step, averaged over all samples
    spikes_by_step      for every population, the number of spikes in all samples at each local step: int64 (T,)
    operations_by_step  for the input and every population, the synaptic operations that its spikes cause: int64 (T,).
                        One is a spike that arrives at one synapse; n spikes of a cluster count n times, an input code
                        once unless it is zero
    samples     N
    steps       T
    clipped     share of the input's values that lay outside its range
    """

    logits: Array
    counts: dict[str, Array] = field(default_factory=dict)
    potentials: dict[str, Array] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    spikes_by_step: dict[str, Array] = field(default_factory=dict)
    operations_by_step: dict[str, Array] = field(default_factory=dict)
    samples: int
    steps: int
    clipped: float

    @property
    def spikes(self) -> dict[str, int]:
        """For every population, the number of spikes in all samples."""
        return {name: int(by_step.sum()) for name, by_step in self.spikes_by_step.items()}

    @property
    def operations(self) -> dict[str, int]:
        """For the input and every population, the synaptic operations that its spikes cause in all samples."""
        return {name: int(by_step.sum()) for name, by_step in self.operations_by_step.items()}

    @property
    def spikes_per_sample(self) -> float:
        """Spikes of all populations together, per sample (a cluster sends one spike per member that fires)."""
        return sum(self.spikes.values()) / self.samples if self.samples else 0.0

    @property
    def operations_per_sample(self) -> float:
        """Synaptic operations of the input and all populations together, per sample."""
        return sum(self.operations.values()) / self.samples if self.samples else 0.0

    def __repr__(self) -> str:
        return (
            f"Run({self.samples} samples, {self.steps} steps, {self.spikes_per_sample:.1f} spikes per sample, "
            f"{len(self.counts)} populations recorded)"
        )

    def _repr_html_(self) -> str:
        each = max(self.samples, 1)
        rows = []
        for name, operations in self.operations.items():
            shape = dims(self.counts[name].shape[2:]) if name in self.counts else ""
            spikes = (f"{self.rates[name]:.4f}", f"{self.spikes[name] / each:,.1f}") if name in self.rates else ("", "")
            rows.append((name, shape, *spikes, f"{operations / each:,.1f}"))
        head = ("population", "recorded", "spikes / neuron / step", "spikes / sample", "synaptic operations / sample")
        return table(repr(self), head, rows, text=2)


def simulate(
    graph: Graph,
    x: Array,
    *,
    engine: Engine = "layer",
    record: Literal["all"] | Iterable[str] | None = None,
    lanes: int = 1,
    kernel: Kernel | None = None,
    loops: Loops | None = None,
    jobs: int | None = None,
    given: Mapping[str, Array] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Send the samples `x` (N, *shape), in the model's own real units, through the network.

    `engine="layer"` computes all T steps of a layer at once, in blocks of samples, so that memory does not grow with N
    (`x` may be memory-mapped); `"step"` is the definition, step by step through the pipeline, in `lanes` independent
    copies. A network before quantisation runs in float64 and takes its input unrounded; a quantised one runs in
    integers. `record` names the populations whose counts are kept ("all": every one, and the readout's potential).

    Of the layer engine: `kernel` ("int8", "float32", "float64") computes all matrix products, by default the fastest
    that is exact for each; `loops` ("numba", "numpy") runs the inner loops, by default numba's where it is installed;
    `jobs` threads share the work, by default one per core. None of them changes a bit of the result.

    `given` are counts (T, N, *shape) that populations send whatever arrives at them, so that the rest of the network
    can be looked at alone. If such a population is recorded, then what it would have sent itself; else its spikes are
    not counted.

    Raises `InputError` for a wrong shape, NaN, an unknown population, a kernel that cannot be exact, or when more than
    1 % of the values lie outside the input's range; fewer are clipped with a `GanglionWarning`.
    """
    if graph.stage < Stage.SCHEDULED:
        raise InputError(
            f"'{graph.name}' is at stage {graph.stage.name.lower()}; it has no time yet", hint="compile it"
        )
    if engine not in ("layer", "step"):
        raise InputError(f"unknown engine '{engine}'", hint="layer or step")
    if kernel not in (None, *MATRIX_KERNELS):
        raise InputError(f"unknown kernel '{kernel}'", hint=" or ".join(MATRIX_KERNELS))
    for name, value in (("lanes", lanes), ("jobs", 1 if jobs is None else jobs)):
        if value < 1:
            raise InputError(f"{value} {name}; at least one is needed")
    x = np.asarray(x)
    clipped = check_range(graph, x)
    integer = is_integer_network(graph)
    inner = inner_loops(loops)
    counting = inner if integer and engine == "layer" else inner_loops("numpy")
    asked = names_to_record(graph, record)
    keeper = Keeper(graph, len(x), asked, integer, counting)
    counts = checked_counts(graph, given or {}, len(x))
    if engine == "step":
        windows = Given(counts, asked)
        _by_step(graph, encode(graph, x), keeper, min(lanes, max(len(x), 1)), progress, windows)
    else:
        codes = encode(graph, x) if x.size <= PIECE else None

        def encoded(part: slice) -> Array:
            return encode(graph, x[part]) if codes is None else codes[part]

        windows = Given({n: _window(graph, n, c) for n, c in counts.items()}, asked)
        by_layer(graph, encoded, keeper, kernel, inner, jobs, progress, windows)
    return _finished(graph, keeper, clipped)


def check_range(graph: Graph, x: Array) -> float:
    """The share of values of `x` that will be clipped. Raises or warns as `simulate` says, before any work."""
    source = graph.input
    if not is_integer_network(graph) and not source.saturate:
        return 0.0
    each = max(1, PIECE // max(int(np.prod(x.shape[1:])), 1))
    clipped = sum(source.encode(x[i : i + each])[1] * len(x[i : i + each]) for i in range(0, max(len(x), 1), each))
    clipped /= max(len(x), 1)
    judge_clipped(source, clipped, x, "the range the network was compiled for", "compile with")
    return clipped


def judge_clipped(source: Input, clipped: float, x: Array, which: str, advice: str) -> None:
    """Raise `InputError` or warn where the share `clipped` of the values of `x` lies outside the range of `source`.

    `which` range that is, and what to do with --input-range, goes into the message.
    """
    if not clipped or source.saturate:
        return
    low, high = source.real_range
    message = f"{100 * clipped:.3g} % of the input's values lie outside [{low:.4g}, {high:.4g}], {which}"
    if clipped > MAX_CLIPPED:
        raise InputError(message, hint=f"{advice} --input-range {np.min(x):.4g} {np.max(x):.4g}")
    warnings.warn(message + "; they were clipped", GanglionWarning, stacklevel=4)


def encode(graph: Graph, x: Array) -> Array:
    """The input as the network takes it: codes int32, or float64 before quantisation.

    Before quantisation the input is not rounded, unless the model itself rounds it.
    """
    source = graph.input
    if not is_integer_network(graph) and not source.saturate:
        return source.real_codes(x)
    return source.encode(x)[0]


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


def checked_counts(graph: Graph, given: Mapping[str, Array], samples: int) -> dict[str, Array]:
    """`given`; raises `InputError` for what no population of the network could send."""
    known = {op.name for op in graph.populations}
    for name, counts in given.items():
        if name not in known:
            raise InputError(f"no population is called {name}", hint=f"the network has {', '.join(sorted(known))}")
        kind = graph.typeof(name)
        assert isinstance(kind, Spikes)
        if counts.shape != (graph.steps, samples, *kind.shape):
            raise InputError(
                f"the counts given for '{name}' have shape {counts.shape}; "
                f"it sends {(graph.steps, samples, *kind.shape)}"
            )
        if counts.size and (counts.min() < kind.low or counts.max() > kind.high):
            raise InputError(f"the counts given for '{name}' are not all within {kind.low}..{kind.high}")
    return dict(given)


def _window(graph: Graph, name: str, counts: Array) -> Array:
    """`counts` (T, N, *shape) as the layer engine keeps them."""
    return np.ascontiguousarray(layout.channels_last(np.moveaxis(counts, 0, 1), graph.typeof(name).shape))


def _finished(graph: Graph, keeper: Keeper, clipped: float) -> Run:
    readout = graph.readout
    populations = [op.name for op in graph.populations]
    return Run(
        logits=keeper.logits.reshape(keeper.samples, *(readout.shape or keeper.native)),
        counts={name: a for name, a in keeper.kept.items() if name != readout.name},
        potentials={name: a for name, a in keeper.kept.items() if name == readout.name},
        rates={name: keeper.rate(name) for name in populations},
        spikes_by_step={name: keeper.spikes(name) for name in populations},
        operations_by_step={name: keeper.operations(name) for name in keeper.totals},
        samples=keeper.samples,
        steps=graph.steps,
        clipped=clipped,
    )


def _by_step(graph: Graph, codes: Array, keeper: Keeper, lanes: int, progress: Progress | None, given: Given) -> None:
    each = -(-len(codes) // lanes)  # samples per lane; the last lanes may run on a repeated sample
    if not each:
        return
    padded = codes[np.minimum(np.arange(lanes * each), len(codes) - 1)].reshape(lanes, each, *codes.shape[1:])

    def put(name: str, sample: int, t: int, value: Array) -> None:
        if name in given.counts and name not in given.asked:
            return
        whole = np.broadcast_to(value, (lanes, *value.shape[1:]))
        for lane in range(lanes):
            keeper.put(name, t, lane * each + sample, whole[lane : lane + 1])

    def instead(name: str, sample: int, t: int) -> Array | None:
        if name not in given.counts:
            return None
        return np.asarray(given.counts[name][t][np.minimum(np.arange(lanes) * each + sample, len(codes) - 1)])

    StepEngine(graph).run(padded, put, progress, instead)
