"""Which neurons of a source a projection brings to some of its targets, and with how many synapses.

A convolution's answer has a factor for each axis: neuron (c, i, j) of the source has
channels[c] * rows[i] * columns[j] synapses into a box of targets. So a whole tiling is judged axis by axis. Only a
sparse projection has to be counted synapse by synapse.
"""

from __future__ import annotations

import numpy as np

from ganglion.ir import Array, Conv2d, Dense, OneToOne, Projection, Sparse
from ganglion.ir.types import Shape

from .layers import three


def uses(projection: Projection, shape: Shape, axis: int, first: Array, beyond: Array) -> Array:
    """Synapses of every place of the source's `axis` (of `shape`) into extents of that axis of the receiving membranes.

    int64 (n, places), for channels (`axis` 0), rows (1) or columns (2) and n extents `first`, ..., `beyond` - 1. Not
    for `Sparse`.
    """
    if axis == 0:
        return _channel_uses(projection, shape, first, beyond)
    size = three(shape)[axis]
    if isinstance(projection, Dense):
        return np.ones((len(first), size), np.int64)
    if isinstance(projection, OneToOne):
        place = np.arange(size)
        return ((place >= first[:, None]) & (place < beyond[:, None])).astype(np.int64)
    assert isinstance(projection, Conv2d)
    i = axis - 1
    targets = np.arange(beyond.max(initial=0))
    taps = np.arange(projection.weight.shape[2 + i]) * projection.dilations[i]
    read = (targets * projection.strides[i] - projection.pads[i])[:, None] + taps
    place, between = np.divmod(read, projection.upsample[i])
    target, tap = np.nonzero((between == 0) & (place >= 0) & (place < size))
    up_to = np.zeros((len(targets) + 1, size), np.int64)  # of all targets before the one that numbers the row
    np.add.at(up_to, (target + 1, place[target, tap]), 1)
    up_to = up_to.cumsum(0)
    return np.asarray(up_to[beyond] - up_to[first])


def _channel_uses(projection: Projection, shape: Shape, first: Array, beyond: Array) -> Array:
    channels = three(shape)[0]
    if isinstance(projection, Dense):
        reached = overlap(first, beyond, projection.offset, projection.offset + len(projection.weight))
        return np.repeat(reached[:, None], channels, axis=1)
    assert isinstance(projection, (Conv2d, OneToOne))
    seen = channels if projection.take is None else len(projection.take)
    first, beyond = (t[:, None] - projection.offset for t in (first, beyond))  # channels of the map's result
    if isinstance(projection, OneToOne):
        through = overlap(first, beyond, np.arange(seen), np.arange(seen) + 1)
    else:
        each = len(projection.weight) // projection.groups
        group = np.arange(seen) // projection.weight.shape[1]  # of every channel that the map sees
        through = overlap(first, beyond, group * each, (group + 1) * each)
    if projection.take is None:
        return through
    found = np.zeros((channels, len(first)), np.int64)
    np.add.at(found, projection.take, through.T)
    return found.T


def overlap(first: Array, beyond: Array, begin: Array | int, end: Array | int) -> Array:
    """How much the extents `first`, `beyond` have in common with `begin`, `end`."""
    return np.asarray(np.maximum(np.minimum(beyond, end) - np.maximum(first, begin), 0))


def kernel_weights(projection: Projection, shape: Shape, first: Array, beyond: Array) -> Array | None:
    """Weights (n,) that serve each of the extents `first`, `beyond` of receiving channels, where a kernel is kept once
    for all places; `shape` is the source's.

    None where every synapse has a weight of its own.
    """
    if isinstance(projection, Conv2d):
        each = projection.weight[0].size
    elif isinstance(projection, OneToOne) and projection.weight.ndim < 2:
        each = 1
    else:
        return None
    channels = projection.map_shape(shape)[0]
    return np.asarray(overlap(first, beyond, projection.offset, projection.offset + channels) * each)


def pairs(projection: Sparse, tile_of: Array) -> tuple[Array, Array, Array]:
    """(tile, source neuron, synapses) of every pair that a sparse projection connects; `tile_of` names the tile of each
    target neuron, in C order.
    """
    targets = np.repeat(np.arange(len(projection.pointer) - 1), np.diff(projection.pointer))
    inner = int(np.prod(projection.shape[1:]))
    tiles = tile_of[targets + projection.offset * inner]
    span = int(projection.index.max(initial=0)) + 1
    key, count = np.unique(tiles.astype(np.int64) * span + projection.index, return_counts=True)
    return key // span, key % span, count
