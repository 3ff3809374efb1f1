"""The places of a network's mapping (`ganglion.mapping` writes its text), as far as SANA-FE's chip has them.

What SANA-FE does not have and so does not count: the second compartment of a neuron with soft reset, the neuron of a
large bias, axon entries, memory words, and what leaving a chip takes more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, GroupNeuron, Membrane, fingerprint, size

from .architecture import TARGET, Chip

VERSION = 2  # of the text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """Where a mapping has every core and every neuron.

    owner       (neurons,) by population: the core of every neuron, in C order
    x, y, slot  column and row of its tile, and place in the tile, of every core; chips stand in a row
    """

    target: str
    chips: int
    owner: Mapping[str, Array]
    x: Array
    y: Array
    slot: Array


def places_of(graph: Graph, chip: Chip) -> Places | str:
    """The places that the network's mapping gives, or why there are none for this chip.

    Raises `InputError` for a text that is no mapping of this network.
    """
    if not graph.mapping:
        return "there is no mapping (ganglion map --form cluster -o gives one; a slice keeps none)"
    try:
        d: dict[str, Any] = json.loads(graph.mapping)
        if d["mapping"] != VERSION:
            raise ValueError(f"version {d['mapping']}")
        if d["form"] != "cluster":
            return f"its mapping is of the {d['form']} form, without explicit members (ganglion map --form cluster)"
        if d["target"] != TARGET or tuple(d["mesh"]) != (chip.width, chip.height):
            return f"its mapping is for {d['target']}, which is another chip (ganglion map --target {TARGET})"
        if d["fingerprint"] != fingerprint(graph):
            return "its mapping is of another network; map it again (ganglion map --form cluster -o)"
        if d["places"] is None:
            return f"its mapping has no places, for the network does not fit on {TARGET}"
        return places(graph, chip, d)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError) as error:
        raise InputError(
            f"the mapping of '{graph.name}' is damaged: {error}", hint="map the network again (ganglion map -o)"
        ) from error


def places(graph: Graph, chip: Chip, d: Mapping[str, Any]) -> Places:
    """What the text says; `ValueError` where a neuron or a core has not just one place."""
    on_chip, x, y, slot = (np.array(a, np.int64) for a in d["places"])
    held = {op.name: graph.typeof(op.name).shape for op in graph.of(Membrane)}
    owner = {name: np.full((*shape, 1, 1)[:3], -1, np.int64) for name, shape in held.items()}
    members = {op.name: op.members if isinstance(op, GroupNeuron) else 1 for op in graph.of(Membrane)}
    for i, (population, box, _) in enumerate(d["cores"]):
        mine = owner[population][tuple(slice(a, b) for a, b in box)]
        if not mine.size or (mine >= 0).any():
            raise ValueError(f"core {i} holds no neurons of its own")
        if mine.size * members[population] > chip.compartments:
            raise ValueError(f"core {i} holds more than {chip.compartments} compartments")
        mine[...] = i
    if any((o < 0).any() for o in owner.values()):
        raise ValueError("neurons without a core")
    spots = np.stack([on_chip, x, y, slot], axis=1)
    ends = np.array([max(len(spots), 1), chip.width, chip.height, chip.cores_per_tile])
    if len(spots) != len(d["cores"]) or len(np.unique(spots, axis=0)) < len(spots):
        raise ValueError("cores without a place of their own")
    if (spots < 0).any() or (spots >= ends).any():
        raise ValueError("cores off the mesh")
    return Places(
        target=d["target"],
        chips=int(on_chip.max()) + 1,
        owner={name: o.reshape(size(held[name])) for name, o in owner.items()},
        x=on_chip * chip.width + x,
        y=y,
        slot=slot,
    )
