"""All synapses of a network, place by place of every kernel, and the cores that hold them: the verifier's own walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Conv2d, Dense, MaxPool, OneToOne, Projection, Sparse

from .layers import Layer, Link, three
from .result import Core

Piece = tuple[Array, Array, Array]  # source neuron * cores + core; synapses there; rows of targets there


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reaches:
    """Which source neurons reach which cores, each pair once, as arrays (P,).

    synapses  onto the membranes there, members not counted
    rows      runs of targets that these are: one for every row of membranes
    """

    neuron: Array
    core: Array
    synapses: Array
    rows: Array


def owners(layer: Layer, cores: tuple[Core, ...]) -> Array:
    """The core of every neuron, (C, H, W)."""
    owner = np.full(layer.shape, -1, np.int64)
    for i, core in enumerate(cores):
        if core.population == layer.name:
            owner[tuple(slice(a, b) for a, b in core.box)] = i
    return owner


def needs_of(layer: Layer, cores: tuple[Core, ...]) -> list[Array]:
    """The core of every membrane, -1 for none; more than one map where cores share membranes, as those of a max-pool do
    at the borders of their windows: in each map a membrane has one core at most.
    """
    if not isinstance(layer.op, MaxPool):
        return [owners(layer, cores)]
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


def reaches(link: Link, needs: list[Array], cores: int) -> Reaches:
    """What one projection brings to the membranes of `needs`, which are those of `cores` cores."""
    pieces = [piece for need in needs for piece in _connected(link.projection, three(link.shape), need, cores)]
    keys = np.concatenate([key.ravel() for key, *_ in pieces])
    synapses, rows = (
        np.concatenate([np.broadcast_to(piece[i], piece[0].shape).ravel() for piece in pieces]) for i in (1, 2)
    )
    held = synapses > 0
    keys, synapses, rows = merged(keys[held], (np.add, synapses[held]), (np.maximum, rows[held]))
    return Reaches(neuron=keys // cores, core=keys % cores, synapses=synapses, rows=rows)


def merged(keys: Array, *columns: tuple[np.ufunc, Array]) -> tuple[Array, ...]:
    """Every key once, in order, with the values of each column at all of its places put together."""
    if (keys[1:] > keys[:-1]).all():
        return keys, *(values for _, values in columns)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begin = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[begin], *(how.reduceat(values[order], begin) for how, values in columns)


def _connected(projection: Projection, shape: tuple[int, int, int], need: Array, cores: int) -> Iterator[Piece]:
    """All that `projection` brings to the cores of `need`, in pieces."""
    neuron = np.arange(int(np.prod(shape))).reshape(shape)
    if isinstance(projection, Sparse):
        inner = int(np.prod(projection.shape[1:]))
        target = np.repeat(np.arange(len(projection.pointer) - 1), np.diff(projection.pointer))
        core = need.ravel()[target + projection.offset * inner]
        keys, synapses = merged(projection.index * cores + core, (np.add, (core >= 0).astype(np.int64)))
        yield keys, synapses, synapses  # no two targets are known to follow one another
        return
    if isinstance(projection, Dense):
        core, count = np.unique(
            need[projection.offset : projection.offset + len(projection.weight)], return_counts=True
        )
        yield neuron.ravel()[:, None] * cores + core, np.where(core >= 0, count, 0), np.ones(1, np.int64)
        return
    assert isinstance(projection, (Conv2d, OneToOne))
    take = np.arange(shape[0]) if projection.take is None else projection.take
    if isinstance(projection, OneToOne):
        core = need[projection.offset : projection.offset + len(take)]
        yield neuron[take] * cores + core, (core >= 0).astype(np.int64), np.ones(1, np.int64)
        return
    each = len(projection.weight) // projection.groups
    inputs = projection.weight.shape[1]
    known: dict[bytes, Piece] = {}  # groups on the same cores are connected alike
    for group in range(projection.groups):
        first = projection.offset + group * each
        receiving = need[first : first + each]
        if receiving.tobytes() not in known:
            maps, count = np.unique(receiving, axis=0, return_counts=True)  # of all its channels
            known[receiving.tobytes()] = _kernel_places(projection, maps, count, shape, cores)
        places, synapses, rows = known[receiving.tobytes()]
        seen = neuron[take[group * inputs : (group + 1) * inputs]].reshape(inputs, -1)  # all connected alike
        yield seen[:, places // cores] * cores + places % cores, synapses, rows


def _kernel_places(projection: Conv2d, maps: Array, count: Array, shape: tuple[int, int, int], cores: int) -> Piece:
    """What one of the channels that are read brings to the cores; its neurons are numbered row after row.

    `maps` (n, H, W) are the cores of the channels that receive, `count` (n,) how many have each map.
    """
    place = np.arange(shape[1] * shape[2]).reshape(shape[1:])
    none = np.zeros(0, np.int64)
    found: list[Piece] = [(none, none, none)]
    height, width = projection.weight.shape[2:]
    for a in range(height):  # every row of the kernel connects a neuron with one row of targets
        keys, many = [none], [none]
        to_h, from_h = _taken(projection, 0, a, maps.shape[1], shape[1])
        for b in range(width):
            to_w, from_w = _taken(projection, 1, b, maps.shape[2], shape[2])
            core = maps[:, to_h[:, None], to_w]  # (maps, H, W)
            held = core >= 0
            keys.append((place[from_h[:, None], from_w] * cores + core)[held])
            many.append(np.broadcast_to(count[:, None, None], core.shape)[held])
        key, synapses = merged(np.concatenate(keys), (np.add, np.concatenate(many)))
        found.append((key, synapses, np.ones_like(key)))
    key, synapses, rows = (np.concatenate(values) for values in zip(*found, strict=True))
    key, synapses, rows = merged(key, (np.add, synapses), (np.add, rows))
    return key, synapses, rows


def _taken(projection: Conv2d, axis: int, tap: int, results: int, size: int) -> tuple[Array, Array]:
    """(place of the result, place of the source) that one place of the kernel connects along an axis."""
    result = np.arange(results)
    source = result * projection.strides[axis] - projection.pads[axis] + tap * projection.dilations[axis]
    upsample = projection.upsample[axis]
    inside = (source % upsample == 0) & (source >= 0) & (source // upsample < size)
    return result[inside], source[inside] // upsample
