"""One population through a window, in float64: values are (steps, places, C), all samples' places in one row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ganglion.ir import Array, GroupNeuron, Neuron, PhaseNeuron, Shape
from ganglion.simulator import arithmetic


def rows_of(values: Array) -> Array:
    """(T, N, C, ...) as (T, N * ..., C)."""
    moved = np.moveaxis(values, 2, -1)
    return np.ascontiguousarray(moved).reshape(len(values), -1, moved.shape[-1])


def from_rows(rows: Array, samples: int, shape: Shape) -> Array:
    """(T, P, C) as (T, N, *shape), N = `samples`."""
    moved = rows.reshape(len(rows), samples, *shape[1:], shape[0])
    return np.ascontiguousarray(np.moveaxis(moved, -1, 2))


class Membranes:
    """The membranes of `op` at the places of a window.

    `step(drive)` adds what arrives, (P, C), and gives the counts that are sent, (P, C). With `keep` = False it only
    tells what would be sent. The bias of `op` is not added: `drive` holds it.
    """

    def __init__(self, op: GroupNeuron) -> None:
        self.op, self.V, self.sent = op, np.zeros(()), np.zeros((), np.int32)
        self.taken = _total(op.inhibition)
        self.given = _total(op.excitation) if op.excitation is not None else self.taken

    def step(self, drive: Array, keep: bool = True) -> Array:
        op, V = self.op, self.V + drive
        n = arithmetic.fire(V, list(op.thresholds))
        V = V - self.taken(n)
        net: Array = n.astype(np.int32)
        if op.taking is not None:
            m = np.minimum(arithmetic.below(V, n, list(op.taking[0])), self.sent)
            V = V + self.given(m)
            net = net - m
        if keep:
            self.V, self.sent = V, self.sent + net
        return net


def _total(amounts: Array) -> Callable[[Array], Array]:
    """The function from counts to the sum of so many first rows of `amounts`, (K,) or (K, C)."""
    if (amounts == amounts[0]).all():
        return lambda counts: np.asarray(counts * amounts[0])
    return lambda counts: -arithmetic.reset(np.zeros(counts.shape), counts, list(amounts))


def counts_by_step(op: Neuron, drive: Array, steps: int) -> Iterator[Array]:
    """The counts (P, C) of each of T = `steps` steps, for what arrives: `drive` (T, P, C), or (1, P, C) where it stays
    the same; without the bias of each step, which is added here.
    """
    if isinstance(op, PhaseNeuron):
        total = drive.sum(axis=0) * (steps if len(drive) == 1 else 1)
        yield from arithmetic.phases(total, list(op.thresholds), op.payloads)
        return
    membranes = Membranes(op)
    for t in range(steps):
        more = 0 if op.bias_by_step is None else op.bias_by_step[t]
        yield membranes.step(drive[min(t, len(drive) - 1)] + more)


def mean_value(op: Neuron, drive: Array, steps: int) -> Array:
    """What the spikes of a window stand for, its mean over the steps: (P, C)."""
    total = sum(counts_by_step(op, drive, steps), np.zeros((), np.int32))
    return np.asarray(total * (op.scale / steps))
