"""compose: everything linear between two populations becomes one projection per source population.

AveragePool then Conv is a Conv with a larger kernel and stride; Add makes two projections into one
population; a bias on the way becomes the receiving population's bias. Exact, in float64.

Where calibration has left a `Range`, a relay population takes the place of the value if that costs less, or if there
is no such projection (relays.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ganglion.errors import InternalError
from ganglion.ir import affine
from ganglion.ir.affine import Affine, compact
from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import (
    Bias,
    Concat,
    Gather,
    Input,
    MaxPool,
    OneToOne,
    Op,
    Projection,
    Range,
    Readout,
    Reshape,
    Staircase,
    Sum,
    per_channel,
)

from .relays import decide, relay


def compose(graph: Graph, relays: bool = True) -> Graph:
    """IMPORTED -> COMPOSED; without `relays`, as if nothing had been calibrated."""
    work = _Composition(graph, relays)
    for op in graph.ops:
        inputs = [work.values[name] for name in op.inputs]
        rule = next(rule for kind, rule in RULES.items() if isinstance(op, kind))
        work.values[op.name] = rule(work, op, inputs)
    return graph.rebuild(work.ops, stage=Stage.COMPOSED, notes=(*graph.notes, *work.notes))


class _Composition:
    """The composed network in the making: its ops, what each value of the imported one is, and the names in use."""

    def __init__(self, graph: Graph, relays: bool) -> None:
        self.graph, self.relays = graph, relays
        self.ops: list[Op] = []
        self.notes: list[str] = []
        self.values: dict[str, Affine] = {}
        self.taken = {op.name for op in graph.ops if isinstance(op, (Input, Staircase, MaxPool, Readout))}

    def input(self, op: Input, inputs: list[Affine]) -> Affine:
        self.ops.append(op)
        return replace(affine.identity(op.name, op.shape), bias=np.array(-op.zero_point * op.scale))

    def population(self, op: Staircase | Readout, inputs: list[Affine]) -> Affine:
        value = affine.total(op, inputs)
        if isinstance(op, Readout) and value.view != value.native:
            op = replace(op, shape=value.view)
        whole = value.bias if op.bias is None else value.bias + per_channel(op.bias, value.native)
        return self.joined(replace(op, bias=compact(whole, value.native)), value)

    def max_pool(self, op: MaxPool, inputs: list[Affine]) -> Affine:
        """max(gain * n + base) = gain * max(n) + base, channel by channel, where the gain is positive."""
        (value,) = inputs
        base = compact(value.bias, value.native)
        if not affine.is_spikes(value) or (base is not None and base.ndim > 1):
            raise op.fail(
                "the maximum is taken of values that are not spike counts of a population",
                "put the activation before the pool, or give samples for calibration (--calibration X.npy), so that "
                "a relay population can stand before it",
            )
        after = self.joined(replace(op, base=base), value)
        return after if base is None else replace(after, bias=base)

    def range(self, op: Range, inputs: list[Affine]) -> Affine:
        (value,) = inputs
        if not self.relays:
            return value
        choice = decide(self.graph, op, value)
        self.notes += [choice.note] if choice.note else []
        if not choice.relay:
            return value
        name = self.fresh(f"{op.inputs[0]}.relay")
        population, arriving, gain, base = relay(op, value, name)
        return affine.bias(op, base, affine.project(gain, self.joined(population, arriving)))

    def projection(self, op: Projection, inputs: list[Affine]) -> Affine:
        return affine.project(op, inputs[0])

    def bias(self, op: Bias, inputs: list[Affine]) -> Affine:
        return affine.bias(op, op.bias, inputs[0])

    def reshape(self, op: Reshape, inputs: list[Affine]) -> Affine:
        return replace(inputs[0], view=op.shape)

    def gather(self, op: Gather, inputs: list[Affine]) -> Affine:
        return affine.gather(op, inputs[0])

    def sum(self, op: Sum, inputs: list[Affine]) -> Affine:
        return affine.total(op, inputs)

    def concat(self, op: Concat, inputs: list[Affine]) -> Affine:
        return affine.concat(op, inputs)

    def joined(self, op: Staircase | MaxPool | Readout, value: Affine) -> Affine:
        """Add the population `op`, with one projection for every term of `value`; returns what it sends."""
        names: list[str] = []
        for term in value.terms:
            weighty = [o.name for o in term.path if isinstance(o, Projection) and not isinstance(o, OneToOne)]
            names.append(self.fresh(weighty[-1] if weighty else f"{op.name}.from.{term.source}", "."))
            origin = tuple(dict.fromkeys(o for p in term.path for o in p.origin)) or op.origin
            self.ops.append(replace(term.map, name=names[-1], inputs=(term.source,), origin=origin))
        if not names:
            raise InternalError(f"nothing projects to '{op.name}'")
        self.ops.append(replace(op, inputs=tuple(names)))
        if isinstance(op, MaxPool):
            return affine.identity(op.name, self.graph.typeof(op.name).shape)
        return affine.identity(op.name, value.native, value.view)

    def fresh(self, wanted: str, mark: str = "_") -> str:
        """`wanted`, or with a number behind it where that is taken."""
        name, n = wanted, 2
        while name in self.taken:
            name, n = f"{wanted}{mark}{n}", n + 1
        self.taken.add(name)
        return name


RULES: dict[type[Op], Callable[[_Composition, Any, list[Affine]], Affine]] = {
    Input: _Composition.input,
    Staircase: _Composition.population,
    Readout: _Composition.population,
    MaxPool: _Composition.max_pool,
    Range: _Composition.range,
    Projection: _Composition.projection,
    Bias: _Composition.bias,
    Reshape: _Composition.reshape,
    Gather: _Composition.gather,
    Sum: _Composition.sum,
    Concat: _Composition.concat,
}
