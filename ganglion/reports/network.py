"""The network as the report shows it: populations, and one edge for every pair of them with projections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.inspection.opening import members_of
from ganglion.ir import (
    Array,
    Graph,
    GroupNeuron,
    Input,
    MaxPool,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Readout,
    Shape,
    Spikes,
    dims,
    signed_bits,
    size,
)

LONGEST = 22  # characters of a name in the graph
SHOWN = 32  # members whose thresholds are listed


@dataclass(frozen=True, kw_only=True)
class Population:
    """A population, the input or the readout. `level` is its rank; `facts` are pairs of a term and its value."""

    name: str
    label: str
    kind: str
    shape: str
    neurons: int
    level: int
    highest: int
    facts: Sequence[tuple[str, str]]
    thresholds: Sequence[tuple[str, str, str]]
    origin: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """All projections from one population to another; they have one delay, since it follows from the levels."""

    source: int
    target: int
    delay: int
    projections: Sequence[str]
    synapses: int


def populations_of(net: Graph) -> list[Population]:
    """The input, every population and the readout, in the order of `net`."""
    ops = [op for op in net.ops if isinstance(op, (Input, Membrane))]
    labels = short_names([op.name for op in ops])
    return [_population(net, op, label) for op, label in zip(ops, labels, strict=True)]


def edges_of(net: Graph, populations: Sequence[Population]) -> list[Edge]:
    """The edges between `populations`, which they name by their positions."""
    index = {p.name: i for i, p in enumerate(populations)}
    found: dict[tuple[int, int], list[Projection]] = {}
    for op in net.ops:
        if isinstance(op, Membrane):
            for name in op.inputs:
                projection = net[name]
                if isinstance(projection, Projection):
                    pair = index[projection.inputs[0]], index[op.name]
                    found.setdefault(pair, []).append(projection)
    return [
        Edge(
            source=source,
            target=target,
            delay=max(p.delay for p in projections),
            projections=[_projection(net, p) for p in projections],
            synapses=sum(p.synapses(net.typeof(p.inputs[0]).shape) for p in projections),
        )
        for (source, target), projections in found.items()
    ]


def short_names(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Names of at most `longest` characters, all different: what too long ones have in the middle becomes "…"."""
    taken: set[str] = set()
    result = []
    for name in names:
        short, kept = name, 0
        if len(name) > longest:
            kept = longest * 2 // 3
            short = f"{name[: longest - 1 - kept]}…{name[len(name) - kept :]}"
        number = 2
        stem = short
        while short in taken:
            mark = f"~{number}"
            short, number = stem[: longest - len(mark)] + mark, number + 1
        taken.add(short)
        result.append(short)
    return result


def _population(net: Graph, op: Op, label: str) -> Population:
    shape = net.typeof(op.name).shape
    value = net.typeof(op.name)
    facts = [("shape", _times(shape)), ("neurons", f"{size(shape):,}")]
    if isinstance(op, Input):
        low, high = op.real_range
        facts += [("input codes", f"{op.low} to {op.high}"), ("real range", f"{low:.4g} to {high:.4g}")]
    if isinstance(op, GroupNeuron):
        facts += [("members τ", str(op.members)), ("value of a spike θ/τ", f"{op.scale:.4g}")]
        facts += [("members that take spikes back", str(op.takers))] if op.takers else []
    if isinstance(op, PhaseNeuron):
        payloads = ", ".join(map(str, op.payloads))
        facts += [("payload of the spike, by step", payloads), ("value of a payload of 1", f"{op.scale:.4g}")]
    if isinstance(op, MaxPool):
        facts += [
            ("window", _times(op.kernel)),
            ("strides", _times(op.strides)),
            ("spikes a step", f"{op.low} to {op.high}"),
        ]
    if isinstance(op, Membrane):
        facts.append(("level", str(op.level)))
        facts.append(("membrane unit Δ", _range(op.unit, ".3g")))
        if op.interval is not None:
            bits = signed_bits(*op.interval)
            facts.append(("membrane potential", f"{op.interval[0]:,} to {op.interval[1]:,} ({bits} bits)"))
    return Population(
        name=op.name,
        label=label,
        kind=_kind(op),
        shape=_times(shape),
        neurons=size(shape),
        level=net.level(op.name),
        highest=value.high if isinstance(value, Spikes) and not isinstance(op, Input) else 0,
        facts=facts,
        thresholds=_thresholds(op) if isinstance(op, GroupNeuron) else [],
        origin=list(op.origin),
    )


def _kind(op: Op) -> str:
    if isinstance(op, GroupNeuron):
        return "relay" if ".relay" in op.name else "group neuron"
    return {Input: "input", MaxPool: "max pool", Readout: "readout"}.get(type(op), op.mnemonic.replace("-", " "))


def _thresholds(op: GroupNeuron) -> list[tuple[str, str, str]]:
    """(member, threshold, lateral inhibition) in membrane units; a range over channels; the first and last of many.
    Members that take spikes back are -1, -2, ..; where a count is sent as binary digits these are its levels.
    """
    found = members_of(op)
    tables = zip(found["members"], found["thresholds"], found["inhibition"], strict=True)
    rows = [(name.rpartition("#")[2], _range(t, ",.6g"), _range(i, ",.6g")) for name, t, i in tables]
    if len(rows) <= SHOWN:
        return rows
    half = SHOWN // 2
    return [*rows[:half], (f"{len(rows) - 2 * half} more", "…", "…"), *rows[-half:]]


def _range(values: Array, form: str) -> str:
    low, high = np.min(values).item(), np.max(values).item()
    return format(low, form) if low == high else f"{low:{form}} to {high:{form}}"


def _projection(net: Graph, op: Projection) -> str:
    form = f"{op.mnemonic} {_times(op.weight.shape)}" if op.weight.ndim else op.mnemonic
    strides: Any = getattr(op, "strides", (1, 1))
    stride = f", stride {max(strides)}" if max(strides) > 1 else ""
    return f"{form}{stride}, {op.synapses(net.typeof(op.inputs[0]).shape):,} synapses"


def _times(shape: Shape) -> str:
    """A shape with multiplication signs."""
    return dims(shape).replace("x", "\u00d7")
