"""choose_kernels: the arithmetic with which a simulator computes each projection, with its proof.

It says nothing about the hardware, and changes no spike: whoever runs the network may take any other exact kernel.
"""

from __future__ import annotations

from dataclasses import replace

from ganglion.ir.exact import fastest, prove
from ganglion.ir.graph import Graph
from ganglion.ir.ops import Op, Projection
from ganglion.ir.types import Spikes


def choose_kernels(graph: Graph) -> Graph:
    """A quantised network, with the fastest exact kernel of every projection and the bound that proves it."""
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Projection):
            source = graph.typeof(op.inputs[0])
            assert isinstance(source, Spikes)
            proof = prove(op, source)
            op = replace(op, kernel=fastest(op, proof), bound=proof.bound)
        ops.append(op)
    return graph.rebuild(ops)
