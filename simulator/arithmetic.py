"""The arithmetic of every engine, in one place.

Integers are added, compared and subtracted; nothing is rounded. Products are computed by floating-point
BLAS, in a type in which no intermediate sum can leave the exact integers: float32 below 2^24, float64
below 2^53. A network that is not quantised yet runs through the same functions in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ganglion.errors import InternalError
from ganglion.ir import Array, Graph, MaxPool, Projection, Shape, Spikes, Type, is_integer, linear, per_channel
from ganglion.ir.exact import prove

FEW = 16  # members up to which one comparison each is faster than a search


def deliver(op: Projection, source: Type) -> Callable[[Array], Array]:
    """The function from spike counts (B, *shape) of `source` to what arrives through `op`.

    int32 (B, *out) in membrane units, or float64 where `op` has real weights.
    """
    if not is_integer(op.weight):
        return lambda counts: linear.apply(op, counts.astype(np.float64), op.weight)
    dtype = exact_type(op, source)
    weight = op.weight.astype(dtype)
    return lambda counts: linear.apply(op, counts.astype(dtype), weight).astype(np.int32) << op.exponent


def exact_type(op: Projection, source: Type) -> np.dtype[Any]:
    """The float type in which the product of `op` is exact (`ganglion.ir.exact`)."""
    assert isinstance(source, Spikes)
    proof = prove(op, source)
    for name in ("float32", "float64"):
        if not proof.problem(name):
            return np.dtype(name)
    raise InternalError(f"the products of '{op.name}' may reach {proof.bound}: no float type is exact")


def is_integer_network(graph: Graph) -> bool:
    """Whether the network is quantised (a cluster form can be either)."""
    integer: bool = graph.derived("integer", lambda: all(is_integer(op.weight) for op in graph.of(Projection)))
    return integer


def rows(table: Array, shape: Shape) -> list[Array]:
    """The rows of a threshold or inhibition table (tau,) or (tau, C), each ready to broadcast over `shape`."""
    return [per_channel(np.asarray(row), shape) for row in table]


def count_type(most: int) -> np.dtype[Any]:
    """The smallest type of spike counts that holds `most`."""
    return np.dtype(np.uint8 if most < 1 << 8 else np.int16 if most < 1 << 15 else np.int32)


def count(spikes: Sequence[Array], takers: int) -> Array:
    """What a cluster sends: the number of members that fire, of which the last `takers` take spikes back."""
    if not takers:
        return np.asarray(np.sum(spikes, axis=0, dtype=count_type(len(spikes))))
    senders, back = spikes[:-takers], spikes[-takers:]
    return np.asarray(np.sum(senders, axis=0, dtype=np.int32) - np.sum(back, axis=0, dtype=np.int32))


def fire(potential: Array, thresholds: Sequence[Array]) -> Array:
    """The number of members whose threshold the potential (B, *shape) has reached: >=, not >."""
    counts = np.zeros(potential.shape, count_type(len(thresholds)))
    if len(thresholds) <= FEW:
        for threshold in thresholds:
            counts += potential >= threshold
        return counts
    for part, table in _by_channel(potential, thresholds):  # thresholds never fall from member to member
        counts[part] = np.searchsorted(table, potential[part], side="right")
    return counts


def phases(potential: Array, thresholds: Sequence[Array], payloads: Array) -> Iterator[Array]:
    """What phase neurons send at each step, uint8: the payload of the first step whose threshold is reached."""
    before = np.zeros(potential.shape, np.bool_)
    for threshold, payload in zip(thresholds, payloads, strict=True):
        reached = potential >= threshold
        yield (reached & ~before).view(np.uint8) * np.uint8(payload)
        before = reached


def below(potential: Array, counts: Array, thresholds: Sequence[Array]) -> Array:
    """The number of members that would take spikes back, int32: V < threshold; none where `counts` members fired."""
    found = np.zeros(potential.shape, np.int32)
    for threshold in thresholds:
        found += potential < threshold
    return np.where(counts > 0, 0, found)


def reset(potential: Array, counts: Array, inhibition: Sequence[Array]) -> Array:
    """The potential after the lateral inhibition sent by the lowest `counts` members: soft reset."""
    if len(inhibition) <= FEW:
        for k, amount in enumerate(inhibition):
            potential = potential - (counts > k) * amount
        return potential
    after = np.empty_like(potential)
    for part, table in _by_channel(potential, inhibition):
        total = np.concatenate([np.zeros(1, table.dtype), np.cumsum(table, dtype=table.dtype)])
        after[part] = potential[part] - total[counts[part]]
    return after


def _by_channel(potential: Array, table: Sequence[Array]) -> Iterator[tuple[Any, Array]]:
    """(which part of the potential, its column of the table): one for all channels, or one for each."""
    columns = np.stack([np.ravel(row) for row in table], axis=1)  # (1 or C, tau)
    for c, column in enumerate(columns):
        yield ((slice(None), c) if len(columns) > 1 else ...), column


def window_maximum(op: MaxPool, potential: Array) -> Array:
    """The largest potential (B, C, H, W), or (B, C, H), in every window of `op`: (B, C, H', W')."""
    potential = potential.reshape((*potential.shape, 1)[:4])
    lowest = np.iinfo(potential.dtype).min if is_integer(potential) else -np.inf
    windows = linear.windows(linear.pad(potential, op.pads, lowest), op.kernel, op.strides, op.dilations)
    return np.asarray(windows.max(axis=(4, 5)))


def spike_type(kind: Spikes, potential: Array) -> np.dtype[Any]:
    """The type in which counts of `kind` are sent, where they come from `potential`: real ones stay real."""
    return sent_type(kind) if is_integer(potential) else potential.dtype


def sent_type(kind: Spikes) -> np.dtype[Any]:
    """The type in which whole counts of `kind` are sent."""
    return count_type(kind.high) if kind.low >= 0 and kind.high < 1 << 15 else np.dtype(np.int32)
