"""Where a value that stays linear is worth a population of its own.

Several readers of one linear value (dense connectivity, pre-activation residual nets, linear bottlenecks) each get
a projection of their own when it is composed into them; a relay population, a Group Neuron of 255 members whose
counts stand for low, low + step, ..., high, receives the value once and sends it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ganglion.errors import CompileError
from ganglion.ir import affine, linear
from ganglion.ir.affine import MATRIX_LIMIT, Affine
from ganglion.ir.graph import Graph
from ganglion.ir.ops import (
    Array,
    Bias,
    Concat,
    Conv2d,
    Dense,
    Gather,
    MaxPool,
    OneToOne,
    Op,
    Projection,
    Range,
    Reshape,
    Staircase,
    Sum,
)
from ganglion.ir.types import size

MARGIN = 1.25  # how much further than calibration has seen a relay's counts reach
LEVELS = 255  # of a relay: its counts fit 8 bits
NEURON = 4  # what a neuron costs, in synapses: updates take 81 pJ, synaptic operations 23.6 (Davies et al., 2018)
FAN_IN = 1 << 13  # inputs of a neuron beyond which membranes of 24 bits cost its weights too many of theirs
PASSING = (Bias, Reshape, Range, Sum, Concat, Gather)  # these and `OneToOne` make no synapses of their own
IN_PLACE = (Bias, Range)  # of these, the ones that leave every value where it is


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a relay stands there, and what to tell of it."""

    relay: bool
    note: str = ""


def decide(graph: Graph, op: Range, value: Affine) -> Choice:
    """Relay or composition for the value at `op`: what costs less; counted in synapses, a neuron as `NEURON`."""
    if affine.is_spikes(value):
        return Choice(False)
    neurons = size(value.view)
    readers = list(_readers(graph, op.name))
    composed, relayed, forced = 0, value.synapses + NEURON * neurons, False
    for reader, direct in readers:
        if isinstance(reader, Projection):
            cost, possible = _composed(graph, reader, value, direct)
            composed += cost
            shape, out = graph.typeof(reader.inputs[0]).shape, size(graph.typeof(reader.name).shape)
            alone = reader.synapses(shape) * neurons // max(neurons, size(shape))
            relayed += alone
            forced |= not possible and cost > MATRIX_LIMIT
            forced |= cost > FAN_IN * out and cost > 2 * alone
        else:
            composed += value.synapses
            relayed += neurons
            forced |= direct and isinstance(reader, MaxPool)
    where = ", ".join(op.origin) or op.name
    if forced:
        why = (
            "of which the maximum is taken"
            if readers and not isinstance(readers[0][0], Projection)
            else (f"which {len(readers)} reader{'s' * (len(readers) != 1)} cannot take over in one projection each")
        )
        return Choice(True, f"{where}: a relay population of {neurons} neurons for a linear value, {why}")
    if len(readers) < 2 and not isinstance(readers[0][0] if readers else None, Projection):
        return Choice(False)
    names = f"{len(readers)} reader{'s' * (len(readers) != 1)}"
    if relayed < composed:
        text = f"a relay population of {neurons} neurons for {names}: cost {relayed:,}, composed {composed:,}"
        return Choice(True, f"{where}: {text}")
    return Choice(False, f"{where}: composed into {names}: cost {composed:,}, with a relay population {relayed:,}")


def _readers(graph: Graph, name: str) -> Iterator[tuple[Op, bool]]:
    """The populations and weighty projections that see the value `name`, and whether nothing lies between."""
    seen: set[str] = set()
    stack = [(name, True)]
    while stack:
        current, direct = stack.pop()
        for op in graph.consumers(current):
            if op.name in seen:
                continue
            seen.add(op.name)
            if isinstance(op, PASSING) or (isinstance(op, OneToOne) and op.weight.ndim <= 1):
                stack.append((op.name, direct and isinstance(op, IN_PLACE)))
            else:
                yield op, direct


def _composed(graph: Graph, reader: Projection, value: Affine, direct: bool) -> tuple[int, bool]:
    """The synapses of `reader` after `value`, and whether there is such a projection (else a sparse matrix)."""
    shape = graph.typeof(reader.inputs[0]).shape
    if isinstance(reader, Dense):  # every neuron of the sources reaches every one behind it
        return sum(len(reader.weight) * size(t.shape) for t in value.terms), True
    if value.native != value.view or (isinstance(reader, (Conv2d, OneToOne)) and shape[1:] != value.native[1:]):
        return size(graph.typeof(reader.name).shape) * max(t.synapses // size(value.view) for t in value.terms), True
    if shape != value.native and isinstance(reader, Conv2d):  # joined with others: it sees some channels only
        reader = replace(linear.restrict(reader, 0, min(value.native[0], shape[0]), shape), offset=0, channels=0)
    elif shape != value.native:
        return value.synapses, True
    total, possible = 0, True
    for term in value.terms:
        try:
            cost, fits = linear.composed_synapses(term.map, reader, term.shape)
        except CompileError:  # with fewer channels than the reader's groups need: only an estimate is lost
            cost, fits = term.synapses, True
        total, possible = total + cost, possible and fits
    return total, possible


def relay(op: Range, value: Affine, name: str) -> tuple[Staircase, Affine, OneToOne, Array]:
    """The relay population, what arrives at it, and what its counts stand for: gain and base per channel."""
    low, high = (np.asarray(b, np.float64) for b in (op.low, op.high))
    if value.native[0] != value.view[0]:
        low, high = low.min(), high.max()
    low, high = MARGIN * np.minimum(low, 0), MARGIN * np.maximum(high, 0)
    widest = float((high - low).max()) or 1.0
    step = np.maximum(high - low, 1e-3 * widest) / LEVELS
    base = -np.rint(-low / step) * step  # so that 0 is one of the levels
    population = Staircase(
        name=name,
        origin=op.origin,
        step=1.0,
        levels=LEVELS,
        members=LEVELS,
        value=op.value,
        gain=step,
        base=np.asarray(base),
        low=np.array(-np.inf),
        high=np.array(np.inf),
    )
    inverse = OneToOne(name="", origin=op.origin, weight=1 / step)
    arriving = affine.bias(op, -base / step, affine.project(inverse, value))
    population = replace(population, bias=affine.compact(arriving.bias, arriving.native))
    return population, arriving, OneToOne(name="", origin=op.origin, weight=step), base
