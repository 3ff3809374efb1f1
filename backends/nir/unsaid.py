"""What NIR cannot say of a network, by name, and of which ops each holds.

None of it makes the graph a wrong one, but a reader that does not know it gets similar spikes at best.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganglion.ir import Graph, GroupNeuron, Membrane, Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaid:
    """One thing that NIR cannot say, and the ops that it is about."""

    name: str
    meaning: str
    ops: tuple[str, ...]

    def __str__(self) -> str:
        return f"NIR cannot say: {self.name}. {self.meaning}"


def unsaid(graph: Graph) -> list[Unsaid]:
    """All that NIR cannot say of the quantized network `graph`."""
    source, readout = graph.input, graph.readout
    membranes, projections = graph.of(Membrane), graph.of(Projection)
    plain = [op.name for op in graph.of(GroupNeuron) if op.members == 1]
    known = [
        (
            "input codes",
            f"What enters are whole numbers {source.low}..{source.high}, the same at each of {graph.steps} steps; code "
            f"c stands for (c - {source.zero_point}) * {source.scale:.9g}.",
            [source.name],
        ),
        (
            "windows",
            f"A sample has T = {graph.steps} steps. A population at level L (its metadata) handles it from step L on: "
            "at first its potential is set back, and outside of this window it neither integrates nor fires.",
            [op.name for op in membranes],
        ),
        (
            "bias in windows",
            "A bias is added at the steps of a window and at no others.",
            [op.name for op in membranes if op.bias is not None],
        ),
        (
            "soft reset",
            "An IF node that fires loses v_threshold and keeps the rest; NIR sets it to v_reset.",
            plain,
        ),
        (
            "initial potential",
            "An IF node begins each window with the potential ganglion_v_0 of its metadata, so that it rounds to the "
            "nearest; NIR knows no such value.",
            plain,
        ),
        (
            "threshold",
            "A Threshold node sends 1 at every step at which its input is above the threshold; NIR's documents also "
            "have it send when the threshold is crossed.",
            [op.name for op in graph.of(GroupNeuron) if op.members > 1],
        ),
        (
            "synaptic latency",
            "What is sent at step g arrives at step g + 1, or later by a Delay node; also what a Threshold node of a "
            "cluster sends back to its integrator. NIR's edges take no time.",
            [op.name for op in projections],
        ),
        (
            "delays in steps",
            "The unit of a Delay node is one step.",
            [op.name for op in projections if op.delay],
        ),
        (
            "integers",
            "All weights, thresholds and potentials are whole numbers of known width; NIR's are floats, which hold "
            "them exactly.",
            [op.name for op in (*projections, *membranes)],
        ),
        (
            "value of the output",
            f"The logits are v * unit / T, with v of the I node after the last step of its window and unit = "
            f"ganglion_unit of the metadata of '{readout.name}'.",
            [readout.name],
        ),
    ]
    return [Unsaid(name=name, meaning=meaning, ops=tuple(ops)) for name, meaning, ops in known if ops]
