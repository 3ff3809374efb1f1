"""All projections into one membrane: what arrives there, for some rows of its map at a time."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ganglion.ir import Array, Graph, GroupNeuron, Membrane, OneToOne, Projection, Spikes, is_integer
from ganglion.ir.exact import Kernel

from . import layout
from .kernels import Delivery, delivery
from .kernels.products import FloatProduct

TILE_BYTES = 1 << 22  # of a tile's counts and products: smaller ones cost more calls, larger ones leave the cache
TILE_PRODUCTS = 1 << 24  # multiplications below which handing a tile to another thread costs more than it gains

Values = dict[str, Array]
Seen = list[tuple["Part", Array]]


@dataclass(frozen=True)
class Part:
    """One projection: what it delivers for the counts of `source`, << `exponent`, arrives in the channels `where`.

    Of one that is `in_scan`, the scan of the membrane takes care.
    """

    in_scan: bool
    source: str
    deliver: Delivery
    exponent: int
    where: slice | None


class Synapses:
    """The projections into `op`.

    Plain skip connections from one population are left to the scan of the membrane (`skip`), which adds them on the
    way, unless nothing else arrives.
    """

    def __init__(self, graph: Graph, op: Membrane, loops: ModuleType, kernel: Kernel | None) -> None:
        shape = graph.typeof(op.inputs[0]).shape
        self.extent = layout.extent(shape)
        projections = [p for p in (graph[name] for name in op.inputs) if isinstance(p, Projection)]
        self.sources = {p.inputs[0] for p in projections}
        plain = [p for p in projections if isinstance(op, GroupNeuron) and _is_plain(p)]
        fused = [p for p in plain if p.inputs[0] == plain[0].inputs[0]]
        self.fused = fused if len(fused) < len(projections) else []
        self.parts: list[Part] = []
        for p in projections:
            source = graph.typeof(p.inputs[0])
            assert isinstance(source, Spikes)
            n = p.map_shape(source.shape)[0]
            where = slice(p.offset, p.offset + n) if p.channels and n < p.channels else None
            deliver = delivery(p, source, loops, kernel)
            self.parts.append(Part(p in self.fused, p.inputs[0], deliver, p.exponent, where))
        self.direct = len(projections) == 1 and _is_plain(projections[0]) and _is_one(projections[0])
        self.gain = sum((_gain(p, self.extent[2]) for p in self.fused), np.zeros(self.extent[2], np.int32))

    @property
    def products(self) -> int:
        """How many multiplications one sample's step takes."""
        return self.extent[0] * sum(part.deliver.row_products for part in self.parts if not part.in_scan)

    @property
    def uses_blas(self) -> bool:
        """Whether a product is computed by BLAS."""
        return any(isinstance(getattr(part.deliver, "product", None), FloatProduct) for part in self.parts)

    def tile(self, columns: int, split: int) -> int:
        """How many rows of the map are worked off at a time, for `columns` samples and steps.

        As many as the cache holds, but so that there are `split` tiles, if each is then still worth handing over; an
        even number, as minimal filtering takes pairs.
        """
        H = self.extent[0]
        size = H * columns * sum(part.deliver.row_bytes for part in self.parts if not part.in_scan)
        tiles = min(max(-(-size // TILE_BYTES), min(split, columns * self.products // TILE_PRODUCTS), 1), H)
        return 2 * -(-H // (2 * tiles))

    def skip(self, values: Values) -> Array:
        """The counts (N, T or 1, H * W, C) that the scan adds, times `gain` (C,); empty where there are none."""
        if not self.fused:
            return np.empty((0, 1, self.extent[0] * self.extent[1], self.extent[2]), np.uint8)
        counts = values[self.fused[0].inputs[0]]
        return counts.reshape(*counts.shape[:2], -1, counts.shape[-1])

    def bare(self, values: Values) -> Array | None:
        """The counts of the only source, if just these arrive: each from the same place, with a weight of one."""
        if not self.direct:
            return None
        return values[next(iter(self.sources))]

    def seen(self, values: Values, *, fused: bool = True) -> Seen:
        """What each projection sees of its source; without those whose counts the scan adds, unless not `fused`."""
        parts = [part for part in self.parts if not (part.in_scan and fused)]
        return [(part, part.deliver.seen(values[part.source])) for part in parts]

    def drive(self, seen: Seen, first: int, rows: int) -> tuple[Array, int]:
        """What every step brings to `rows` rows from `first` on, (N, T or 1, rows, W, C); and the exponent it lacks."""
        part, counts = seen[0]
        if len(seen) == 1 and part.where is None:
            return part.deliver(counts, first, rows), part.exponent
        total: Array | None = None
        steps = max(counts.shape[1] for _, counts in seen)
        for part, counts in seen:
            current = part.deliver(counts, first, rows)
            if part.exponent:
                current <<= part.exponent
            if total is None:
                if part.where is None and current.shape[1] == steps:
                    total = current
                    continue
                total = np.zeros((len(current), steps, rows, *self.extent[1:]), current.dtype)
            there = total if part.where is None else total[..., part.where]
            there += current
        assert total is not None
        return total, 0


def _is_plain(op: Projection) -> bool:
    """Whether `op` passes on every neuron's counts to the neuron at the same place, with one weight per channel."""
    return isinstance(op, OneToOne) and op.weight.ndim <= 1 and op.take is None and not op.channels


def _is_one(op: Projection) -> bool:
    return bool((op.weight == 1).all()) and not op.exponent


def _gain(op: Projection, channels: int) -> Array:
    """What one count brings to each channel through a plain skip connection."""
    weight = np.broadcast_to(op.weight, channels)
    return weight.astype(np.int32) << op.exponent if is_integer(weight) else weight
