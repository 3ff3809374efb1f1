"""Rectangular tilings of a population, and what each tile takes of a core.

A tiling cuts channels, rows and columns into equal extents (the last ones may be smaller), as NxTF does (Rueckauer et
al., "NxTF: an API and compiler for deep spiking neural networks on Intel Loihi", 2022). The resources of all its tiles
are arrays (tiles of channels, of rows, of columns).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ganglion.ir import Array, GroupNeuron, Sparse
from ganglion.targets import Hardware

from .layers import Box, Extent, Layer, Link, membrane_extent, three
from .reach import kernel_weights, pairs, uses

Extents = tuple[int, int, int]  # of one tile, along channels, rows and columns
Use = dict[str, Array]  # by resource, of every tile


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tiling:
    """A population cut into tiles of `extents`."""

    shape: tuple[int, int, int]
    extents: Extents

    @property
    def counts(self) -> tuple[int, int, int]:
        """Tiles along each axis."""
        a, b, c = (-(-size // extent) for size, extent in zip(self.shape, self.extents, strict=True))
        return a, b, c

    @property
    def tiles(self) -> int:
        return int(np.prod(self.counts))

    def along(self, axis: int) -> list[Extent]:
        """The extents of the tiles along one axis."""
        size, step = self.shape[axis], self.extents[axis]
        return [(first, min(first + step, size)) for first in range(0, size, step)]

    def boxes(self) -> list[Box]:
        """All tiles, channels outermost."""
        return [(c, h, w) for c in self.along(0) for h in self.along(1) for w in self.along(2)]

    def tile_of(self) -> Array:
        """The number of the tile of every neuron, (C, H, W)."""
        c, h, w = (np.arange(size) // extent for size, extent in zip(self.shape, self.extents, strict=True))
        _, rows, columns = self.counts
        return np.asarray((c[:, None, None] * rows + h[:, None]) * columns + w)


@dataclass(slots=True, kw_only=True)
class Judge:
    """What tiles of one population take, on one chip, given how the populations behind it are cut.

    fan_out[link]  destinations of every neuron of the population: tiles behind it that it sends to, as three factors or
                   one array (C, H, W)
    """

    layer: Layer
    hardware: Hardware
    senders: dict[str, int]  # members of each neuron of every source
    fan_out: list[Array | tuple[Array, Array, Array]]
    _axes: dict[tuple[int, int, int], list[Array]] = field(default_factory=dict)

    def use(self, tiling: Tiling) -> Use:
        """By resource, the use of every tile."""
        layer, hardware = self.layer, self.hardware
        neurons = outer(*(np.array([self._membranes(a, e) for e in tiling.along(a)]) for a in (0, 1, 2)))
        found: Use = {"neurons": neurons * layer.members * hardware.per_neuron}
        axons, synapses, words, longest, kept = (np.zeros(tiling.counts, np.int64) for _ in range(5))
        for number, link in enumerate(layer.incoming):
            if not link.entry:
                continue
            arrive = self._arriving(number, link, tiling)
            axons += arrive["sources"] * self.senders[link.source]
            synapses += arrive["synapses"] * layer.members
            words += arrive.get("words", 0)
            longest = np.maximum(longest, arrive.get("longest", 0))
            kept += arrive["kept"]
        sent = sum((self._sent(f, tiling) for f in self.fan_out), np.zeros(tiling.counts, np.int64)) * layer.members
        if layer.lateral:
            each = lateral_synapses(layer, hardware)
            axons, sent = axons + neurons * layer.members, sent + neurons * layer.members
            synapses += neurons * layer.members * each
            kept += neurons * layer.members * each
            if hardware.lists:
                words += neurons * layer.members * list_words(1, 1, each, 8, hardware)
        extra = bias_synapses(layer, hardware)
        if extra:
            found["neurons"] = found["neurons"] + 1
            axons, synapses = axons + 1, synapses + neurons * layer.members * extra
            whole = neurons * layer.members * extra
            if hardware.lists:
                words += list_words(1, whole, 1, 8, hardware)
        found |= {"in-axons": axons, "out-axons": sent, "synapses": synapses}
        found["thresholds"] = self._thresholds(tiling)
        found["synapse formats"] = np.full(tiling.counts, synapse_formats(layer, hardware))
        if hardware.lists:
            found |= {"synaptic words": words, "words of one axon": longest}
        if hardware.memory:
            m = hardware.memory
            found["synaptic memory"] = kept * m.synapse
            found["memory"] = (
                m.program + found["neurons"] * m.neuron + kept * m.synapse + axons * m.axon_in + sent * m.axon_out
            )
        return found

    def _membranes(self, axis: int, extent: Extent) -> int:
        first, last = self._membrane_extent(axis, extent)
        return last - first

    def _membrane_extent(self, axis: int, extent: Extent) -> Extent:
        size = self._membrane_shape()[axis]
        return membrane_extent(self.layer.op, axis, extent, size)

    def _membrane_shape(self) -> tuple[int, int, int]:
        link = self.layer.incoming[0]
        return three(link.projection.out_shape(link.shape))

    def _arriving(self, number: int, link: Link, tiling: Tiling) -> Use:
        """What one link brings to every tile; `kept` counts weights in memory."""
        projection, members = link.projection, self.layer.members
        if isinstance(projection, Sparse):
            return self._arriving_sparse(projection, link, tiling)
        by_axis = [self._uses(number, link, axis, tiling) for axis in (0, 1, 2)]
        sources = outer(*(np.array([np.count_nonzero(u) for u in axis]) for axis in by_axis))
        synapses = outer(*(np.array([u.sum() for u in axis]) for axis in by_axis))
        shared = [kernel_weights(projection, e) for e in tiling.along(0)]
        if self.hardware.shares_convolutions and None not in shared:
            kept = np.broadcast_to(np.array(shared, np.int64)[:, None, None] * members, tiling.counts)
        else:
            kept = synapses * members
        found = {"sources": sources, "synapses": synapses, "kept": kept}
        if self.hardware.lists:
            bits = weight_bits(projection.weight, self.hardware)
            values = [np.unique(np.concatenate(axis)) for axis in by_axis]
            values = [v[v > 0] for v in values]
            counts = [
                np.array([[np.count_nonzero(u == v) for v in vs] for u in axis]).reshape(len(axis), -1)
                for axis, vs in zip(by_axis, values, strict=True)
            ]
            c, h, w = values
            table = list_words(h[:, None], w, c[:, None, None] * members, bits, self.hardware)
            found["words"] = np.einsum("av,bw,cx,vwx->abc", *counts, table)
            c, h, w = (np.array([u.max(initial=0) for u in axis]) for axis in by_axis)
            most = list_words(h[:, None], w, c[:, None, None] * members, bits, self.hardware)
            found["longest"] = np.where(sources > 0, most, 0)
        return found

    def _thresholds(self, tiling: Tiling) -> Array:
        """Different thresholds of every tile."""
        op = self.layer.op
        if not isinstance(op, GroupNeuron):
            return np.zeros(tiling.counts, np.int64)
        tables = [op.thresholds, *([] if op.negative is None else [op.negative])]
        by_tile = [
            sum(len(np.unique(t if t.ndim == 1 else t[:, first:last])) for t in tables)
            for first, last in tiling.along(0)
        ]
        return np.asarray(np.broadcast_to(np.array(by_tile)[:, None, None], tiling.counts))

    def _uses(self, number: int, link: Link, axis: int, tiling: Tiling) -> list[Array]:
        key = (number, axis, tiling.extents[axis])
        if key not in self._axes:
            self._axes[key] = [
                uses(link.projection, link.shape, axis, self._membrane_extent(axis, e)) for e in tiling.along(axis)
            ]
        return self._axes[key]

    def _arriving_sparse(self, projection: Sparse, link: Link, tiling: Tiling) -> Use:
        tile, _, count = pairs(projection, tiling.tile_of().ravel())
        n, members = tiling.tiles, self.layer.members
        synapses = np.bincount(tile, weights=count, minlength=n).astype(np.int64).reshape(tiling.counts)
        found = {
            "sources": np.bincount(tile, minlength=n).reshape(tiling.counts),
            "synapses": synapses,
            "kept": synapses * members,
        }
        if self.hardware.lists:
            words = list_words(count, 1, members, weight_bits(projection.weight, self.hardware), self.hardware)
            found["words"] = np.bincount(tile, weights=words, minlength=n).astype(np.int64).reshape(tiling.counts)
            longest = np.zeros(n, np.int64)
            np.maximum.at(longest, tile, words)
            found["longest"] = longest.reshape(tiling.counts)
        return found

    def _sent(self, fan_out: Array | tuple[Array, Array, Array], tiling: Tiling) -> Array:
        """Out-axon entries of every tile towards one population."""
        if isinstance(fan_out, tuple):
            return outer(
                *(np.add.reduceat(f, range(0, len(f), e)) for f, e in zip(fan_out, tiling.extents, strict=True))
            )
        for axis, extent in enumerate(tiling.extents):
            fan_out = np.add.reduceat(fan_out, range(0, fan_out.shape[axis], extent), axis=axis)
        return fan_out


def destinations(link: Link, target: Layer, tiling: Tiling) -> Array | tuple[Array, Array, Array]:
    """How many tiles of `target` every neuron of the link's source sends to: factors along the axes, or (C, H, W)."""
    shape = three(link.shape)
    if isinstance(link.projection, Sparse):
        _, source, _ = pairs(link.projection, tiling.tile_of().ravel())
        return np.bincount(source, minlength=int(np.prod(shape))).reshape(shape)
    membranes = three(link.projection.out_shape(link.shape))
    factors = []
    for axis in (0, 1, 2):
        reached = np.zeros(shape[axis], np.int64)
        for extent in tiling.along(axis):
            behind = membrane_extent(target.op, axis, extent, membranes[axis])
            reached += uses(link.projection, link.shape, axis, behind) > 0
        factors.append(reached)
    return factors[0], factors[1], factors[2]


