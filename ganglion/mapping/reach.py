"""Which neurons of a source a projection brings to some of its targets, and with how many synapses.

A convolution's answer has a factor for each axis: neuron (c, i, j) of the source has
channels[c] * rows[i] * columns[j] synapses into a box of targets. So a whole tiling is judged axis by axis. Only a
sparse projection has to be counted synapse by synapse.
"""

from __future__ import annotations

import numpy as np

from ganglion.ir import Array, Conv2d, Dense, OneToOne, Projection, Sparse
from ganglion.ir.types import Shape

from .layers import Extent, three


def uses(projection: Projection, shape: Shape, axis: int, targets: Extent) -> Array:
    """Synapses per place of the source's `axis` (of `shape`) into the receiving membranes `targets` of that axis.

    int64, one per channel (`axis` 0), row (1) or column (2) of the source. Not for `Sparse`.
    """
    if axis == 0:
        return _channel_uses(projection, shape, targets)
    size = three(shape)[axis]
    if isinstance(projection, Dense):
        return np.ones(size, np.int64)
    if isinstance(projection, OneToOne):
        found = np.zeros(size, np.int64)
        found[targets[0] : targets[1]] = 1
        return found
    assert isinstance(projection, Conv2d)
    i = axis - 1
    start = np.arange(*targets) * projection.strides[i] - projection.pads[i]
    taps = np.arange(projection.weight.shape[2 + i]) * projection.dilations[i]
    place, between = np.divmod((start[:, None] + taps).ravel(), projection.upsample[i])
    inside = (between == 0) & (place >= 0) & (place < size)
    return np.bincount(place[inside], minlength=size).astype(np.int64)


def _channel_uses(projection: Projection, shape: Shape, targets: Extent) -> Array:
    channels = three(shape)[0]
    if isinstance(projection, Dense):
        reached = _overlap(targets, (projection.offset, projection.offset + len(projection.weight)))
        return np.full(channels, reached, np.int64)
    assert isinstance(projection, (Conv2d, OneToOne))
    take = np.arange(channels) if projection.take is None else projection.take
    first, beyond = (t - projection.offset for t in targets)  # channels of the map's result
    if isinstance(projection, OneToOne):
        seen = ((np.arange(len(take)) >= first) & (np.arange(len(take)) < beyond)).astype(np.int64)
    else:
        each = len(projection.weight) // projection.groups
        group = np.arange(len(take)) // projection.weight.shape[1]  # of every channel that the map sees
        seen = np.clip(np.minimum((group + 1) * each, beyond) - np.maximum(group * each, first), 0, None)
    return np.bincount(take, weights=seen, minlength=channels).astype(np.int64)


def _overlap(a: Extent, b: Extent) -> int:
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


def kernel_weights(projection: Projection, targets: Extent) -> int | None:
    """Weights that serve the receiving channels `targets` where a kernel is kept once for all places.

    None where every synapse has a weight of its own.
    """
    if isinstance(projection, Conv2d):
        channels, each = len(projection.weight), projection.weight[0].size
    elif isinstance(projection, OneToOne) and projection.weight.ndim < 2:
        channels, each = targets[1], 1
    else:
        return None
    return int(_overlap(targets, (projection.offset, projection.offset + channels)) * each)


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
