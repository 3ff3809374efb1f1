"""optimise: through the network, population by population, each with the inputs that the spiking network gives it.

Three networks are walked through side by side: the source (the composed network in float64), the spiking one as the
method makes it, and the spiking one as it is corrected so far. So what earlier layers still do wrong is seen, and made
up for, by later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, MaxPool, Readout, Staircase, size
from ganglion.methods import METHODS, Method
from ganglion.methods.ftbc import TemporalBias
from ganglion.simulator import arithmetic
from ganglion.simulator.run import judge_clipped
from ganglion.simulator.values import arriving, as_in_model, read_last_by, sent_by_input

from .record import Correction, Tuning
from .search import CANDIDATES, SCALES, Case, search, spread
from .temporal import temporal
from .window import counts_by_step, from_rows, rows_of

SAMPLES = 128  # at most so many are used, evenly spread over those that are given
WALK_BYTES = 1 << 30  # of the values of a layer; where more would be needed, fewer samples are used
AT_ONCE = 12  # arrays of a layer's size that there are at a time, at every step

Progress = Callable[[int, int], None]
RELAY = METHODS["gn"]()


def checked_samples(x: Array, calibration: Array | None = None) -> Array:
    """`x`; `InputError` for what cannot be samples, before any work. Samples of a calibration have the same shape."""
    hint = "give samples (N, ...), as the model takes them"
    if not np.issubdtype(x.dtype, np.number) and x.dtype != np.bool_:
        raise InputError(f"the samples to optimise on hold {x.dtype}, not real numbers", hint=hint)
    if x.ndim < 2 or not x.size:
        raise InputError(f"there are no samples to optimise on: the array has shape {x.shape}", hint=hint)
    if calibration is not None and calibration.shape[1:] != x.shape[1:]:
        shapes = f"{x.shape}, those of the calibration {calibration.shape}"
        raise InputError(f"the samples to optimise on have shape {shapes}", hint=hint)
    if not np.isfinite(x).all():
        raise InputError("the samples to optimise on hold NaN or infinity", hint="leave such samples out")
    return x


def optimise(
    graph: Graph, samples: Array, *, members: int, method: Method, steps: int, progress: Progress | None = None
) -> Graph:
    """The COMPOSED `graph` with a record (`Graph.tuning`) of what corrects its populations, for T = `steps`, tau =
    `members` and `method`, found on `samples` (N, *shape), and a note on what that does.

    For FTBC: a bias for each step. For any other method theta, V(0) and bias, by `CANDIDATES` candidates for every
    population, and the mean error of the logits as a bias of the readout; if that alone brings the logits closer to the
    source's, then only that. Relay populations stay as they are. At most `SAMPLES` samples are
    used. `progress(done, all)` counts populations. Nothing is random.

    Raises `InputError` for samples of a wrong shape, or outside of the input's range.
    """
    x = samples[_chosen(graph, len(samples), steps)]
    judge_clipped(graph.input, graph.input.encode(x)[1], x, "the range the network is compiled for", "compile with")
    walk = Walk(graph, x, members, method, steps)
    stops = [op for op in graph.ops if isinstance(op, (Staircase, MaxPool, Readout))]
    for done, op in enumerate(stops):
        if progress:
            progress(done, len(stops))
        walk.visit(op)
    if progress:
        progress(len(stops), len(stops))
    last = walk.corrections[graph.readout.name]
    if not isinstance(method, TemporalBias) and walk.readout_alone.after <= last.after:
        last = walk.readout_alone
        walk.corrections = {
            name: replace(Correction(), before=c.before, after=c.before) for name, c in walk.corrections.items()
        }
        walk.corrections[graph.readout.name] = last
    tuning = Tuning(samples=len(x), corrections=walk.corrections)
    note = (
        f"optimised for T = {steps} on {len(x)} samples: the relative error of their logits is "
        f"{100 * last.after:.3g} %, without it {100 * last.before:.3g} %"
    )
    return replace(graph, tuning=tuning.to_text(), notes=(*graph.notes, note))


@dataclass
class Values:
    """What the sources, and the spiking networks, send: by population (T or 1, N, *shape), in real units."""

    of: dict[str, Array] = field(default_factory=dict)

    def arriving(self, graph: Graph, op: Staircase | MaxPool | Readout) -> Array:
        """What arrives at `op` at each step, (T or 1, N, *shape), its bias included."""
        sources = {graph[p].inputs[0] for p in op.inputs}
        steps = max(len(self.of[name]) for name in sources)
        flat = {name: self._flat(name, steps) for name in sources}
        total = arriving(graph, op, flat)
        return total.reshape(steps, -1, *total.shape[1:])

    def _flat(self, name: str, steps: int) -> Array:
        value = self.of[name]
        value = np.broadcast_to(value, (steps, *value.shape[1:]))
        return value.reshape(-1, *value.shape[2:])


class Walk:
    """The three networks, as far as they have been visited; `corrections` so far, in the order of the network."""

    def __init__(self, graph: Graph, x: Array, members: int, method: Method, steps: int) -> None:
        self.graph, self.members, self.method, self.steps = graph, members, method, steps
        entry = {graph.input.name: sent_by_input(graph, x)[None]}
        self.source, self.plain, self.corrected = Values(dict(entry)), Values(dict(entry)), Values(dict(entry))
        self.corrections: dict[str, Correction] = {}
        self.readout_alone = Correction()  # of the readout, if nothing else is corrected
        self.read_last = read_last_by(graph)
        # where the model's own weights are integers, another theta would make real numbers of them
        integers = any(getattr(op, "grid", None) is not None for op in graph.ops)
        self.scales = () if integers else SCALES

    def visit(self, op: Staircase | MaxPool | Readout) -> None:
        """One population further, or the readout."""
        if isinstance(op, Staircase):
            self._staircase(op)
        elif isinstance(op, MaxPool):
            for values in (self.source, self.plain, self.corrected):
                values.of[op.name] = self._pooled(op, values.arriving(self.graph, op))
        else:
            self._readout(op)
        for name in self.read_last[op.name]:
            for values in (self.source, self.plain, self.corrected):
                values.of.pop(name, None)

    def _staircase(self, op: Staircase) -> None:
        shape = self.graph.typeof(op.name).shape
        (arrived,) = self.source.arriving(self.graph, op)
        wanted = as_in_model(op, arrived, shape)
        bare = replace(op, bias=None)
        drives = [rows_of(values.arriving(self.graph, bare)) for values in (self.plain, self.corrected)]
        relay = op.members > 0
        plain, here = (
            Case(
                op=op,
                tau=op.members or self.members or op.levels,
                method=RELAY if relay else self.method,
                steps=self.steps,
                drive=drive,
                wanted=rows_of(wanted[None])[0],
                places=np.arange(drive.shape[1]),
            )
            for drive in drives
        )
        found = Correction()
        if not relay and isinstance(self.method, TemporalBias):
            found = temporal(here, self.method.iterations, self.method.momentum)
        elif not relay:
            found = search(here, self.scales)
        self.source.of[op.name] = wanted[None]
        self.plain.of[op.name] = self._sent(plain, Correction(), shape)
        self.corrected.of[op.name] = self._sent(here, found, shape)
        if not relay:
            self.corrections[op.name] = self._measured(found, op.name)

    def _sent(self, case: Case, by: Correction, shape: tuple[int, ...]) -> Array:
        made = case.neuron(by)
        counts = np.stack(list(counts_by_step(made, case.arriving(made), self.steps)))
        return from_rows(counts * made.scale, case.drive.shape[1] // max(size(shape[1:]), 1), shape)

    def _measured(self, found: Correction, name: str) -> Correction:
        wanted = self.source.of[name].mean(axis=0)
        before, after = (_relative(values.of[name].mean(axis=0), wanted) for values in (self.plain, self.corrected))
        return replace(found, before=before, after=after)

    def _pooled(self, op: MaxPool, arrived: Array) -> Array:
        """The growth at each step of the largest sum in every window."""
        sums = np.cumsum(arrived, axis=0)
        peaks = np.stack([arithmetic.window_maximum(op, v) for v in sums])
        grown = np.diff(peaks, axis=0, prepend=0)
        return grown.reshape(*arrived.shape[:2], *self.graph.typeof(op.name).shape)

    def _readout(self, op: Readout) -> None:
        wanted, plain, corrected = (
            values.arriving(self.graph, op).mean(axis=0) for values in (self.source, self.plain, self.corrected)
        )
        before = _relative(plain, wanted)

        def measured(logits: Array) -> Correction:
            bias = np.zeros(())
            if not isinstance(self.method, TemporalBias):
                error = wanted - logits
                bias = np.moveaxis(error, 1, -1).reshape(-1, error.shape[1]).mean(axis=0)
                logits = logits + bias.reshape(-1, *(1,) * (error.ndim - 2))
            return Correction(bias=bias, before=before, after=_relative(logits, wanted))

        self.readout_alone = measured(plain)
        self.corrections[op.name] = measured(corrected)


def _chosen(graph: Graph, n: int, steps: int) -> Array:
    """Which of `n` samples are used, in order."""
    widest = max(size(graph.typeof(op.name).shape) for op in graph.ops)
    most = max(1, min(SAMPLES, WALK_BYTES // (8 * AT_ONCE * steps * widest)))
    return spread(n, most)


def _relative(v: Array, wanted: Array) -> float:
    """The root of the mean squared error by that of the mean square; 1 for any error where there is nothing."""
    error, square = float(np.sum((v - wanted) ** 2)), float(np.sum(wanted**2))
    return float(np.sqrt(error / square)) if square else float(error > 0)


__all__ = ["CANDIDATES", "SAMPLES", "checked_samples", "optimise"]
