# until merge: `ganglion.simulate` gives all this itself; delete this file and import it from ganglion.pipeline
"""Operations and spikes by step, from recorded counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.ir import Array, Graph, Projection, linear
from ganglion.pipeline import simulate as run_simulator


@dataclass(frozen=True)
class Measured:
    potentials: dict[str, Array]
    spikes_by_step: dict[str, Array]
    operations_by_step: dict[str, Array]


def simulate(net: Graph, x: Any, *, record: Iterable[str], jobs: int | None = None) -> Measured:
    source = net.input
    run = run_simulator(net, x, record=[source.name, *(op.name for op in net.populations), *record])
    sent = {name: np.asarray(counts) for name, counts in run.counts.items()}
    spikes = {op.name: sent[op.name].sum(axis=tuple(range(1, sent[op.name].ndim))) for op in net.populations}
    sent[source.name] = sent[source.name] != 0
    operations = {name: np.zeros(net.steps, np.int64) for name in sent}
    for op in net.of(Projection):
        counts, name = sent[op.inputs[0]], op.inputs[0]
        flat = counts.reshape(-1, *counts.shape[2:]).astype(np.float64)
        arrived = linear.apply(op, flat, np.ones(op.weight.shape))
        operations[name] += np.rint(arrived.reshape(net.steps, -1).sum(axis=1)).astype(np.int64)
    return Measured(run.potentials, {n: s.astype(np.int64) for n, s in spikes.items()}, operations)
