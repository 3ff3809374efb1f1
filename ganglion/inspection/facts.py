"""Figures and words that several formats show."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np

from ganglion.ir import Array, Cluster, Graph, GroupNeuron, Op, PhaseNeuron, Projection, Stage, Staircase, dims, size
from ganglion.ir.text import field_text

BESIDE = ("name", "inputs", "origin")  # fields of every op that are shown elsewhere than among its own


def attributes(op: Op) -> dict[str, Any]:
    """The fields that are particular to the kind of op, by name."""
    return {f.name: getattr(op, f.name) for f in fields(op) if f.name not in BESIDE}


def shown(op: Op) -> dict[str, str]:
    """`attributes` in words, without those that hold their default."""
    defaults = {f.name: f.default for f in fields(op)}
    return {
        name: array_words(value) if isinstance(value, np.ndarray) else field_text(name, value)
        for name, value in attributes(op).items()
        if isinstance(value, np.ndarray) or value != defaults[name]
    }


def array_words(array: Array) -> str:
    """`int8 16x3x3x3, -127 to 127`; one value as itself."""
    if array.size == 1:
        return f"{number(array.flat[0])} ({array.dtype})"
    return f"{array.dtype} {dims(array.shape)}" + (f", {spread(array)}" if array.size else "")


def spread(array: Array) -> str:
    """`-127 to 127`, or the only value there is."""
    low, high = array.min(), array.max()
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def number(value: Any) -> str:
    """Integers whole, real numbers to six digits."""
    return str(value) if isinstance(value, (int, np.integer)) else f"{value:.6g}"


def level(graph: Graph, op: Op) -> int | None:
    """The level of what integrates, or of the input; None for projections, and before scheduling."""
    if graph.stage < Stage.SCHEDULED or isinstance(op, Projection):
        return None
    return graph.level(op.name)


def summary(graph: Graph) -> dict[str, int]:
    """Figures of the whole network.

    populations  those whose spike counts stand for activations
    neurons      of these populations; a Group Neuron, or a cluster of members, counts once
    members      integrate-and-fire members of all of them, each phase neuron as one; 0 where there are none yet
    synapses     of all projections, those of a cluster's members counted once
    depth        the highest level; 0 before scheduling
    """
    found = [*graph.of(Staircase), *graph.populations]
    members = {op.name: op.members for op in graph.of(GroupNeuron)}
    members |= {op.name: len(op.inputs) for op in graph.of(Cluster)}
    members |= {op.name: 1 for op in graph.of(PhaseNeuron)}
    neurons = {op.name: size(graph.typeof(op.name).shape) for op in found}
    return {
        "populations": len(found),
        "neurons": sum(neurons.values()),
        "members": sum(count * neurons[name] for name, count in members.items()),
        "synapses": sum(op.synapses(graph.typeof(op.inputs[0]).shape) for op in graph.of(Projection)),
        "depth": graph.depth,
    }


def header(graph: Graph) -> dict[str, Any]:
    """The fields of the graph itself, those that say nothing yet as None."""
    return {
        "name": graph.name,
        "stage": graph.stage.name.lower(),
        "steps": graph.steps or None,
        "members": graph.members or None,
        "target": graph.target or None,
        "source": graph.source or None,
        "recipe": graph.recipe or None,
        "method": json.loads(graph.method) if graph.method else None,
        "notes": list(graph.notes),
    }


__all__ = ["array_words", "attributes", "header", "level", "number", "shown", "spread", "summary"]
