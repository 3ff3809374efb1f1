"""Finds a population by name and opens it, in the graded form, the cluster form, or before there are members."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import (
    Cluster,
    Graph,
    GroupNeuron,
    IntegrateFire,
    LateralInhibition,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Spikes,
    Stage,
    Staircase,
    integer_format,
)
from ganglion.ir.passes.expand_clusters import joined

from .chip import cores_of
from .facts import level
from .population import Arrival, OpenedPopulation
from .subject import Subject


def open_population(subject: Subject, name: str) -> OpenedPopulation:
    """The population `name` of a network of any stage; a member or the lateral inhibition stands for its cluster.

    Raises `InputError` where there is no such population, with the nearest names.
    """
    graph = subject.graph
    op = _found(graph, name)
    first = graph[op.inputs[0]] if isinstance(op, Cluster) else op
    value = graph.typeof(op.name)
    common: dict[str, Any] = {"thresholds": np.zeros(0), "inhibition": np.zeros(0), "members": (), "inhibited_by": None}
    common["payloads"] = np.zeros(0, np.int32)
    if isinstance(op, GroupNeuron):
        common |= members_of(op)
    elif isinstance(op, PhaseNeuron):
        names = tuple(f"step {s}" for s in range(len(op.payloads)))
        common |= {"members": names, "thresholds": op.thresholds, "payloads": op.payloads}
    elif isinstance(op, Cluster):
        common |= _cluster(graph, op)
    elif isinstance(op, Staircase):
        common |= _staircase(op)
    scale = "step" if isinstance(op, Staircase) else "scale"
    scheduled = graph.stage >= Stage.SCHEDULED
    return OpenedPopulation(
        name=op.name,
        kind=op.mnemonic,
        origin=op.origin,
        shape=value.shape,
        level=level(graph, op),
        steps=graph.steps if scheduled else None,
        spikes=(value.low, value.high) if isinstance(value, Spikes) else None,
        scale=np.asarray(getattr(op, scale)) if hasattr(op, scale) else None,
        unit=first.unit if isinstance(first, Membrane) else np.array(1.0),
        interval=first.interval if isinstance(first, Membrane) else None,
        bias=first.bias if isinstance(first, (Membrane, Staircase)) else None,
        arrivals=tuple(_arrival(graph, i, level(graph, op)) for i in first.inputs),
        readers=tuple(reader.name for reader in graph.consumers(op.name)),
        placeholder=op.name in subject.placeholders,
        on_chip=cores_of(graph, op.name),
        **common,
    )


def _found(graph: Graph, name: str) -> Op:
    """The population, or the cluster, that `name` means."""
    known = {op.name: op for op in graph.ops if _is_population(op)}
    for cluster in graph.of(Cluster):
        parts = {m.inhibited_by for m in map(graph.__getitem__, cluster.inputs) if isinstance(m, IntegrateFire)}
        if name in cluster.inputs or name in parts:
            return cluster
    if name in known:
        return known[name]
    if name in graph:
        readers = [r.name for r in graph.consumers(name) if r.name in known]
        hint = f"it feeds {', '.join(readers)}" if readers else f"the populations are {_some(list(known))}"
        raise InputError(f"'{name}' is no population but an op of kind {graph[name].mnemonic}", hint=hint)
    near = get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the populations are {_some(list(known))}"
    raise InputError(f"'{graph.name}' has no population '{name}'", hint=hint)


def _is_population(op: Op) -> bool:
    return isinstance(op, (Membrane, Staircase, Cluster)) and not isinstance(op, IntegrateFire)


def _some(names: list[str], limit: int = 12) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def members_of(op: GroupNeuron) -> dict[str, Any]:
    """Its members as `expand_clusters` calls them, those that take spikes back last: they inhibit by less than 0."""
    name = "level {}" if op.digits else f"{op.name}#{{}}"
    names = [name.format(k + 1) for k in range(op.levels)]
    thresholds, inhibition = op.thresholds, op.inhibition
    if op.taking is not None:
        negative, excitation = op.taking
        names += [name.format(-j - 1) for j in range(op.takers)]
        thresholds, inhibition = joined(thresholds, negative), joined(inhibition, -excitation)
    return {"thresholds": thresholds, "inhibition": inhibition, "members": tuple(names)}


def _cluster(graph: Graph, op: Cluster) -> dict[str, Any]:
    members = [m for m in (graph[name] for name in op.inputs) if isinstance(m, IntegrateFire)]
    inhibition = graph[members[0].inhibited_by]
    assert isinstance(inhibition, LateralInhibition), "the verifier demands it of every cluster"
    return {
        "members": tuple(m.name for m in members),
        "thresholds": np.stack([m.threshold for m in members]),
        "inhibition": inhibition.weights,
        "inhibited_by": inhibition.name,
    }


def _staircase(op: Staircase) -> dict[str, Any]:
    """The levels of a staircase as the members of a Group Neuron of tau = L would have them, in real units."""
    k = np.arange(1, op.levels + 1)
    thresholds = (k - 0.5) * op.step if op.thresholds is None else op.thresholds
    names = tuple(f"level {i}" for i in k)
    return {"members": names, "thresholds": thresholds, "inhibition": np.full(thresholds.shape, op.step)}


def _arrival(graph: Graph, name: str, at: int | None) -> Arrival:
    """What the op `name` brings to a population at level `at`."""
    op = graph[name]
    if not isinstance(op, Projection):
        rest: dict[str, Any] = {"weights": None, "bits": None, "exponent": 0, "delay": 0, "synapses": 0}
        return Arrival(name=name, op=op.mnemonic, source=", ".join(op.inputs), arrives=at, **rest)
    return Arrival(
        name=name,
        op=op.mnemonic,
        source=op.inputs[0],
        weights=op.weight,
        bits=integer_format(op).get("weights"),
        exponent=op.exponent,
        delay=op.delay,
        synapses=op.synapses(graph.typeof(op.inputs[0]).shape),
        arrives=at,
    )
