"""From a foreign NIR graph to the IR: what cannot be read, the order of the nodes, and where the network ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from ganglion.errors import CompileError
from ganglion.frontend.input_format import InputFormat
from ganglion.ir import Array, Graph, Input, Readout

from .nodes import HANDLERS, REASONS, Translation, fail, gained

ENDS = ("Input", "Output", "I")


@dataclass(frozen=True, slots=True)
class Imported:
    """A network at stage IMPORTED, whose staircases stand for integrate-and-fire neurons with these v_thresholds."""

    graph: Graph
    thresholds: dict[str, Array]


def translate(source: Any, label: str, codes: InputFormat) -> Imported:
    """The `nir.NIRGraph` `source` in the IR, with a soft reset; its input enters in `codes`.

    What reaches Output is integrated by a readout: spikes are counted. An I node before it is that readout. Raises
    `CompileError`, naming the nodes, where there is no such network.
    """
    nodes: dict[str, Any] = source.nodes
    refuse_unknown(nodes)
    order, sources = ordered(source)
    t = Translation(taken=set(nodes))
    values: dict[str, str] = {}
    for name in order:
        node, kind = nodes[name], type(nodes[name]).__name__
        arriving = [values[s] for s in sources[name]]
        if kind == "Input":
            shape = tuple(int(n) for n in np.asarray(node.input_type["input"]).reshape(-1))
            values[name] = t.add(Input(name=name, shape=shape, **codes.fields()))
        elif kind == "Output":
            check_arriving(t, name, node, arriving)
            value = t.total(name, arriving)
            values[name] = t.add(Readout(name=name, inputs=(value,), origin=(name,), unit=np.array(1.0)))
        else:
            check_arriving(t, name, node, arriving)
            value = t.total(name, arriving)
            values[name] = gained(t, name, node, value) if kind == "I" else HANDLERS[kind](t, name, node, value)
    notes = (codes.note,) if codes.note else ()
    return Imported(Graph(ops=tuple(t.ops), name=label, notes=notes), t.thresholds)


def refuse_unknown(nodes: dict[str, Any]) -> None:
    """Raise `CompileError` with every node that cannot be read, and why."""
    refused = {name: type(node).__name__ for name, node in nodes.items()}
    refused = {name: kind for name, kind in refused.items() if kind not in HANDLERS and kind not in ENDS}
    if refused:
        listed = "\n".join(f"  {n}: {k}: {REASONS.get(k, 'is not known')}" for n, k in refused.items())
        raise CompileError(
            f"{len(refused)} of {len(nodes)} nodes cannot be read:\n{listed}",
            origin=list(refused),
            hint=f"the nodes that can: {', '.join((*HANDLERS, *ENDS))}",
        )


def ordered(source: Any) -> tuple[list[str], dict[str, list[str]]]:
    """The nodes so that each comes after those that it reads, and which these are.

    Raises `CompileError` unless everything lies between the only Input and the only Output, with no way back.
    """
    nodes: dict[str, Any] = source.nodes
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(nodes)
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in source.edges:
        for name in (a, b):
            if name not in nodes:
                raise CompileError(f"an edge {a} -> {b} leads to or from a node that does not exist", origin=[name])
        graph.add_edge(a, b)
        sources[b].append(a)
    for kind in ("Input", "Output"):
        found = [name for name, node in nodes.items() if type(node).__name__ == kind]
        if len(found) != 1:
            hint = "wrap the nodes in a graph with one Input and one Output"
            raise CompileError(f"the graph has {len(found)} {kind} nodes; it must have one", origin=found, hint=hint)
    if not nx.is_directed_acyclic_graph(graph):
        loop = [a for a, _ in nx.find_cycle(graph)]
        raise CompileError(
            f"the connections {' -> '.join([*loop, loop[0]])} lead back",
            origin=loop,
            hint="recurrent networks have no windows that samples could share; only feed-forward ones are read",
        )
    for name, node in nodes.items():
        kind = type(node).__name__
        if kind != "Input" and not sources[name]:
            raise fail(name, node, "nothing leads to it")
        if kind != "Output" and not graph.out_degree(name):
            raise fail(name, node, "it leads nowhere", "remove it, or connect it")
        if kind == "Input" and sources[name]:
            raise fail(name, node, "something leads to it")
        if kind == "I" and [type(nodes[s]).__name__ for s in graph.successors(name)] != ["Output"]:
            hint = "an integrator is a readout, and leads to the Output alone"
            raise fail(name, node, "its potential is read by other nodes", hint)
        if kind == "Output" and graph.out_degree(name):
            raise fail(name, node, "it leads on")
    integrators = [s for name in nodes if type(nodes[name]).__name__ == "Output" for s in sources[name]]
    if len(integrators) > 1 and any(type(nodes[s]).__name__ == "I" for s in integrators):
        raise CompileError("an integrator and other nodes lead to the Output", origin=integrators)
    return list(nx.lexicographical_topological_sort(graph)), sources


def check_arriving(t: Translation, name: str, node: Any, values: list[str]) -> None:
    """Demand that all that arrives has one shape, and where the node has one, that it is this."""
    shapes = {t.shape(value) for value in values}
    if len(shapes) != 1:
        raise fail(name, node, f"what arrives has different shapes: {', '.join(map(str, sorted(shapes)))}")
    expected = (node.output_type or {}).get("output") if type(node).__name__ == "Output" else None
    if expected is not None:
        wanted, (shape,) = tuple(int(n) for n in np.asarray(expected).reshape(-1)), shapes
        if wanted != shape:
            raise fail(name, node, f"it has shape {wanted}; {shape} arrives")


__all__ = ["Imported", "translate"]
