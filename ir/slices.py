"""Parts of a network that are networks of their own."""

from __future__ import annotations

from ganglion.errors import InputError

from .graph import Graph
from .ops import Projection


def first_populations(graph: Graph, count: int) -> Graph:
    """The first `count` populations of `graph`, in its order, with their projections; without the readout.

    What comes later sends nothing back, so the spikes of these are the same as in the whole network. Raises
    `InputError` where there are no such populations.
    """
    there = graph.populations
    if not 1 <= count <= len(there):
        raise InputError(
            f"there is no slice of {count} populations: '{graph.name}' has {len(there)}",
            hint=f"between 1 and {len(there)}",
        )
    last = graph.ops.index(there[count - 1])
    begun = graph.ops[: last + 1]
    read = {name for op in begun if not isinstance(op, Projection) for name in op.inputs}
    return graph.rebuild([op for op in begun if not isinstance(op, Projection) or op.name in read])
