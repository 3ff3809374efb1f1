"""network.yaml: the neurons and where they lie, in SANA-FE's format."""

from __future__ import annotations

import numpy as np

from ganglion.ir import Conv2d, Dense, Graph, dims

from .architecture import chip
from .placement import Share
from .populations import Population, word

NEVER = 1 << 24  # a threshold above all potentials of 24 bits: the readout's


def network_text(graph: Graph, found: list[Population], shares: list[Share]) -> str:
    """network.yaml, without the synapses, which are too many for a text."""
    by_name, per_tile = {p.name: p for p in found}, chip().cores_per_tile
    placed = [
        f"  - {group}.{s.first}..{s.last}: [core: {s.core // per_tile}.{s.core % per_tile}]"
        for s in shares
        for group in by_name[s.population].groups
    ]
    return TEMPLATE.format(
        name=word(graph.name),
        steps=graph.steps,
        groups="\n".join(text for p in found for text in group_texts(p, synapse_kind(graph, p))),
        mappings="\n".join(placed),
    )


def group_texts(p: Population, kind: str) -> list[str]:
    """A population's groups. SANA-FE fires at V > threshold, a member at V >= threshold: half a unit less is the same
    for whole numbers."""
    rows = np.full((1, *p.bias.shape), NEVER) if p.readout else p.thresholds
    log = "log_potential: true" if p.readout else "log_spikes: true"
    texts = []
    for group, row in zip(p.groups, rows, strict=True):
        begins = np.flatnonzero(np.diff(row, prepend=row[0] - 1))
        runs = zip(begins, [*begins[1:], row.size], strict=True)
        neurons = "\n".join(f"        - {a}..{b - 1}: [threshold: {int(row[a]) - 1}.5]" for a, b in runs)
        texts.append(GROUP.format(group=group, shape=dims(p.shape), log=log, kind=kind, neurons=neurons))
    return texts


def synapse_kind(graph: Graph, p: Population) -> str:
    """Which kind of synapse, of those whose energies are known, brings most of what a population receives."""
    kinds = {type(graph[name]) for name in p.inputs}
    return "conv" if Conv2d in kinds else "dense" if kinds == {Dense} else "sparse"


GROUP = """\
    - name: {group}  # {shape}
      attributes:
        - soma_hw_name: member
        - synapse_hw_name: {kind}
        - dendrite_hw_name: {kind}_dendrite
        - {log}
        - {{reset_mode: none, leak_decay: 1.0, input_decay: 0.0}}
      neurons:
{neurons}"""

TEMPLATE = """\
# The neurons of a spiking network and the cores that hold them, for SANA-FE. A group is one member of each cluster of
# a population; no member resets itself, its cluster's lateral inhibition does. run.py adds the synapses from
# weights.npz, and sets the biases while a population's window of {steps} steps lasts.
network:
  name: {name}
  groups:
{groups}
  edges: []
mappings:
{mappings}
"""
