"""The best tiling of every population: fewest neurocores, then fewest axons, then the most even synapses.

From the readout backwards, because a core's out-axons depend on how the populations behind it are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from ganglion.targets import Hardware

from .layers import Layer
from .tiles import Extents, Judge, Tiling, Use, destinations

SHARE = 0.25  # of what an axon takes where it leaves: cores come first
ADDITIVE = ("neurons", "in-axons", "out-axons", "synaptic words", "synaptic memory", "memory")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """How one population is cut, and what its tiles take.

    limits   by resource, what a core has; resources that are not known are not there
    broken   limits that not even a tile of one neuron keeps, with its use: then the tiling keeps all the others, and
             its number of cores is a lower bound
    """

    layer: Layer
    tiling: Tiling
    use: Use
    limits: dict[str, int]
    broken: dict[str, int]


def shares(use: Mapping[str, int], limits: Mapping[str, int]) -> dict[str, float]:
    """By resource with a known limit, the share of it that a use is."""
    return {name: use[name] / limit for name, limit in limits.items()}


def limits_of(layer: Layer, hardware: Hardware) -> dict[str, int]:
    """By resource, the most of it on one core, as far as it is known."""
    lists, memory = hardware.lists, hardware.memory
    neurons = hardware.neurons
    if hardware.delay_products is not None and neurons is not None:
        neurons = min(neurons, hardware.delay_products // slots(layer))
    known = {
        "neurons": neurons,
        "in-axons": hardware.in_axons,
        "out-axons": hardware.out_axons,
        "thresholds": hardware.thresholds,
        "synapse formats": None if lists is None else lists.formats,
        "synaptic words": None if lists is None else lists.words,
        "words of one axon": None if lists is None else lists.per_axon,
        "synaptic memory": None if memory is None else memory.synapses,
        "memory": None if memory is None else memory.bytes,
    }
    return {name: limit for name, limit in known.items() if limit is not None}


def slots(layer: Layer) -> int:
    """Delay slots, a power of two, that a population needs for what arrives there."""
    longest = 1 + max((link.projection.delay for link in layer.incoming), default=0)
    return int(2 ** int(np.ceil(np.log2(longest))))


def cut_all(
    layers: dict[str, Layer],
    hardware: Hardware,
    senders: dict[str, int],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Cut]:
    """Every population cut, by name, in the order of `layers`; `senders`: members of each neuron of every source."""
    cuts: dict[str, Cut] = {}
    for done, layer in enumerate(reversed(layers.values())):
        fan_out = [destinations(link, layers[link.target], cuts[link.target].tiling) for link in layer.outgoing]
        judge = Judge(layer=layer, hardware=hardware, senders=senders, fan_out=fan_out)
        cuts[layer.name] = cut(judge, limits_of(layer, hardware))
        if progress:
            progress(done + 1, len(layers))
    return {name: cuts[name] for name in layers}


def cut(judge: Judge, limits: dict[str, int]) -> Cut:
    """One population cut as well as can be."""
    layer = judge.layer
    smallest = judge.use(Tiling(shape=layer.shape, extents=(1, 1, 1)))
    broken = {name: int(smallest[name].max()) for name, limit in limits.items() if smallest[name].max() > limit}
    kept = {name: limit for name, limit in limits.items() if name not in broken}
    least = _lower_bound(judge.use(Tiling(shape=layer.shape, extents=layer.shape)), kept)
    price = SHARE * _price_of_an_axon(judge.hardware)
    best: tuple[tuple[float, int, Extents], Tiling, Use] | None = None
    for cores, extents in candidates(layer.shape, least):
        if best is not None and cores >= best[0][0]:
            break  # no cheaper one can follow
        tiling = Tiling(shape=layer.shape, extents=extents)
        use = judge.use(tiling)
        if any(use[name].max() > limit for name, limit in kept.items()):
            continue
        cost = (cores + price * int(use["in-axons"].sum()), int(use["synapses"].max()), extents)
        if best is None or cost < best[0]:
            best = (cost, tiling, use)
    assert best is not None  # tiles of one neuron keep all limits that can be kept
    return Cut(layer=layer, tiling=best[1], use=best[2], limits=limits, broken=broken)


def _price_of_an_axon(hardware: Hardware) -> float:
    """The share of a core that an axon takes where it leaves: the populations before pay for how this one is cut."""
    if hardware.out_axons is not None:
        return 1 / hardware.out_axons
    memory = hardware.memory
    return memory.axon_out / memory.bytes if memory and memory.bytes else 0.0


def candidates(shape: tuple[int, int, int], least: int) -> Iterator[tuple[int, Extents]]:
    """(cores, extents) of all tilings with at least `least` tiles, fewest first; then those nearest to squares."""
    by_axis = [
        sorted({-(-size // parts): -(-size // -(-size // parts)) for parts in range(1, size + 1)}.items())
        for size in shape
    ]
    found = []
    for (c, nc), (h, nh), (w, nw) in product(*by_axis):
        if nc * nh * nw >= least:
            found.append((nc * nh * nw, abs(h - w), -c, (c, h, w)))
    for cores, _, _, extents in sorted(found):
        yield cores, extents


def _lower_bound(whole: Use, limits: dict[str, int]) -> int:
    """Cores that are needed at least, from what the population would take of a single one: cutting only adds to it."""
    return max(-(-int(whole[name].max()) // limits[name]) for name in ADDITIVE if name in limits)
