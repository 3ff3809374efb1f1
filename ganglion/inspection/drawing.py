"""Graphviz: populations as nodes, one row per level, projections as edges; `dot -Tsvg` draws it.

Before composition every op is a node. In the cluster form a box holds the members of a cluster and their lateral
inhibition, whose feedback is dashed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ganglion.ir import (
    Cluster,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Readout,
    Stage,
    Staircase,
    dims,
    format_text,
)
from ganglion.mapping.words import count

from .chip import cores_by_population
from .facts import level, number
from .subject import Subject

COLOURS: dict[type[Op], str] = {
    Input: "#d9ead3",
    GroupNeuron: "#d0e0f5",
    PhaseNeuron: "#d0e0f5",
    IntegrateFire: "#d0e0f5",
    Staircase: "#d0e0f5",
    LateralInhibition: "#fbe3d0",
    MaxPool: "#e6dcf2",
    Readout: "#fff2cc",
}
MANY = 400  # edges; from there on Graphviz would take minutes to draw its best
QUICK = "splines=line, nslimit=2, nslimit1=2, mclimit=0.2"
LATE, FEEDBACK, GREY = "#b45f06", "#a61c00", "#666666"


def to_dot(subject: Subject) -> str:
    """The source of the drawing. Nodes are called n0, n1, ... by the order of their ops; the names are labels."""
    return "\n".join(line for line in Drawing(subject).lines() if line) + "\n"


class Drawing:
    """One network, and the identifiers of its nodes."""

    def __init__(self, subject: Subject) -> None:
        self.graph, self.placeholders = subject.graph, subject.placeholders
        self.ids = {op.name: f"n{i}" for i, op in enumerate(self.graph.ops)}
        self.cluster_of = {name: c.name for c in self.graph.of(Cluster) for name in c.inputs}
        self.box_of = {c.name: f"cluster_{self.ids[c.name]}" for c in self.graph.of(Cluster)}
        self.cores = cores_by_population(self.graph)
        self.composed = self.graph.stage >= Stage.COMPOSED

    def lines(self) -> Iterator[str]:
        graph, edges = self.graph, list(self.edges())
        steps = f", T = {graph.steps}" if graph.steps else ""
        yield f"digraph {quoted(graph.name)} {{"
        yield f"  graph [label={label(f'{graph.name}: {graph.stage.name.lower()}{steps}')}, labelloc=t, compound=true,"
        yield '    newrank=true, fontname="Helvetica", fontsize=14, ranksep=0.6, nodesep=0.35];'
        yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11];'
        yield f'  edge [fontname="Helvetica", fontsize=9, color="{GREY}", fontcolor="{GREY}"];'
        inside = {name for cluster in graph.of(Cluster) for name in self.parts(cluster)}
        for op in graph.ops:
            if isinstance(op, Cluster):
                yield from self.box(op)
            elif op.name not in inside and not (self.composed and isinstance(op, Projection)):
                yield f"  {self.node(op)}"
        yield from self.ranks()
        yield f"  graph [{QUICK}];" if len(edges) > MANY else ""
        yield from edges
        yield "}"

    def node(self, op: Op) -> str:
        value = self.graph.typeof(op.name)
        words = [op.name, self.kind(op), dims(value.shape)]
        words += [format_text(op).replace(", ", "\n")] if format_text(op) else []
        words += ["levels: placeholder"] if op.name in self.placeholders and isinstance(op, Staircase) else []
        words += [count(self.cores[op.name], "core")] if op.name in self.cores else []
        colour = next((c for kind, c in COLOURS.items() if isinstance(op, kind)), "#f5f5f5")
        origin = ", ".join(op.origin) or op.name
        return f'{self.ids[op.name]} [label={label(*words)}, fillcolor="{colour}", tooltip={label(origin)}];'

    def kind(self, op: Op) -> str:
        if isinstance(op, GroupNeuron):
            return f"{op.mnemonic}, tau = {op.members}"
        if isinstance(op, Staircase):
            return op.mnemonic if op.name in self.placeholders else f"{op.mnemonic}, L = {op.levels}"
        if isinstance(op, Input):
            low, high = op.real_range
            return f"codes {op.low}..{op.high}: {number(low)} to {number(high)}"
        return op.mnemonic

    def box(self, cluster: Cluster) -> Iterator[str]:
        """A cluster's members beside each other, and what inhibits them."""
        title = f"{cluster.name}: {len(cluster.inputs)} members"
        yield f"  subgraph {self.box_of[cluster.name]} {{"
        yield f'    label={label(title)}; labeljust=l; style="rounded"; color="#9db7d5"; fontname="Helvetica";'
        for name in self.parts(cluster):
            yield f"    {self.node(self.graph[name])}"
        yield f"    {' -> '.join(self.ids[name] for name in cluster.inputs)} [style=invis];"  # keeps them in order
        yield "  }"

    def parts(self, cluster: Cluster) -> list[str]:
        inhibited = {self.member(name).inhibited_by: None for name in cluster.inputs}
        return [*cluster.inputs, *inhibited]

    def member(self, name: str) -> IntegrateFire:
        op = self.graph[name]
        assert isinstance(op, IntegrateFire), "a cluster's inputs are its members"
        return op

    def ranks(self) -> Iterator[str]:
        """One row per level, at the left its number."""
        rows: dict[int, list[str]] = {}
        for op in self.graph.ops:
            at = level(self.graph, op) if isinstance(op, (Membrane, Input)) else None
            if at is not None:
                rows.setdefault(at, []).append(self.ids[op.name])
        for at, ids in sorted(rows.items()):
            yield f'  level{at} [label="level {at}", shape=plaintext, style="", fontcolor="{GREY}"];'
            yield f"  {{ rank=same; level{at}; {'; '.join(ids)}; }}"
        if len(rows) > 1:
            yield f"  {' -> '.join(f'level{at}' for at in sorted(rows))} [style=invis];"

    def edges(self) -> Iterator[str]:
        for op in self.graph.ops:
            if isinstance(op, LateralInhibition):
                for name in op.inputs:
                    yield f"  {self.ids[name]} -> {self.ids[op.name]} [arrowsize=0.6];"
                    dashed = f'style=dashed, color="{FEEDBACK}", constraint=false, arrowsize=0.6'
                    yield f"  {self.ids[op.name]} -> {self.ids[name]} [{dashed}];"
            elif not self.composed:
                for name in op.inputs:
                    shape = dims(self.graph.typeof(name).shape)
                    yield f"  {self.ids[name]} -> {self.ids[op.name]} [label={label(shape)}];"
            elif isinstance(op, Projection):
                yield from (f"  {line}" for line in self.projection(op))

    def projection(self, op: Projection) -> Iterator[str]:
        """One edge to each population that reads it; a cluster's members share one, to their box."""
        words = [f"{op.mnemonic} {dims(op.weight.shape)}"]
        words += [format_text(op)] if format_text(op) else []
        words += [f"delay {op.delay}"] if op.delay else []
        look = f"label={label(*words)}, tooltip={label(op.name)}, labeltooltip={label(op.name)}"
        look += f', color="{LATE}", fontcolor="{LATE}", penwidth=1.6' if op.delay else ""
        readers = dict.fromkeys(self.cluster_of.get(r.name, r.name) for r in self.graph.consumers(op.name))
        for reader in readers:
            ends = f"{self.tail(op.inputs[0])} -> {self.head(reader)}"
            yield f"{ends} [{look}{self.cut('ltail', op.inputs[0])}{self.cut('lhead', reader)}];"

    def tail(self, name: str) -> str:
        """The node at which an edge from the population `name` begins: in a box the lowest one."""
        op = self.graph[name]
        return self.ids[self.parts(op)[-1] if isinstance(op, Cluster) else name]

    def head(self, name: str) -> str:
        """The node at which an edge to the population `name` ends: in a box one in the middle of its top row."""
        op = self.graph[name]
        return self.ids[op.inputs[(len(op.inputs) - 1) // 2] if isinstance(op, Cluster) else name]

    def cut(self, end: str, name: str) -> str:
        """Cuts an edge off at the box of the cluster `name`, if it is one."""
        return f", {end}={self.box_of[name]}" if name in self.box_of else ""


def quoted(text: str) -> str:
    """`text` as an identifier of Graphviz."""
    return '"' + re.sub(r"[\x00-\x1f\x7f]", "\ufffd", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def label(*lines: str) -> str:
    """`lines` as a label, with nothing in them that Graphviz would read as an escape or as an HTML entity."""
    parts = [part for line in lines for part in line.split("\n")]
    return '"' + "\\n".join(quoted(part.replace("&", "&amp;"))[1:-1] for part in parts) + '"'
