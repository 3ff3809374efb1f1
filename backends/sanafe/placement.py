"""Which core holds which neurons, and where the cores are.

A network that keeps a mapping of its cluster form onto this chip (`ganglion map -o`) lies where the mapping says. Any
other takes the simplest legal placement: cores are filled in the network's order, a cluster's members lie on one core;
it counts compartments alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Graph, Membrane, size

from .architecture import Chip
from .mapped import Places, places_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The neurons `first`, ..., `last` (C order) of a population, with all their members, on core `core`.

    Core k is the core k mod n of tile k div n, of the n cores of a tile.
    """

    population: str
    first: int
    last: int
    core: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A core for every neuron.

    width, height  of the mesh in tiles; SANA-FE numbers them column after column
    tiles          as many as the last core needs
    mapped         whether a mapping says so
    told           one sentence that says where it is from
    """

    shares: list[Share]
    width: int
    height: int
    tiles: int
    mapped: bool
    told: str

    @property
    def cores(self) -> int:
        """How many hold neurons."""
        return len({s.core for s in self.shares})


def placement(graph: Graph, chip: Chip) -> Placement:
    """The mapping's placement where `graph` keeps one for `chip`, else the simplest one.

    Raises `InputError` where the mapping is damaged.
    """
    places = places_of(graph, chip)
    if isinstance(places, Places):
        return follow(graph, chip, places)
    shares = in_order(graph, chip)
    tiles = -(-(shares[-1].core + 1) // chip.cores_per_tile)
    return Placement(
        shares=shares,
        width=chip.width,
        height=chip.height * -(-tiles // (chip.width * chip.height)),
        tiles=tiles,
        mapped=False,
        told=f"cores are filled in the network's order, by compartments alone: {places}",
    )


def follow(graph: Graph, chip: Chip, places: Places) -> Placement:
    """Every neuron where the mapping has it. Chips stand in a row, as one wider mesh."""
    shares = []
    tile = places.x * chip.height + places.y
    core = tile * chip.cores_per_tile + places.slot
    for op in graph.of(Membrane):
        owner = places.owner[op.name]
        shares += [
            Share(population=op.name, first=first, last=last, core=int(core[owner[first]]))
            for first, last in runs(owner)
        ]
    return Placement(
        shares=shares,
        width=chip.width * places.chips,
        height=chip.height,
        tiles=int(tile.max()) + 1,
        mapped=True,
        told=f"every neuron is on the core and tile that the network's mapping to {places.target} gives it",
    )


def runs(values: Array) -> Iterable[tuple[int, int]]:
    """First and last index of all runs of equal values."""
    begin = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    return zip(begin.tolist(), [*(begin[1:] - 1).tolist(), len(values) - 1], strict=True)


def in_order(graph: Graph, chip: Chip) -> list[Share]:
    """A core for every neuron of every population and of the readout, as many members to a core as `chip` has
    compartments there."""
    shares: list[Share] = []
    core, free = 0, chip.compartments
    for op in graph.of(Membrane):
        members, first, neurons = getattr(op, "members", 1), 0, size(graph.typeof(op.name).shape)
        while first < neurons:
            if free < members:
                core, free = core + 1, chip.compartments
            count = min(free // members, neurons - first)
            shares.append(Share(population=op.name, first=first, last=first + count - 1, core=core))
            first, free = first + count, free - count * members
    return shares
