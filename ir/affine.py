"""A value between populations: a sum of linear maps from populations, and a bias. Exact, in float64.

Every linear op of an imported network is a function from such values to one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ganglion.errors import CompileError
from ganglion.ir import linear

from .ops import Array, Dense, Gather, OneToOne, Op, Projection, Sparse, per_channel
from .types import Shape, size

MATRIX_LIMIT = 1 << 24  # entries of a sparse matrix that stands in for a chain with no smaller form


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

    @property
    def synapses(self) -> int:
        return self.map.synapses(self.shape)


@dataclass(frozen=True)
class Affine:
    """The sum of its terms plus `bias`, seen under the shape `view`.

    All terms and the bias have one native shape; `view` has the same number of values in C order.
    """

    terms: tuple[Term, ...]
    bias: Array
    view: Shape

    @property
    def native(self) -> Shape:
        return self.terms[0].out_shape

    @property
    def whole_bias(self) -> Array:
        """The bias of every neuron, of the native shape."""
        return np.broadcast_to(per_channel(self.bias, self.native), self.native)

    @property
    def synapses(self) -> int:
        return sum(t.synapses for t in self.terms)


def identity(name: str, shape: Shape, view: Shape | None = None) -> Affine:
    """The value of a population itself."""
    term = Term(name, shape, OneToOne(name="", weight=np.array(1.0)))
    return Affine((term,), np.array(0.0), shape if view is None else view)


def is_spikes(value: Affine) -> bool:
    """Whether every channel is the count of one population's channel, times a positive gain, plus a constant."""
    if value.view not in (value.native, (*value.native, 1)):
        return False
    reached = np.zeros(value.native[0], np.int64)
    for term in value.terms:
        if not isinstance(term.map, OneToOne) or term.map.weight.ndim > 1 or (term.map.weight <= 0).any():
            return False
        n = term.map.map_shape(term.shape)[0]
        reached[term.map.offset : term.map.offset + n] += 1
    return bool((reached == 1).all())


def project(op: Projection, value: Affine) -> Affine:
    """`op` applied to `value`."""
    if isinstance(op, OneToOne) and value.view != value.native:
        weight = np.broadcast_to(op.weight_over(value.view), value.view).reshape(value.native)
        return replace(_after(op, replace(op, weight=compact_scale(weight)), value), view=value.view)
    if value.view == value.native or isinstance(op, Dense):
        return _after(op, op, value)
    if not all(isinstance(t.map, Dense) for t in value.terms):
        return _after(op, op, _viewed(op, value))
    terms = []
    for term in value.terms:  # a matrix is composed with anything
        rows = term.map.weight.T.reshape(-1, *value.view)
        weight = linear.apply(op, rows, op.weight).reshape(len(rows), -1).T
        terms.append(replace(term, map=Dense(name="", weight=weight), path=(*term.path, op)))
    image = linear.apply(op, value.whole_bias.reshape(1, *value.view), op.weight)[0]
    return Affine(tuple(terms), image.ravel(), op.map_shape(value.view))


def bias(op: Op, added: Array, value: Affine) -> Affine:
    """`value` + `added`, which is (), (C,) or of the shape of the view."""
    whole = np.broadcast_to(per_channel(added, value.view), value.view).reshape(value.native)
    terms = tuple(replace(t, path=(*t.path, op)) for t in value.terms)
    return Affine(terms, value.whole_bias + whole, value.view)


def gather(op: Gather, value: Affine) -> Affine:
    """The values named by the op's indices: a choice of channels where they are one, else a sparse matrix."""
    inner = size(value.native[1:])
    take = _channels(op.index, inner)
    if take is None:
        there = np.flatnonzero(op.index >= 0)
        pointer = np.concatenate([[0], np.cumsum(op.index >= 0)])
        picks = Sparse(
            name=op.name,
            origin=op.origin,
            weight=np.ones(len(there)),
            index=op.index[there].astype(np.int32),
            pointer=pointer,
            shape=op.shape,
        )
        return replace(_after(op, picks, value), view=op.shape)
    if np.array_equal(take, np.arange(value.native[0])):
        return replace(value, view=op.shape)
    terms = tuple(
        replace(t, map=m, path=(*t.path, op)) for t in value.terms for m in linear.select(t.map, take, t.shape)
    )
    if not terms:
        raise op.fail("what is taken here does not depend on the input")
    return Affine(terms, value.whole_bias[take], op.shape)


def _channels(index: Array, inner: int) -> Array | None:
    """The channels, of `inner` neurons each, that `index` picks whole; None where it does something else."""
    if len(index) % inner:
        return None
    rows = index.reshape(-1, inner)
    first = rows[:, :1]
    whole = first.min() >= 0 and not (first % inner).any() and (rows == first + np.arange(inner)).all()
    return first[:, 0] // inner if whole else None


