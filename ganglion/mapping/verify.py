"""A mapping judged by other code than made it: synapse by synapse, from the network alone.

Where the mapper reasons with intervals along axes, this walks over the kernels' places and looks up which core holds
either end. It shares with the mapper only the list of populations and the sizes of the chip's tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ganglion.errors import InputError, InternalError
from ganglion.ir import Array, Conv2d, Dense, Graph, MaxPool, OneToOne, Projection, Sparse
from ganglion.targets import Hardware, Target

from .layers import Layer, Link, layers_of, three
from .result import Core, Mapping
from .tiles import bias_synapses, lateral_synapses

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
    owners = {name: _owners(layer, mapping.cores) for name, layer in layers.items()}
    found += _place_faults(hardware, mapping)
    found += _wiring_faults(layers, hardware, mapping, owners)
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


def _owners(layer: Layer, cores: tuple[Core, ...]) -> Array:
    """The core of every neuron, (C, H, W)."""
    owner = np.full(layer.shape, -1, np.int64)
    for i, core in enumerate(cores):
        if core.population == layer.name:
            owner[tuple(slice(a, b) for a, b in core.box)] = i
    return owner


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
    layers: dict[str, Layer], hardware: Hardware, mapping: Mapping, owners: dict[str, Array]
) -> Iterator[str]:
    """Every synapse is on one core, every spike that needs it has a route there, and what cores say they hold is so."""
    cores = mapping.cores
    use = {k: np.zeros(len(cores), np.int64) for k in ("neurons", "in-axons", "out-axons", "synapses")}
    for layer in layers.values():
        needs, whole, held = _needs(layer, cores), 0, 0
        for link in layer.incoming:
            keys, times = _pairs(link, needs, len(cores))
            neuron, core = np.divmod(keys, len(cores))
            held += int(times.sum())
            whole += int(np.broadcast_to(link.projection.fan_out(link.shape), link.shape).sum())
            if link.entry:
                members = layers[link.source].members if link.source in layers else 1
                np.add.at(use["in-axons"], core, members)
                np.add.at(use["synapses"], core, times * layer.members)
            if link.source in layers:
                sender = owners[link.source].ravel()[neuron]
                np.add.at(use["out-axons"], sender, layers[link.source].members)
                yield from _route_faults(link, mapping, sender, core)
        if held != whole and not isinstance(layer.op, MaxPool):  # whose cores share membranes, and so synapses
            yield f"'{layer.name}' has {whole} synapses, of which {held} are on its cores"
        _add_own(layer, hardware, needs, use)
    for name in mapping.routes.keys() - {link.name for x in layers.values() for link in x.incoming}:
        yield f"there are routes of '{name}', which the network does not have"
    for name, expected in use.items():
        for i in np.flatnonzero(expected != np.array([core.use.get(name, -1) for core in cores])):
            core_ = cores[i]
            yield f"core {i} ('{core_.population}') holds {expected[i]} {name}, not {core_.use.get(name)}"


def _add_own(layer: Layer, hardware: Hardware, needs: list[Array], use: dict[str, Array]) -> None:
    """What a population has beside its projections: membranes, lateral inhibition, a neuron for its bias."""
    held = sum(np.bincount(need[need >= 0].ravel(), minlength=len(use["neurons"])) for need in needs)
    use["neurons"] += held * layer.members * hardware.per_neuron
    if layer.lateral:
        use["in-axons"] += held * layer.members
        use["out-axons"] += held * layer.members
        use["synapses"] += held * layer.members * lateral_synapses(layer, hardware)
    if extra := bias_synapses(layer, hardware):
        use["neurons"] += held > 0
        use["in-axons"] += held > 0
        use["synapses"] += held * layer.members * extra


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


def _needs(layer: Layer, cores: tuple[Core, ...]) -> list[Array]:
    """The core of every membrane, -1 for none; more than one map where cores share membranes, as those of a max-pool do
    at the borders of their windows: in each map a membrane has one core at most.
    """
    if not isinstance(layer.op, MaxPool):
        return [_owners(layer, cores)]
    maps: list[Array] = []
    for i, core in enumerate(cores):
        if core.population != layer.name:
            continue
        edges = [layer.behind(axis, *(np.array([edge]) for edge in core.box[axis])) for axis in (0, 1, 2)]
        box = tuple(slice(int(first[0]), int(beyond[0])) for first, beyond in edges)
        free = next((m for m in maps if (m[box] < 0).all()), None)
        if free is None:
            free = np.full(layer.membranes, -1, np.int64)
            maps.append(free)
        free[box] = i
    return maps


def _taken(results: int, size: int, stride: int, pad: int, offset: int, upsample: int) -> tuple[Array, Array]:
    """(place of the result, place of the source) that one kernel place connects along an axis."""
    result = np.arange(results)
    source = result * stride - pad + offset
    inside = (source % upsample == 0) & (source >= 0) & (source // upsample < size)
    return result[inside], source[inside] // upsample


def _pairs(link: Link, needs: list[Array], cores: int) -> tuple[Array, Array]:
    """(source neuron * cores + core that it reaches, synapses there) of one projection, each pair once."""
    pieces = [piece for need in needs for piece in _connected(link.projection, three(link.shape), need, cores)]
    flat = np.concatenate([key.ravel() for key, _ in pieces])
    many = np.concatenate([np.broadcast_to(count, key.shape).ravel() for key, count in pieces])
    return _merged(flat[many > 0], many[many > 0])


def _merged(keys: Array, many: Array) -> tuple[Array, Array]:
    """Every key once, in order, and how many all of its places add up to."""
    if (keys[1:] > keys[:-1]).all():
        return keys, many
    order = np.argsort(keys, kind="stable")
    keys, many = keys[order], many[order]
    begin = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[begin], np.add.reduceat(many, begin)


def _connected(
    projection: Projection, shape: tuple[int, int, int], need: Array, cores: int
) -> Iterator[tuple[Array, Array]]:
    """Pieces of (source neuron * cores + core, synapses): all that `projection` brings to the cores of `need`."""
    neuron = np.arange(int(np.prod(shape))).reshape(shape)
    if isinstance(projection, Sparse):
        inner = int(np.prod(projection.shape[1:]))
        target = np.repeat(np.arange(len(projection.pointer) - 1), np.diff(projection.pointer))
        core = need.ravel()[target + projection.offset * inner]
        yield projection.index * cores + core, (core >= 0).astype(np.int64)
        return
    if isinstance(projection, Dense):
        core, count = np.unique(
            need[projection.offset : projection.offset + len(projection.weight)], return_counts=True
        )
        yield neuron.ravel()[:, None] * cores + core, np.where(core >= 0, count, 0)
        return
    assert isinstance(projection, (Conv2d, OneToOne))
    take = np.arange(shape[0]) if projection.take is None else projection.take
    if isinstance(projection, OneToOne):
        core = need[projection.offset : projection.offset + len(take)]
        yield neuron[take] * cores + core, (core >= 0).astype(np.int64)
        return
    each = len(projection.weight) // projection.groups
    inputs = projection.weight.shape[1]
    known: dict[bytes, tuple[Array, Array]] = {}  # groups on the same cores are connected alike
    for group in range(projection.groups):
        first = projection.offset + group * each
        receiving = need[first : first + each]
        if receiving.tobytes() not in known:
            maps, count = np.unique(receiving, axis=0, return_counts=True)  # of all its channels
            known[receiving.tobytes()] = _kernel_places(projection, maps, count, shape, cores)
        places, there = known[receiving.tobytes()]
        seen = neuron[take[group * inputs : (group + 1) * inputs]].reshape(inputs, -1)  # all connected alike
        yield seen[:, places // cores] * cores + places % cores, there


def _kernel_places(
    projection: Conv2d, maps: Array, count: Array, shape: tuple[int, int, int], cores: int
) -> tuple[Array, Array]:
    """(place of the source, row after row, * cores + core that it reaches, synapses there) of one of the channels that
    are read; `maps` (n, H, W) are the cores of the channels that receive, `count` (n,) how many have each map.
    """
    keys, many = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    place = np.arange(shape[1] * shape[2]).reshape(shape[1:])
    for a, b in np.ndindex(projection.weight.shape[2:]):
        (to_h, from_h), (to_w, from_w) = (
            _taken(
                maps.shape[1 + i],
                shape[1 + i],
                projection.strides[i],
                projection.pads[i],
                tap * projection.dilations[i],
                projection.upsample[i],
            )
            for i, tap in enumerate((a, b))
        )
        core = maps[:, to_h[:, None], to_w]  # (maps, H, W)
        held = core >= 0
        keys.append((place[from_h[:, None], from_w] * cores + core)[held])
        many.append(np.broadcast_to(count[:, None, None], core.shape)[held])
    return _merged(np.concatenate(keys), np.concatenate(many))
