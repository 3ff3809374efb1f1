"""Which cores send to which: one route for every pair of cores that a projection connects, and what goes over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Sparse

from .layers import Layer, Link
from .reach import pairs, uses
from .tiles import Tiling, outer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Routes:
    """The routes of one projection, as arrays (R,).

    sources, targets  tiles of the population that sends and of the one that receives
    neurons           neurons of the sending tile with a synapse in the receiving one
    messages          messages per time-step, the mean over what was measured; as if every neuron sent one where nothing
                      was
    """

    sources: Array
    targets: Array
    neurons: Array
    messages: Array


def routes_of(link: Link, source: Layer, target: Layer, cuts: Mapping[str, Tiling], rate: Array | None) -> Routes:
    """The routes of `link`; `rate` (C, H, W) is how many messages every neuron of the source sends per time-step."""
    if rate is None:
        rate = np.full(source.shape, float(source.members))
    if isinstance(link.projection, Sparse):
        return _sparse_routes(link.projection, cuts[source.name], cuts[target.name], rate)
    one, two = cuts[source.name], cuts[target.name]
    c, h, w = (_axis_routes(link, target, axis, one, two) for axis in (0, 1, 2))
    messages = np.einsum("ac,chw->ahw", c.places, rate)
    messages = np.einsum("bh,ahw->abw", h.places, messages)
    messages = np.einsum("dw,abw->abd", w.places, messages)
    neurons = outer(*(axis.places.sum(1, dtype=np.int64) for axis in (c, h, w)))
    every = np.ix_(c.kind, h.kind, w.kind)

    def tile(tiling: Tiling, c: Array, h: Array, w: Array) -> Array:
        _, rows, columns = tiling.counts
        return np.asarray((c[:, None, None] * rows + h[:, None]) * columns + w).ravel()

    return Routes(
        sources=tile(one, c.senders, h.senders, w.senders),
        targets=tile(two, c.receivers, h.receivers, w.receivers),
        neurons=neurons[every].ravel(),
        messages=messages[every].ravel(),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AxisRoutes:
    """The pairs of tiles that a projection connects along one axis, (pairs,) each.

    kind    which row of `places` is the pair's
    places  (kinds, places) the places of the source that the sender has and the receiver reaches: 1, else 0. There are
            few kinds: the tiles of a layer that is no depthwise one reach the same channels
    """

    senders: Array
    receivers: Array
    kind: Array
    places: Array


def _axis_routes(link: Link, target: Layer, axis: int, one: Tiling, two: Tiling) -> AxisRoutes:
    reached = uses(link.projection, link.shape, axis, *target.behind(axis, *two.edges(axis))) > 0
    patterns, pattern = np.unique(reached, axis=0, return_inverse=True)
    first, _ = one.edges(axis)
    number, sender = np.nonzero(np.logical_or.reduceat(patterns, first, axis=1))  # pairs of pattern and sender
    begin = np.searchsorted(number, np.arange(len(patterns)))
    count = np.bincount(number, minlength=len(patterns))[pattern.ravel()]  # senders of every receiver
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    kind = np.repeat(begin[pattern.ravel()], count) + within
    tile = np.arange(reached.shape[1]) // one.extents[axis]
    places = patterns[number] & (tile == sender[:, None])
    return AxisRoutes(
        senders=sender[kind],
        receivers=np.repeat(np.arange(len(reached)), count),
        kind=kind,
        places=places.astype(np.float64),
    )


def _sparse_routes(projection: Sparse, one: Tiling, two: Tiling, rate: Array) -> Routes:
    receiver, neuron, _ = pairs(projection, two.tile_of().ravel())
    sender = one.tile_of().ravel()[neuron]
    key, inverse, count = np.unique(sender * two.tiles + receiver, return_inverse=True, return_counts=True)
    messages = np.bincount(inverse.ravel(), weights=rate.ravel()[neuron], minlength=len(key))
    return Routes(sources=key // two.tiles, targets=key % two.tiles, neurons=count, messages=messages)
