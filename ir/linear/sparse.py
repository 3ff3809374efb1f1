"""Any projection as a sparse matrix, and products of these."""

from __future__ import annotations

import numpy as np

from ganglion.ir.ops import Array, Conv2d, Dense, OneToOne, Projection, Sparse
from ganglion.ir.types import Shape, size

from .apply import patches


def to_sparse(op: Projection, shape: Shape) -> Sparse:
    """`op`, with real weights and for an input of `shape`, as a `Sparse` of the same result; zeros are left out."""
    neurons = np.arange(size(shape), dtype=np.int32).reshape(shape)
    if isinstance(op, Sparse):
        weight, index, lengths = op.weight, op.index, np.diff(op.pointer)
    elif isinstance(op, OneToOne):
        seen = neurons if op.take is None else neurons[op.take]
        weight = np.broadcast_to(op.weight_over(seen.shape), seen.shape).ravel()
        index, lengths = seen.ravel(), np.ones(seen.size, np.int64)
    elif isinstance(op, Conv2d):
        weight, index, lengths = _convolution(op, neurons)
    else:
        assert isinstance(op, Dense)
        weight, index = op.weight.ravel(), np.tile(neurons.ravel(), len(op.weight))
        lengths = np.full(len(op.weight), neurons.size)
    there = op.map_shape(shape)
    inner = size(there[1:])
    if op.channels:
        lengths = np.pad(lengths, (op.offset * inner, (op.channels - op.offset - there[0]) * inner))
    kept = weight != 0
    if not kept.all():
        row = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(row[kept], minlength=len(lengths))
        weight, index = weight[kept], index[kept]
    return _sparse(op, weight, index, lengths, op.out_shape(shape))


def _convolution(op: Conv2d, neurons: Array) -> tuple[Array, Array, Array]:
    """Weights, indices, and how many of them each neuron of the result has."""
    seen = neurons if op.take is None else neurons[op.take]
    seen_by = patches(op, seen[None].astype(np.int64) + 1)[0]  # (C, H', W', kh, kw); 0 is no neuron
    out, fan_in, kh, kw = op.weight.shape
    _, height, width = seen_by.shape[:3]
    grouped = seen_by.reshape(op.groups, fan_in, height, width, kh, kw).transpose(0, 2, 3, 1, 4, 5)
    index = np.repeat(grouped.reshape(op.groups, height * width, -1), out // op.groups, axis=0)  # (O, places, fan-in)
    weight = np.broadcast_to(op.weight.reshape(out, 1, -1), index.shape)
    there = index > 0
    return weight[there], (index[there] - 1).astype(np.int32), there.sum(axis=2).ravel()


def product(first: Sparse, second: Sparse) -> Sparse:
    """The map that equals `second` after `first`."""
    row = np.repeat(np.arange(len(second.pointer) - 1), np.diff(second.pointer))
    lengths = np.diff(first.pointer)[second.index]
    begin = np.cumsum(lengths) - lengths
    entry = np.arange(lengths.sum()) - np.repeat(begin - first.pointer[second.index], lengths)
    row = np.repeat(row, lengths)
    index, weight = first.index[entry], first.weight[entry] * np.repeat(second.weight, lengths)
    order = np.lexsort((index, row))
    row, index, weight = row[order], index[order], weight[order]
    new = np.ones(len(row), bool)
    new[1:] = (row[1:] != row[:-1]) | (index[1:] != index[:-1])
    start = np.flatnonzero(new)
    total = np.add.reduceat(weight, start) if len(start) else weight
    counts = np.bincount(row[start], minlength=len(second.pointer) - 1)
    return _sparse(second, total, index[start], counts, second.shape)


def _sparse(op: Projection, weight: Array, index: Array, lengths: Array, shape: Shape) -> Sparse:
    pointer = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sparse(
        name=op.name,
        inputs=op.inputs,
        origin=op.origin,
        weight=np.ascontiguousarray(weight, np.float64),
        index=np.ascontiguousarray(index, np.int32),
        pointer=pointer,
        shape=shape,
    )
