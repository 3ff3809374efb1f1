"""Which cores send to which: one route for every pair of cores that a projection connects, and what goes over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Sparse

from .layers import Layer, Link
from .reach import pairs, uses
from .tiles import Tiling


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
    by_axis = [_axis_routes(link, target, axis, one, two) for axis in (0, 1, 2)]
    (c1, c2, mc), (h1, h2, mh), (w1, w2, mw) = by_axis
    neurons = mc.sum(1)[:, None, None] * mh.sum(1)[:, None] * mw.sum(1)
    messages = np.einsum("ac,chw->ahw", mc, rate)
    messages = np.einsum("bh,ahw->abw", mh, messages)
    messages = np.einsum("dw,abw->abd", mw, messages)

    def tile(tiling: Tiling, c: Array, h: Array, w: Array) -> Array:
        _, rows, columns = tiling.counts
        return np.asarray((c[:, None, None] * rows + h[:, None]) * columns + w).ravel()

    return Routes(
        sources=tile(one, c1, h1, w1),
        targets=tile(two, c2, h2, w2),
        neurons=neurons.ravel().astype(np.int64),
        messages=messages.ravel(),
    )


def _axis_routes(link: Link, target: Layer, axis: int, one: Tiling, two: Tiling) -> tuple[Array, Array, Array]:
    """Along one axis: (sending tile, receiving tile, which places of the source: (pairs, places)) of all pairs."""
    reached = uses(link.projection, link.shape, axis, *target.behind(axis, *two.edges(axis))) > 0
    receivers, senders = np.nonzero(np.add.reduceat(reached, one.edges(axis)[0], axis=1, dtype=np.int64))
    tile = np.arange(reached.shape[1]) // one.extents[axis]
    return senders, receivers, (reached[receivers] & (tile == senders[:, None])).astype(np.float64)


def _sparse_routes(projection: Sparse, one: Tiling, two: Tiling, rate: Array) -> Routes:
    receiver, neuron, _ = pairs(projection, two.tile_of().ravel())
    sender = one.tile_of().ravel()[neuron]
    key, inverse, count = np.unique(sender * two.tiles + receiver, return_inverse=True, return_counts=True)
    messages = np.bincount(inverse.ravel(), weights=rate.ravel()[neuron], minlength=len(key))
    return Routes(sources=key // two.tiles, targets=key % two.tiles, neurons=count, messages=messages)
