"""The samples in blocks, and what is measured on one: integers, whose sums know no order."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Graph, Input, Spikes, size
from ganglion.pipeline import simulate
from ganglion.simulator.run import judge_clipped

SPIKE_COUNTS = 1 << 26  # of a block at one step: seconds of work on one core
INPUT_BYTES = 8 << 20  # of a block: what is sent to a worker
SAMPLES = 1024


@dataclass(frozen=True)
class Block:
    """The samples `first` to `stop` - 1; `digest` is the SHA-256 of their values, type and shape."""

    first: int
    stop: int
    digest: str

    def __len__(self) -> int:
        return self.stop - self.first


@dataclass(frozen=True, eq=False)
class Result:
    """What a network did with the n samples of a block in its T steps.

    classes     int32 (T, n): the largest logit, were the window to end with this step
    spikes      int64 (T,): of all populations and samples
    operations  int64 (T,): synaptic operations, those of the input's spikes too
    seconds     what it took
    """

    classes: Array
    spikes: Array
    operations: Array
    seconds: float


def block_size(graph: Graph, x: Array) -> int:
    """Samples in a block, by the model's neurons and the samples' size alone: a sweep begun again cuts the same."""
    neurons = sum(size(graph.typeof(op.name).shape) for op in graph.ops if isinstance(graph.typeof(op.name), Spikes))
    return max(1, min(SPIKE_COUNTS // neurons, INPUT_BYTES // max(x[:1].nbytes, 1), SAMPLES))


def digest_of(x: Array) -> str:
    """SHA-256, in hexadecimal, of the values, type and shape of `x`."""
    form = f"{x.dtype.str} {x.shape}\n".encode()
    return hashlib.sha256(form + x.tobytes()).hexdigest()


def cut(source: Input, x: Array, samples: int) -> Iterator[Block]:
    """`x` in blocks of so many samples, each seen whole once.

    At the end the same is said of values outside the range of `source` as `simulate` says: `InputError` or a
    `GanglionWarning`.
    """
    outside = 0.0
    for first in range(0, len(x), samples):
        part = np.ascontiguousarray(x[first : first + samples])
        outside += source.encode(part)[1] * len(part)
        yield Block(first, first + len(part), digest_of(part))
    judge_clipped(source, outside / len(x), x, "the input's range", "give another:")


def _total(by_population: Mapping[str, Array], steps: int) -> Array:
    return sum(by_population.values(), np.zeros(steps, np.int64))


def measure(net: Graph, x: Array, jobs: int | None) -> Result:
    """Run the samples `x` (n, *shape) of a block through `net`."""
    start = time.perf_counter()
    if not net.input.saturate:
        x = np.clip(x, *net.input.real_range)  # what that changes, `cut` has told
    name = net.readout.name
    run = simulate(net, x, record=[name], jobs=jobs)
    windows = np.arange(1, net.steps + 1).reshape(-1, *(1,) * (run.potentials[name].ndim - 1))
    logits = run.potentials[name] * net.readout.unit / windows  # as `simulate` gives them, at the end of every window
    return Result(
        classes=logits.reshape(net.steps, len(x), -1).argmax(axis=2).astype(np.int32),
        spikes=_total(run.spikes_by_step, net.steps),
        operations=_total(run.operations_by_step, net.steps),
        seconds=time.perf_counter() - start,
    )
