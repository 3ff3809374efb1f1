"""Which core holds which neurons.

The simplest legal placement: cores are filled in the network's order, a cluster's members lie on one core. It counts
compartments alone; a mapping that knows synapses, axons and thresholds can take its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganglion.ir import Graph, Membrane, size

from .architecture import Chip


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The neurons `first`, ..., `last` (C order) of a population, with all their members, on core `core`."""

    population: str
    first: int
    last: int
    core: int


def placement(graph: Graph, chip: Chip) -> list[Share]:
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
