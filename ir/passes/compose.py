"""compose: everything linear between two populations becomes one projection per source population.

AveragePool then Conv is a Conv with a larger kernel and stride; Add makes two projections into one
population; a bias on the way becomes the receiving population's bias. Exact, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ganglion.errors import CompileError, InternalError
from ganglion.ir import linear
from ganglion.ir.graph import Graph, Stage
from ganglion.ir.ops import (
    Array,
    Bias,
    Dense,
    Input,
    OneToOne,
    Op,
    Projection,
    Readout,
    Reshape,
    Staircase,
    Sum,
    per_channel,
)
from ganglion.ir.types import Shape, size

MATRIX_LIMIT = 1 << 24  # entries of a dense matrix that stands in for a chain with no smaller form


@dataclass(frozen=True)
class Term:
    """A linear map from the population `source` (of `shape`); `path` holds the ops it was composed of."""

    source: str
    shape: Shape
    map: Projection
    path: tuple[Op, ...] = ()

    @property
    def out_shape(self) -> Shape:
        return self.map.out_shape(self.shape)


@dataclass(frozen=True)
class Affine:
    """A value between populations: the sum of its terms plus `bias`, seen under the shape `view`.

    All terms and the bias have one native shape; `view` has the same number of values in C order.
    """

    terms: tuple[Term, ...]
    bias: Array
    view: Shape

    @property
    def native(self) -> Shape:
        return self.terms[0].out_shape


def compose(graph: Graph) -> Graph:
    """IMPORTED -> COMPOSED."""
    values: dict[str, Affine] = {}
    ops: list[Op] = []
    taken = {op.name for op in graph.ops if isinstance(op, (Input, Staircase, Readout))}
    for op in graph.ops:
        inputs = [values[name] for name in op.inputs]
        if isinstance(op, Input):
            ops.append(op)
            zero = np.array(-op.zero_point * op.scale)
            values[op.name] = Affine((_identity(op.name, op.shape),), zero, op.shape)
        elif isinstance(op, (Staircase, Readout)):
            merged = _sum(op, inputs)
            projections = _projections(op, merged, taken)
            bias = merged.bias if op.bias is None else merged.bias + per_channel(op.bias, merged.native)
            if isinstance(op, Readout) and merged.view != merged.native:
                op = replace(op, shape=merged.view)
            ops += [
                *projections,
                replace(op, inputs=tuple(p.name for p in projections), bias=compact(bias, merged.native)),
            ]
            values[op.name] = Affine((_identity(op.name, merged.native),), np.array(0.0), merged.view)
        elif isinstance(op, Projection):
            values[op.name] = _project(op, inputs[0])
        else:
            values[op.name] = GLUE[type(op)](op, inputs)
    return graph.rebuild(ops, stage=Stage.COMPOSED)


def _identity(name: str, shape: Shape) -> Term:
    return Term(name, shape, OneToOne(name="", weight=np.array(1.0)))


def _after(op: Op, second: Projection, value: Affine) -> Affine:
    """`second` applied to `value`, whose view it fits natively."""
    terms = []
    for term in value.terms:
        composed = linear.compose(term.map, second, term.shape)
        if composed is None:
            composed = _matrix(op, term, second)
        terms.append(replace(term, map=composed, path=(*term.path, op)))
    if len({t.out_shape for t in terms}) > 1:
        terms = [_flattened(op, t) for t in terms]
    image = linear.apply(second, _over(value.bias, value.native)[None], second.weight)[0]
    return Affine(tuple(terms), image.reshape(terms[0].out_shape), second.out_shape(value.native))


def _matrix(op: Op, term: Term, second: Projection) -> Dense:
    out = second.out_shape(term.out_shape)
    _check_matrix(op, term, size(out))
    first = linear.matrix_of(term.map, term.shape)
    rows = first.weight.T.reshape(-1, *term.out_shape)
    return Dense(name="", weight=linear.apply(second, rows, second.weight).reshape(len(rows), -1).T)


def _check_matrix(op: Op, term: Term, outputs: int) -> None:
    entries = size(term.shape) * outputs
    if entries > MATRIX_LIMIT:
        names = list(dict.fromkeys(name for o in (*term.path, op) for name in (o.origin or (o.name,))))
        raise CompileError(
            "these linear layers have no activation between them and cannot be merged into one projection "
            f"(the padding of one sees the result of the other), and a matrix for them would have {entries} entries",
            origin=names,
            hint="put a quantised activation between them, or make the padding of the second one zero",
        )


def _flattened(op: Op, term: Term) -> Term:
    """`term` with a dense map, whose native shape is flat."""
    if isinstance(term.map, Dense):
        return term
    _check_matrix(op, term, size(term.out_shape))
    return replace(term, map=linear.matrix_of(term.map, term.shape))


def _project(op: Projection, value: Affine) -> Affine:
    if value.view == value.native or isinstance(op, Dense):
        return _after(op, op, value)
    if isinstance(op, OneToOne):
        weight = np.broadcast_to(op.weight_over(value.view), value.view).reshape(value.native)
        return replace(_after(op, replace(op, weight=compact_scale(weight)), value), view=value.view)
    # a convolution over values that were reshaped: only as a matrix
    flat = tuple(_flattened(op, t) for t in value.terms)
    terms = []
    for term in flat:
        _check_matrix(op, term, size(op.out_shape(value.view)))
        rows = term.map.weight.T.reshape(-1, *value.view)
        weight = linear.apply(op, rows, op.weight).reshape(len(rows), -1).T
        terms.append(replace(term, map=Dense(name="", weight=weight), path=(*term.path, op)))
    bias = _over(value.bias, value.native).reshape(value.view)
    image = linear.apply(op, bias[None], op.weight)[0]
    return Affine(tuple(terms), image.reshape(-1), op.out_shape(value.view))


def _bias(op: Op, inputs: list[Affine]) -> Affine:
    assert isinstance(op, Bias)
    (value,) = inputs
    added = _over(op.bias, value.view).reshape(value.native)
    terms = tuple(replace(t, path=(*t.path, op)) for t in value.terms)
    return Affine(terms, _over(value.bias, value.native) + added, value.view)


def _reshape(op: Op, inputs: list[Affine]) -> Affine:
    assert isinstance(op, Reshape)
    return replace(inputs[0], view=op.shape)


def _sum(op: Op, inputs: list[Affine]) -> Affine:
    """The sum of `inputs`; terms from the same source with the same geometry are merged."""
    if len(inputs) == 1:
        return inputs[0]
    view = inputs[0].view
    terms = [t for value in inputs for t in value.terms]
    flat = len({t.out_shape for t in terms}) > 1
    if flat:
        terms = [_flattened(op, t) for t in terms]
    merged: list[Term] = []
    for term in terms:
        for i, other in enumerate(merged):
            both = linear.add(other.map, term.map, term.shape) if other.source == term.source else None
            if both is not None:
                merged[i] = replace(other, map=both, path=(*other.path, *term.path))
                break
        else:
            merged.append(term)
    native = merged[0].out_shape
    biases = [_over(value.bias, value.native).reshape(native) for value in inputs]
    total = biases[0]
    for bias in biases[1:]:
        total = total + bias
    return Affine(tuple(merged), total, view)


GLUE: dict[type[Op], Callable[[Op, list[Affine]], Affine]] = {
    Bias: _bias,
    Reshape: _reshape,
    Sum: _sum,
}


def _projections(target: Op, value: Affine, taken: set[str]) -> list[Projection]:
    """The projections into `target`, one per term, named after the layer that gives the most of them."""
    result = []
    for term in value.terms:
        weighty = [op.name for op in term.path if isinstance(op, Projection) and not isinstance(op, OneToOne)]
        base = weighty[-1] if weighty else f"{target.name}.from.{term.source}"
        name, n = base, 2
        while name in taken:
            name, n = f"{base}.{n}", n + 1
        taken.add(name)
        origin = tuple(dict.fromkeys(o for op in term.path for o in op.origin)) or target.origin
        result.append(replace(term.map, name=name, inputs=(term.source,), origin=origin))
    if not result:
        raise InternalError(f"nothing projects to '{target.name}'")
    return result


def _over(bias: Array, shape: Shape) -> Array:
    return np.broadcast_to(per_channel(bias, shape), shape)


def compact_scale(weight: Array) -> Array:
    """A per-neuron weight as a scalar or one value per channel where it is constant."""
    if (weight == weight.flat[0]).all():
        return np.asarray(weight.flat[0])
    first = weight.reshape(weight.shape[0], -1)[:, :1]
    return np.ascontiguousarray(first[:, 0]) if (weight.reshape(len(weight), -1) == first).all() else weight


def compact(bias: Array, shape: Shape) -> Array | None:
    """The bias per channel where it is constant over space (up to rounding in its sum); None where it is zero."""
    rows = np.ascontiguousarray(_over(bias, shape)).reshape(shape[0], -1)
    if not rows.any():
        return None
    spread = np.ptp(rows, axis=1)
    if (spread <= 1e-12 * np.abs(rows).max()).all():
        return np.ascontiguousarray(rows[:, 0])
    return rows.reshape(shape)
