"""A mapping judged by other code than made it: synapse by synapse, from the network alone.

Where the mapper reasons with intervals along axes, this walks over the kernels' places and looks up which core holds
either end (walk.py), and counts anew what that takes of every core (recount.py). It shares with the mapper only the
list of populations, and how many synapses lateral inhibition and a bias take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ganglion.errors import InputError, InternalError
from ganglion.ir import Array, Graph, MaxPool
from ganglion.targets import Hardware, Target

from .layers import Layer, Link, layers_of
from .recount import Recount
from .result import Mapping
from .walk import needs_of, owners, reaches

SHOWN = 20


def verify(net: Graph, target: Target, mapping: Mapping) -> None:
    """Raise `InternalError` with everything that `faults` finds."""
    found = faults(net, target, mapping)
    if found:
        listed = "".join(f"\n  {fault}" for fault in found[:SHOWN])
        raise InternalError(f"the mapping of '{net.name}' to {target.name} is wrong:{listed}")


def faults(net: Graph, target: Target, mapping: Mapping) -> list[str]:
    """What is wrong with a mapping; empty where every neuron and every synapse has just one place, every spike a route,
    and no core holds more than it can.

    Raises `InputError` for a target without hardware.
    """
    hardware = target.hardware
    if hardware is None:
        raise InputError(f"the target '{target.name}' has no hardware")
    layers = layers_of(net, hardware, mapping.form)
    found = list(_population_faults(layers, mapping))
    if found:
        return found  # nothing else can be judged
    owner = {name: owners(layer, mapping.cores) for name, layer in layers.items()}
    found += _place_faults(hardware, mapping)
    found += _wiring_faults(layers, hardware, mapping, owner)
    found += _limit_faults(mapping)
    return found


def _population_faults(layers: dict[str, Layer], mapping: Mapping) -> Iterator[str]:
    """Every neuron is on just one core."""
    count = Counter(core.population for core in mapping.cores)
    for name in count.keys() - layers.keys():
        yield f"a core holds '{name}', which the network does not have"
    told = {layer.name: layer.cores for layer in mapping.layers}
    for name, layer in layers.items():
        if told.get(name) != count[name]:
            yield f"'{name}' is said to take {told.get(name)} cores and has {count[name]}"
        held = np.zeros(layer.shape, np.int64)
        for core in mapping.cores:
            if core.population == name:
                if any(not 0 <= a < b <= n for (a, b), n in zip(core.box, layer.shape, strict=True)):
                    yield f"a core holds neurons {core.box} of '{name}', which has {layer.shape}"
                    continue
                held[tuple(slice(a, b) for a, b in core.box)] += 1
        for times, word in ((held == 0, "on no core"), (held > 1, "on more than one core")):
            if times.any():
                where = tuple(int(i) for i in np.argwhere(times)[0])
                yield f"{int(times.sum())} neurons of '{name}' are {word}, the first at {where}"


def _place_faults(hardware: Hardware, mapping: Mapping) -> Iterator[str]:
    """Every core has a place of its own, on the mesh."""
    p = mapping.placement
    if p is None or any(len(a) != len(mapping.cores) for a in (p.chip, p.x, p.y, p.slot)):
        yield "not every core has a place"
        return
    columns, rows = hardware.tiles
    bounds = ((p.chip, None), (p.x, columns), (p.y, rows), (p.slot, hardware.per_tile))
    for values, end in bounds:
        wrong = (values < 0) | (False if end is None else values >= end)
        if wrong.any():
            i = int(np.argmax(wrong))
            yield f"core {i} is off the mesh: chip {p.chip[i]}, tile ({p.x[i]}, {p.y[i]}), place {p.slot[i]}"
    seen = Counter(zip(p.chip.tolist(), p.x.tolist(), p.y.tolist(), p.slot.tolist(), strict=True))
    for place, times in seen.items():
        if times > 1:
            yield f"{times} cores are at chip {place[0]}, tile {place[1:3]}, place {place[3]}"
    for chip, cores in Counter(p.chip.tolist()).items():
        if cores > hardware.cores:
            yield f"chip {chip} holds {cores} cores of {hardware.cores}"
    if mapping.fits != "no" and mapping.board and p.chips > hardware.boards.get(mapping.board, 0):
        yield f"{p.chips} chips are more than the board '{mapping.board}' has"


def _wiring_faults(
    layers: dict[str, Layer], hardware: Hardware, mapping: Mapping, owner: dict[str, Array]
) -> Iterator[str]:
    """Every synapse is on one core, every spike that needs it has a route there, and what cores say they hold is so."""
    cores = mapping.cores
    count = Recount(hardware, cores)
    for layer in layers.values():
        needs, whole, held = needs_of(layer, cores), 0, 0
        for link in layer.incoming:
            found = reaches(link, needs, len(cores))
            held += int(found.synapses.sum())
            whole += int(np.broadcast_to(link.projection.fan_out(link.shape), link.shape).sum())
            members = layers[link.source].members if link.source in layers else 1
            if link.entry:
                count.add_link(link, layer, needs, found, members)
            if link.source in layers:
                sender = owner[link.source].ravel()[found.neuron]
                count.add_senders(sender, members)
                yield from _route_faults(link, mapping, sender, found.core)
        if held != whole and not isinstance(layer.op, MaxPool):  # whose cores share membranes, and so synapses
            yield f"'{layer.name}' has {whole} synapses, of which {held} are on its cores"
        count.add_own(layer, needs)
    for name in mapping.routes.keys() - {link.name for x in layers.values() for link in x.incoming}:
        yield f"there are routes of '{name}', which the network does not have"
    for name, expected in count.total().items():
        for i in np.flatnonzero(expected != np.array([core.use.get(name, -1) for core in cores])):
            core_ = cores[i]
            yield f"core {i} ('{core_.population}') holds {expected[i]} {name}, not {core_.use.get(name)}"


def _route_faults(link: Link, mapping: Mapping, sender: Array, core: Array) -> Iterator[str]:
    n = len(mapping.cores)
    needed, neurons = _counted(sender, core, n)
    routes = mapping.routes.get(link.name)
    there, told = np.zeros((2, 0), np.int64)
    if routes is not None:
        order = np.argsort(routes.sources * n + routes.targets, kind="stable")
        there, told = (routes.sources * n + routes.targets)[order], routes.neurons[order]
    same = np.array_equal(needed, there)
    wrong = (
        (np.setdiff1d(needed, there), "has no route"),
        (np.setdiff1d(there, needed), "has a route that nothing needs"),
        (there[1:][there[1:] == there[:-1]], "has two routes"),
        (needed[neurons != told] if same else needed[:0], "counts the neurons of a route wrongly"),
    )
    for pairs, word in wrong:
        if len(pairs):
            a, b = divmod(int(pairs.min()), n)
            yield f"'{link.name}' {word} from core {a} to core {b}, and {len(pairs) - 1} more"


def _counted(a: Array, b: Array, n: int) -> tuple[Array, Array]:
    """a * n + b of all pairs, each once, in order, and how often: a table is faster than sorting so many."""
    if not len(a):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    (low, left), (high, right) = ((int(f(a)), int(f(b))) for f in (np.min, np.max))
    width = right - left + 1
    table = np.bincount((a - low) * width + (b - left), minlength=(high - low + 1) * width)
    found = np.flatnonzero(table)
    return np.asarray((found // width + low) * n + found % width + left), table[found]


def _limit_faults(mapping: Mapping) -> Iterator[str]:
    """No core takes more than it has."""
    limits = {layer.name: layer.limits for layer in mapping.layers}
    for i, core in enumerate(mapping.cores):
        for name, limit in limits[core.population].items():
            if core.use.get(name, 0) > limit:
                yield f"core {i} ('{core.population}') takes {core.use[name]} of {limit} {name}"
