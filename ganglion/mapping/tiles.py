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

from .layers import Box, Extent, Layer, Link, three
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

    def edges(self, axis: int) -> tuple[Array, Array]:
        """First, and one beyond the last, of the tiles along one axis."""
        first = np.arange(0, self.shape[axis], self.extents[axis])
        return first, np.minimum(first + self.extents[axis], self.shape[axis])

    def along(self, axis: int) -> list[Extent]:
        """The extents of the tiles along one axis."""
        return list(zip(*(edge.tolist() for edge in self.edges(axis)), strict=True))

    def boxes(self) -> list[Box]:
        """All tiles, channels outermost."""
        return [(c, h, w) for c in self.along(0) for h in self.along(1) for w in self.along(2)]

    def tile_of(self) -> Array:
        """The number of the tile of every neuron, (C, H, W)."""
        c, h, w = (np.arange(size) // extent for size, extent in zip(self.shape, self.extents, strict=True))
        _, rows, columns = self.counts
        return np.asarray((c[:, None, None] * rows + h[:, None]) * columns + w)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reached:
    """What the tiles along one axis see of a source along that axis, (tiles,) each.

    sources, synapses, most   places with a synapse; synapses of all of them, and of the one with most
    values, times             the numbers of synapses that places have, (v,), and of how many places: (tiles, v)
    """

    sources: Array
    synapses: Array
    most: Array
    values: Array
    times: Array


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
    _reached: dict[tuple[str, int, int], Reached] = field(default_factory=dict)
    _distinct: dict[int, Array] = field(default_factory=dict)
    _bits: dict[str, int] = field(init=False)  # of a synapse, by link
    _lateral: int = field(init=False)  # synapses of one member's spike within its cluster
    _bias: int = field(init=False)  # synapses of every member from the neuron that always fires
    _formats: int = field(init=False)

    def __post_init__(self) -> None:
        layer, hardware = self.layer, self.hardware
        links = layer.incoming if hardware.lists else []
        self._bits = {link.name: weight_bits(link.projection.weight, hardware) for link in links}
        self._lateral = lateral_synapses(layer, hardware) if layer.lateral else 0
        self._bias = bias_synapses(layer, hardware)
        self._formats = synapse_formats(layer, hardware)

    def use(self, tiling: Tiling) -> Use:
        """By resource, the use of every tile."""
        layer, hardware = self.layer, self.hardware
        edges = [layer.behind(axis, *tiling.edges(axis)) for axis in (0, 1, 2)]
        neurons = outer(*(beyond - first for first, beyond in edges))
        found: Use = {"neurons": neurons * layer.members * hardware.per_neuron}
        axons, synapses, words, longest, kept = (np.zeros(tiling.counts, np.int64) for _ in range(5))
        for link in layer.incoming:
            if not link.entry:
                continue
            arrive = self._arriving(link, tiling)
            axons += arrive["sources"] * self.senders[link.source]
            synapses += arrive["synapses"] * layer.members
            words += arrive.get("words", 0)
            longest = np.maximum(longest, arrive.get("longest", 0))
            kept += arrive["kept"]
        sent = sum((self._sent(f, tiling) for f in self.fan_out), np.zeros(tiling.counts, np.int64)) * layer.members
        if layer.lateral:
            own = neurons * layer.members
            axons, sent = axons + own, sent + own
            synapses += own * self._lateral
            kept += own * self._lateral
            if hardware.lists:
                words += own * list_words(1, 1, self._lateral, 8, hardware)
        if self._bias:
            whole = neurons * layer.members * self._bias
            found["neurons"] = found["neurons"] + 1
            axons, synapses, kept = axons + 1, synapses + whole, kept + whole
            if hardware.lists:
                words += list_words(1, whole, 1, 8, hardware)
        found |= {"in-axons": axons, "out-axons": sent, "synapses": synapses}
        found["thresholds"] = self._thresholds(tiling)
        found["synapse formats"] = np.full(tiling.counts, self._formats)
        if hardware.lists:
            found |= {"synaptic words": words, "words of one axon": longest}
        if hardware.memory:
            m = hardware.memory
            found["synaptic memory"] = kept * m.synapse
            found["memory"] = (
                m.program + found["neurons"] * m.neuron + kept * m.synapse + axons * m.axon_in + sent * m.axon_out
            )
        return found

    def _arriving(self, link: Link, tiling: Tiling) -> Use:
        """What one link brings to every tile; `kept` counts weights in memory."""
        projection, members = link.projection, self.layer.members
        if isinstance(projection, Sparse):
            return self._arriving_sparse(projection, link, tiling)
        by_axis = [self._along(link, axis, tiling) for axis in (0, 1, 2)]
        sources = outer(*(r.sources for r in by_axis))
        synapses = outer(*(r.synapses for r in by_axis))
        shared = kernel_weights(projection, link.shape, *tiling.edges(0)) if self.hardware.shares_convolutions else None
        kept = synapses if shared is None else np.broadcast_to(shared[:, None, None], tiling.counts)
        found = {"sources": sources, "synapses": synapses, "kept": kept * members}
        if self.hardware.lists:
            bits = self._bits[link.name]
            c, h, w = (r.values for r in by_axis)
            table = list_words(h[:, None], w, c[:, None, None] * members, bits, self.hardware)
            for r in by_axis:  # its first axis, of numbers of synapses, becomes the last, of tiles
                table = np.tensordot(table, r.times, (0, 1))
            found["words"] = table
            c, h, w = (r.most for r in by_axis)
            most = list_words(h[:, None], w, c[:, None, None] * members, bits, self.hardware)
            found["longest"] = np.where(sources > 0, most, 0)
        return found

    def _along(self, link: Link, axis: int, tiling: Tiling) -> Reached:
        """What the tiles see of a link's source along one axis."""
        key = (link.name, axis, tiling.extents[axis])
        if key not in self._reached:
            seen = uses(link.projection, link.shape, axis, *self.layer.behind(axis, *tiling.edges(axis)))
            values = np.flatnonzero(np.bincount(seen.ravel(), minlength=1)[1:]) + 1
            self._reached[key] = Reached(
                sources=np.count_nonzero(seen, axis=1),
                synapses=seen.sum(1),
                most=seen.max(1, initial=0),
                values=values,
                times=np.array([np.count_nonzero(seen == v, axis=1) for v in values]).reshape(len(values), -1).T,
            )
        return self._reached[key]

    def _thresholds(self, tiling: Tiling) -> Array:
        """Different thresholds of every tile."""
        op = self.layer.op
        if not isinstance(op, GroupNeuron):
            return np.zeros(tiling.counts, np.int64)
        key = tiling.extents[0]
        if key not in self._distinct:
            tables = [op.thresholds, *([] if op.negative is None else [op.negative])]
            self._distinct[key] = np.sum([different(table, *tiling.edges(0)) for table in tables], axis=0)
        return np.asarray(np.broadcast_to(self._distinct[key][:, None, None], tiling.counts))

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
            words = list_words(count, 1, members, self._bits[link.name], self.hardware)
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
    factors = [
        np.count_nonzero(uses(link.projection, link.shape, axis, *target.behind(axis, *tiling.edges(axis))), axis=0)
        for axis in (0, 1, 2)
    ]
    return factors[0], factors[1], factors[2]


def outer(a: Array, b: Array, c: Array) -> Array:
    """a[i] * b[j] * c[k]."""
    return np.asarray(a.astype(np.int64)[:, None, None] * b[:, None] * c)


def different(thresholds: Array, first: Array, beyond: Array) -> Array:
    """How many different thresholds the channels of each extent have: (n,)."""
    if thresholds.ndim == 1:
        return np.full(len(first), len(np.unique(thresholds)))
    return np.array([len(np.unique(thresholds[:, a:b])) for a, b in zip(first, beyond, strict=True)])


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
    needed = largest(weight).bit_length() + 1
    return next((b for b in hardware.lists.bits if b >= needed), hardware.lists.bits[-1])


def largest(values: Array) -> int:
    """The largest |value|, of the most negative one of its type as well."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


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