def concat(op: Op, inputs: list[Affine]) -> Affine:
    """The channels of all inputs, one after the other."""
    if len({v.native[1:] for v in inputs}) > 1:
        inputs = [_flattened(op, v) for v in inputs]
    channels = sum(v.native[0] for v in inputs)
    terms, offset = [], 0
    for value in inputs:
        for term in value.terms:
            terms.append(replace(term, map=linear.place(term.map, offset, channels), path=(*term.path, op)))
        offset += value.native[0]
    view = (sum(v.view[0] for v in inputs), *inputs[0].view[1:])
    return Affine(tuple(terms), np.concatenate([v.whole_bias for v in inputs]), view)


def total(op: Op, inputs: list[Affine]) -> Affine:
    """The sum of `inputs`; terms from the same source with the same geometry are merged."""
    if len(inputs) == 1:
        return inputs[0]
    if len({v.native for v in inputs}) > 1:
        inputs = [_flattened(op, v) for v in inputs]
    merged: list[Term] = []
    for term in (t for value in inputs for t in value.terms):
        for i, other in enumerate(merged):
            both = linear.add(other.map, term.map, term.shape) if other.source == term.source else None
            if both is not None:
                merged[i] = replace(other, map=both, path=(*other.path, *term.path))
                break
        else:
            merged.append(term)
    return Affine(tuple(merged), np.sum([v.whole_bias for v in inputs], axis=0), inputs[0].view)


def _after(op: Op, second: Projection, value: Affine) -> Affine:
    """`second` applied to `value`, whose native shape it fits."""
    terms = []
    for term in value.terms:
        composed = linear.compose(term.map, second, term.shape)
        if composed is None:
            _check_matrix(op, term, linear.composed_synapses(term.map, second, term.shape)[0])
            first = linear.to_sparse(term.map, term.shape)
            composed = linear.product(first, linear.to_sparse(second, term.out_shape))
        terms.append(replace(term, map=composed, path=(*term.path, op)))
    image = linear.apply(second, np.ascontiguousarray(value.whole_bias)[None], second.weight)[0]
    native = second.map_shape(value.native)
    if all(t.out_shape == native for t in terms):
        return Affine(tuple(terms), image.reshape(native), native)
    flat = [t if len(t.out_shape) == 1 else _sparse(op, t, (size(native),)) for t in terms]
    return Affine(tuple(flat), image.ravel(), native)


def _viewed(op: Op, value: Affine) -> Affine:
    """`value` with its view as the native shape, as sparse matrices."""
    terms = tuple(_sparse(op, t, value.view) for t in value.terms)
    return Affine(terms, value.whole_bias.reshape(value.view), value.view)


def _flattened(op: Op, value: Affine) -> Affine:
    """`value` with a flat native shape."""
    if len(value.native) == 1:
        return value
    return replace(_viewed(op, replace(value, view=(size(value.view),))), view=value.view)


def _sparse(op: Op, term: Term, shape: Shape) -> Term:
    _check_matrix(op, term, term.synapses)
    return replace(term, map=replace(linear.to_sparse(term.map, term.shape), shape=shape))


def _check_matrix(op: Op, term: Term, entries: int) -> None:
    if entries <= MATRIX_LIMIT:
        return
    names = list(dict.fromkeys(name for o in (*term.path, op) for name in (o.origin or (o.name,))))
    raise CompileError(
        "these linear layers have no activation between them and cannot be merged into one projection "
        f"(the padding of one sees the result of the other), and a matrix for them would have {entries} entries",
        origin=names,
        hint="give samples for calibration (--calibration X.npy), so that a relay population can stand between them, "
        "or put a quantised activation there",
    )


def compact_scale(weight: Array) -> Array:
    """A per-neuron weight as a scalar or one value per channel where it is constant."""
    if (weight == weight.flat[0]).all():
        return np.asarray(weight.flat[0])
    first = weight.reshape(weight.shape[0], -1)[:, :1]
    return np.ascontiguousarray(first[:, 0]) if (weight.reshape(len(weight), -1) == first).all() else weight


def compact(value: Array, shape: Shape) -> Array | None:
    """A bias per channel where it is constant over space (up to rounding in its sum); None where it is zero."""
    rows = np.ascontiguousarray(np.broadcast_to(per_channel(value, shape), shape)).reshape(shape[0], -1)
    if not rows.any():
        return None
    spread = np.ptp(rows, axis=1)
    if (spread <= 1e-12 * np.abs(rows).max()).all():
        return np.ascontiguousarray(rows[:, 0])
    return rows.reshape(shape)
