"""The proof that a membrane potential fits its width: interval analysis over the steps of a window.

Every input of a membrane lies between its lowest and highest spike count, independently of all others.
For one step the bounds are then tight; for a window they are sound. All arrays hold one value per channel.
"""

from __future__ import annotations

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
    projections = [(p, graph.typeof(p.inputs[0])) for p in (graph[name] for name in op.inputs)]
    step = bias_bounds(op.bias, channels)
    for projection, source in projections:
        assert isinstance(projection, Projection)
        assert isinstance(source, Spikes)
        below, above = current_bounds(projection, source)
        step = step[0] + below, step[1] + above
    low, high = window_bounds(step, reset_tables(graph, op), graph.steps)
    return int(low.min()), int(high.max())


def reset_tables(graph: Graph, op: Membrane) -> tuple[Array, Array] | None:
    """Thresholds and inhibition of the cluster that `op` is, or is a member of; None where nothing resets."""
    if isinstance(op, GroupNeuron):
        return op.thresholds, op.inhibition
    if isinstance(op, IntegrateFire):
        inhibition = graph[op.inhibited_by]
        assert isinstance(inhibition, LateralInhibition)
        members = [m for m in map(graph.__getitem__, inhibition.inputs) if isinstance(m, IntegrateFire)]
        return np.stack([m.threshold for m in members]), inhibition.weights
    return None


def bias_bounds(bias: Array | None, channels: int) -> Interval:
    """Bounds of what the bias adds in one step."""
    if bias is None:
        return np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    rows = by_channel(bias, channels).astype(np.int64)
    return rows.min(axis=1), rows.max(axis=1)


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


def window_bounds(step: Interval, tables: tuple[Array, Array] | None, steps: int) -> Interval:
    """Bounds of the potential over `steps` time-steps, each of which adds a value within `step`."""
    low = high = lowest = highest = np.zeros_like(step[0])
    for _ in range(steps):
        low, high = low + step[0], high + step[1]
        lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
        if tables is not None:
            low, high = after_reset(low, high, *tables)
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
