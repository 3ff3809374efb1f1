"""GraphML, which networkx, Gephi and yEd read: one node per op, one edge per use."""

from __future__ import annotations

import re

import networkx as nx

from ganglion.errors import InputError
from ganglion.ir import format_text

from .chip import cores_by_population
from .facts import shown
from .subject import Subject

ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


def to_graphml(subject: Subject) -> str:
    """The graph that `Graph.to_networkx` gives, with the fields, integer format and placeholders of every op, and the
    cores of a population that is mapped.

    Raises `InputError` where a name holds a character that XML does not have.
    """
    for op in subject.graph.ops:
        if ILLEGAL.search(op.name):
            raise InputError(f"GraphML cannot hold the name {op.name!r}", hint="the other formats can")
    graph = subject.graph.to_networkx()
    for op in subject.graph.ops:
        graph.nodes[op.name].update(
            bits=format_text(op),
            placeholder=op.name in subject.placeholders,
            **{f"field_{name}": words for name, words in shown(op).items()},
        )
    for name, cores in cores_by_population(subject.graph).items():
        graph.nodes[name]["cores"] = cores
    for holder in (graph.graph, *(values for _, values in graph.nodes(data=True))):
        for key, value in holder.items():
            holder[key] = ILLEGAL.sub("\ufffd", value) if isinstance(value, str) else value
    return "\n".join(nx.generate_graphml(graph, named_key_ids=True))