def outer(a: Array, b: Array, c: Array) -> Array:
    """a[i] * b[j] * c[k]."""
    return np.asarray(a.astype(np.int64)[:, None, None] * b[:, None] * c)


def list_words(rows: Array | int, columns: Array | int, each: Array | int, bits: int, hardware: Hardware) -> Array:
    """Memory words of an axon's list: `rows` runs of `columns` * `each` synapses of `bits`."""
    lists = hardware.lists
    assert lists is not None
    run = np.asarray(columns) * np.asarray(each)
    entries = rows * -(-run // lists.run)
    return np.asarray(-(-(rows * run * bits + entries * lists.prefix_bits) // lists.word_bits))


def weight_bits(weight: Array, hardware: Hardware) -> int:
    """The least width that exists for these integer weights, sign included."""
    assert hardware.lists is not None
    needed = max(int(np.abs(weight).max(initial=0)).bit_length() + 1, 1)
    return next((b for b in hardware.lists.bits if b >= needed), hardware.lists.bits[-1])


def lateral_synapses(layer: Layer, hardware: Hardware) -> int:
    """Synapses that one member's spike has within its cluster: several for each where a value is too long for one."""
    op = layer.op
    assert isinstance(op, GroupNeuron)
    if hardware.subtract_bits is None:
        return layer.members
    values = np.abs(np.concatenate([np.ravel(t) for t in (op.inhibition, op.excitation) if t is not None]))
    return layer.members * max(mantissas(int(v), hardware.subtract_bits) for v in np.unique(values))


def mantissas(value: int, bits: int) -> int:
    """How many weights of `bits` and a power of two add up to `value`."""
    count = 0
    while value:
        value >>= (value & -value).bit_length() - 1  # no weight is spent on zeros
        value >>= bits
        count += 1
    return max(count, 1)


def synapse_formats(layer: Layer, hardware: Hardware) -> int:
    """Different synapse formats (width and exponent) at a population, those of its own clusters included."""
    if hardware.lists is None:
        return 0
    formats = {(weight_bits(x.projection.weight, hardware), x.projection.exponent) for x in layer.incoming if x.entry}
    own = lateral_synapses(layer, hardware) // layer.members if layer.lateral else 0
    return len(formats) + own + bias_synapses(layer, hardware)


def bias_synapses(layer: Layer, hardware: Hardware) -> int:
    """Synapses of every neuron from one that always fires, where its bias is too large for the chip; else 0."""
    if hardware.bias_max is None or layer.op.bias is None:
        return 0
    largest = int(np.abs(layer.op.bias).max(initial=0))
    return 0 if largest <= hardware.bias_max else mantissas(largest, 8)
