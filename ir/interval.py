"""The proof that a membrane potential fits its width: interval analysis over the steps of a window.

Every input of a membrane lies between its lowest and highest spike count, independently of all others.
For one step the bounds are then tight; for a window they are sound. All arrays hold one value per channel.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ganglion.errors import InternalError

from .graph import Graph
from .ops import Array, GroupNeuron, IntegrateFire, LateralInhibition, Membrane, Projection, is_integer
from .types import Spikes

Interval = tuple[Array, Array]  # lowest and highest value per channel, int64 (C,)

HUGE = np.iinfo(np.int64).max // 4


def potential_bounds(graph: Graph, op: Membrane) -> tuple[int, int]:
    """The lowest and highest potential that any neuron of `op` can have within a window, before or after the reset."""
    channels = graph.typeof(op.inputs[0]).shape[0]
    arriving = []
    for projection in (graph[name] for name in op.inputs):
        source = graph.typeof(projection.inputs[0])
        assert isinstance(projection, Projection)
        assert isinstance(source, Spikes)
        arriving.append((projection, source))
    step = bias_bounds(op.bias, channels)
    if isinstance(op, (GroupNeuron, IntegrateFire)) and op.bias_by_step is not None:
        step = added(step, bias_bounds_by_step(op.bias_by_step, channels))
    often, once = arriving_bounds(arriving, channels)
    low, high = window_bounds(added(step, often), once, *tables_of(graph, op), graph.steps)
    return int(low.min()), int(high.max())


Tables = tuple[Array, Array]  # thresholds, and what each member that fires takes from the membrane, or gives it


def tables_of(graph: Graph, op: Membrane) -> tuple[Tables | None, Tables | None]:
    """Of the cluster that `op` is, or is a member of: those of the members that send, and of those that take back."""
    if isinstance(op, GroupNeuron):
        return (op.thresholds, op.inhibition), op.taking
    if not isinstance(op, IntegrateFire):
        return None, None
    lateral = graph[op.inhibited_by]
    assert isinstance(lateral, LateralInhibition)
    members = [m for m in map(graph.__getitem__, lateral.inputs) if isinstance(m, IntegrateFire)]
    senders = [m.threshold for m in members if not m.takes]
    takers = [m.threshold for m in members if m.takes]  # one for all channels, or one for each, unlike the others maybe
    taking = (np.stack(takers), -lateral.weights[len(senders) :]) if takers else None
    return (np.stack(senders), lateral.weights[: len(senders)]), taking


def bias_bounds(bias: Array | None, channels: int) -> Interval:
    """Bounds of what the bias adds in one step."""
    if bias is None:
        return np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    rows = by_channel(bias, channels).astype(np.int64)
    return rows.min(axis=1), rows.max(axis=1)


def bias_bounds_by_step(bias: Array, channels: int) -> Interval:
    """Bounds of what a bias (T,) or (T, C) adds in any step."""
    rows = np.broadcast_to(bias.reshape(len(bias), -1), (len(bias), channels)).astype(np.int64)
    return rows.min(axis=0), rows.max(axis=0)


def added(a: Interval, b: Interval) -> Interval:
    return a[0] + b[0], a[1] + b[1]


def arriving_bounds(arriving: Iterable[tuple[Projection, Spikes]], channels: int) -> tuple[Interval, Interval]:
    """Bounds of what arrives at each step; and of what arrives in a whole window, and in any part of it, from those who
    send at most once in it.
    """
    often = once = (np.zeros(channels, np.int64), np.zeros(channels, np.int64))
    for projection, source in arriving:
        bounds = current_bounds(projection, source)
        often, once = (often, added(once, bounds)) if source.once else (added(often, bounds), once)
    return often, once


def current_bounds(op: Projection, source: Spikes) -> Interval:
    """Bounds of what the projection `op` adds in one step. Padding counts as silence."""
    if not is_integer(op.weight):
        raise InternalError(f"interval analysis of '{op.name}' needs integer weights")
    low, high = min(source.low, 0), max(source.high, 0)
    above, below = op.sums(source.shape)
    above, below = above << op.exponent, -((-below) << op.exponent)
    return above * low + below * high, above * high + below * low


def by_channel(array: Array, channels: int) -> Array:
    """An array of weights or biases as rows by receiving channel: (C, anything)."""
    return np.broadcast_to(array, (channels,))[:, None] if array.ndim == 0 else array.reshape(channels, -1)


def window_bounds(
    step: Interval, once: Interval, sending: Tables | None, taking: Tables | None, steps: int
) -> Interval:
    """Bounds of the potential over `steps` time-steps, each of which adds a value within `step`; all of them together
    add one more within `once`, which holds 0.

    `sending` and `taking` are as `tables_of` gives them. Where there is a reset, what comes once is taken as if it
    could come at every step.
    """
    low = high = lowest = highest = np.zeros_like(step[0])
    if sending is None:
        low, high = once
    else:
        step = added(step, once)
    for _ in range(steps):
        low, high = low + step[0], high + step[1]
        lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
        if sending is not None:
            low, high = after_reset(low, high, *sending)
            if taking is not None:
                high = np.maximum(high, most_after_taking_back(low, high, *taking))
            lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
    return lowest, highest


def after_reset(low: Array, high: Array, thresholds: Array, inhibition: Array) -> Interval:
    """Bounds of the potential after the soft reset, from bounds before it.

    Between two thresholds the reset subtracts a constant, so the extremes lie at the ends of the pieces.
    """
    reset = np.cumsum(inhibition, axis=0)
    bottoms = [np.int64(-HUGE), *thresholds]
    tops = [*(t - 1 for t in thresholds), np.int64(HUGE)]
    pieces = [np.int64(0), *reset]
    new_low, new_high = np.full_like(low, HUGE), np.full_like(high, -HUGE)
    for bottom, top, subtracted in zip(bottoms, tops, pieces, strict=True):
        first, last = np.maximum(low, bottom), np.minimum(high, top)
        reached = first <= last
        new_low = np.where(reached, np.minimum(new_low, first - subtracted), new_low)
        new_high = np.where(reached, np.maximum(new_high, last - subtracted), new_high)
    return new_low, new_high


def most_after_taking_back(low: Array, high: Array, negative: Array, excitation: Array) -> Array:
    """The highest potential after members have taken spikes back; they may also be kept from it, so `low` stays."""
    most = np.full_like(high, -HUGE)
    given = np.cumsum(excitation, axis=0, dtype=np.int64)
    for threshold, amount in zip(negative, given, strict=True):
        highest = np.minimum(high, threshold - 1)
        most = np.where(low <= highest, np.maximum(most, highest + amount), most)
    return most
