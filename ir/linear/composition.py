"""Two projections in a row or in parallel as one, and what that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganglion.ir.ops import Array, Conv2d, Dense, OneToOne, Projection, Sparse, per_channel
from ganglion.ir.ops.projections import Selective
from ganglion.ir.types import Shape, size

from .apply import adjoint, apply
from .convolutions import (
    compose_convolutions,
    composed_fan_in,
    full_kernel,
    grouped_kernel,
    merged_geometry,
    shared_groups,
    undilated,
)
from .sparse import product, to_sparse


def compose(first: Projection, second: Projection, shape: Shape) -> Projection | None:
    """The projection from `shape` that equals `second` after `first`, both with real weights.

    `second` sees all of its input and is placed nowhere in particular. None where there is no such projection but a
    sparse matrix: see `to_sparse` and `product`.
    """
    if is_identity(first):
        return second
    middle = first.out_shape(shape)
    if isinstance(second, Dense):
        return Dense(name="", weight=adjoint(first, second.weight.reshape(-1, *middle), shape).reshape(-1, size(shape)))
    if first.channels:
        bare = replace(first, offset=0, channels=0)
        part = restrict(second, first.offset, first.map_shape(shape)[0], middle)
        inner = compose(bare, replace(part, offset=0, channels=0), shape)
        return place(inner, part.offset, part.channels) if inner is not None and part.channels else inner
    if isinstance(first, Dense):
        rows = first.weight.T.reshape(-1, *middle)
        return Dense(name="", weight=apply(second, rows, second.weight).reshape(len(rows), -1).T)
    if isinstance(second, OneToOne):
        return _scaled_after(first, second, middle)
    if isinstance(first, Sparse) or isinstance(second, Sparse):
        return product(to_sparse(first, shape), to_sparse(second, middle))
    if isinstance(first, OneToOne) and isinstance(second, Conv2d):
        return _scaled_before(first, second)
    if isinstance(first, Conv2d) and isinstance(second, Conv2d):
        return compose_convolutions(first, second, shape)
    return None


def composed_synapses(first: Projection, second: Projection, shape: Shape) -> tuple[int, bool]:
    """How many synapses `second` after `first` has at most, and whether `compose` gives it."""
    if is_identity(first):
        return second.synapses(first.out_shape(shape)), True
    middle = first.out_shape(shape)
    out = second.map_shape(middle)
    if isinstance(second, Dense) or isinstance(first, Dense):
        return size(out) * size(shape), True
    if isinstance(second, OneToOne):
        return first.synapses(shape), not isinstance(first, Conv2d) or second.weight.ndim <= 1
    if isinstance(first, OneToOne):
        return second.synapses(middle), first.weight.ndim <= 1 or not isinstance(second, Conv2d)
    if not (isinstance(first, Conv2d) and isinstance(second, Conv2d)):
        return min(first.synapses(shape) * -(-second.synapses(middle) // size(middle)), size(out) * size(shape)), True
    geometry = None if first.channels else merged_geometry(first, second, shape)
    if first.channels:
        part = restrict(second, first.offset, first.map_shape(shape)[0], middle)
        return composed_synapses(replace(first, offset=0, channels=0), replace(part, offset=0, channels=0), shape)
    if geometry is None:
        reach = [first.dilations[i] * (first.weight.shape[2 + i] - 1) + 1 for i in (0, 1)]
        kernel = [(second.weight.shape[2 + i] - 1) * first.strides[i] * second.dilations[i] + reach[i] for i in (0, 1)]
        return size(out) * composed_fan_in(first, second) * kernel[0] * kernel[1], False
    spread = geometry.upsample[0] * geometry.upsample[1]
    return size(out) * composed_fan_in(first, second) * geometry.kernel[0] * geometry.kernel[1] // spread, True


def is_identity(op: Projection) -> bool:
    """Whether `op` passes on everything as it is."""
    plain = isinstance(op, OneToOne) and op.take is None and not op.channels
    return plain and op.weight.ndim == 0 and bool(op.weight == 1)


def place(op: Projection, offset: int, channels: int) -> Projection:
    """`op` with its receiving channels at `offset` among `channels`."""
    return replace(op, offset=op.offset + offset, channels=channels)


def select(op: Projection, take: Array, shape: Shape) -> list[Projection]:
    """The channels `take` of what `op` gives, in this order, as projections that add up to it.

    One projection for every run of channels that lie side by side in the result.
    """
    n, channels = op.map_shape(shape)[0], len(take)
    if not op.channels:
        return [_rows(op, take, shape)]
    inside = (take >= op.offset) & (take < op.offset + n)
    runs: list[Projection] = []
    position = 0
    while position < channels:
        if not inside[position]:
            position += 1
            continue
        end = position
        while end < channels and inside[end]:
            end += 1
        bare = replace(op, offset=0, channels=0)
        runs.append(place(_rows(bare, take[position:end] - op.offset, shape), position, channels))
        position = end
    return runs


def _rows(op: Projection, take: Array, shape: Shape) -> Projection:
    """The channels `take` of the result of `op`, which is placed nowhere in particular."""
    if isinstance(op, Dense):
        return replace(op, weight=op.weight[take])
    if isinstance(op, OneToOne):
        seen = take if op.take is None else op.take[take]
        return replace(op, weight=op.weight[take] if op.weight.ndim else op.weight, take=seen)
    if isinstance(op, Conv2d) and op.weight.shape[1] == 1:  # every channel of the result sees one of the input
        source = take // (op.weight.shape[0] // op.groups)
        seen = source if op.take is None else op.take[source]
        return replace(op, weight=op.weight[take], groups=len(take), take=seen)
    if isinstance(op, Conv2d):
        return replace(op, weight=full_kernel(op)[take], groups=1)
    sparse = to_sparse(op, shape)
    inner = size(sparse.shape[1:])
    neurons = (take[:, None] * inner + np.arange(inner)).ravel()
    lengths = np.diff(sparse.pointer)[neurons]
    begin = np.cumsum(lengths) - lengths
    entry = np.arange(lengths.sum()) - np.repeat(begin - sparse.pointer[neurons], lengths)
    pointer = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(take), *sparse.shape[1:])
    return replace(sparse, weight=sparse.weight[entry], index=sparse.index[entry], pointer=pointer, shape=shape)


def restrict(op: Projection, start: int, count: int, shape: Shape) -> Projection:
    """`op` on an input of `shape` in which only the channels start, ..., start + count - 1 are not zero.

    The result sees these channels alone; it is placed where it reaches only some channels of the result of `op`.
    """
    out = op.map_shape(shape)[0]
    end = start + count
    if isinstance(op, OneToOne):
        return place(replace(op, weight=op.weight[start:end] if op.weight.ndim else op.weight), start, out)
    if isinstance(op, Sparse):
        inner = size(shape[1:])
        inside = (op.index >= start * inner) & (op.index < end * inner)
        row = np.repeat(np.arange(len(op.pointer) - 1), np.diff(op.pointer))[inside]
        pointer = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(op.pointer) - 1))])
        return replace(op, weight=op.weight[inside], index=op.index[inside] - start * inner, pointer=pointer)
    assert isinstance(op, Conv2d), "dense maps are composed with anything"
    fan_in, per_group = op.weight.shape[1], op.weight.shape[0] // op.groups
    first, last = start // fan_in, -(-end // fan_in)  # the groups that see any of it
    rows = slice(first * per_group, last * per_group)
    groups = last - first
    part = replace(op, weight=op.weight[rows], groups=groups)
    if start % fan_in or end % fan_in:
        weight = full_kernel(part)[:, start - first * fan_in : end - first * fan_in]
        part = replace(part, weight=weight, groups=1)
    return place(part, rows.start, out) if groups < op.groups else part


def _scaled_after(first: Projection, second: OneToOne, middle: Shape) -> Projection | None:
    if isinstance(first, OneToOne):
        a, b = first.weight, second.weight
        if len(middle) > 1 and {a.ndim, b.ndim} == {1, len(middle)}:
            a, b = per_channel(a, middle), per_channel(b, middle)
        return replace(first, weight=a * b)
    if isinstance(first, Sparse):
        scale = np.broadcast_to(second.weight_over(middle), middle).ravel()
        return replace(first, weight=first.weight * np.repeat(scale, np.diff(first.pointer)))
    if not isinstance(first, Conv2d) or second.weight.ndim > 1:
        return None
    scale = np.broadcast_to(second.weight, middle[:1])
    return replace(first, weight=first.weight * scale[:, None, None, None])


def _scaled_before(first: OneToOne, second: Conv2d) -> Projection | None:
    if first.weight.ndim > 1:
        return None
    if first.weight.ndim == 0:
        return replace(second, weight=second.weight * first.weight, take=first.take)
    out, fan_in = second.weight.shape[:2]
    scale = first.weight.reshape(second.groups, 1, fan_in)
    grouped = second.weight.reshape(second.groups, out // second.groups, fan_in, *second.weight.shape[2:])
    return replace(second, weight=(grouped * scale[..., None, None]).reshape(second.weight.shape), take=first.take)


def add(first: Projection, second: Projection, shape: Shape) -> Projection | None:
    """One projection for two in parallel, or None where they are better kept apart.

    A skip connection is never merged into a convolution: its weight would take the bits of the others.
    """
    if (first.offset, first.channels) != (second.offset, second.channels) or not _same_take(first, second):
        return None
    if isinstance(first, Dense) and isinstance(second, Dense):
        return replace(first, weight=first.weight + second.weight)
    if isinstance(first, OneToOne) and isinstance(second, OneToOne):
        if first.weight.ndim == second.weight.ndim or 0 in (first.weight.ndim, second.weight.ndim):
            return replace(first, weight=first.weight + second.weight)
        seen = first.seen(shape)
        return replace(first, weight=first.weight_over(seen) + second.weight_over(seen))
    if not isinstance(first, Conv2d) or not isinstance(second, Conv2d):
        return None
    if first.strides != second.strides or first.upsample != second.upsample:
        return None
    return _add_convolutions(first, second, shape)


def _same_take(first: Projection, second: Projection) -> bool:
    takes = [op.take for op in (first, second) if isinstance(op, Selective) and op.take is not None]
    return not takes or (len(takes) == 2 and np.array_equal(takes[0], takes[1]))


def _add_convolutions(first: Conv2d, second: Conv2d, shape: Shape) -> Conv2d:
    out, extent = first.map_shape(shape), first.spread(first.seen(shape))
    groups = shared_groups(first, second)
    pair = [undilated(replace(op, weight=grouped_kernel(op, groups), groups=groups)) for op in (first, second)]
    top, left = (max(op.pads[i] for op in pair) for i in (0, 1))
    kernel = [max(max(o.pads[i] for o in pair) - op.pads[i] + op.weight.shape[2 + i] for op in pair) for i in (0, 1)]
    weight = np.zeros((*pair[0].weight.shape[:2], *kernel))
    for op in pair:
        y, x = top - op.pads[0], left - op.pads[1]
        weight[:, :, y : y + op.weight.shape[2], x : x + op.weight.shape[3]] += op.weight
    bottom = (out[1] - 1) * first.strides[0] + kernel[0] - extent[0] - top
    right = (out[2] - 1) * first.strides[1] + kernel[1] - extent[1] - left
    return replace(
        first, weight=weight, pads=(top, left, bottom, right), dilations=(1, 1), groups=groups, take=first.take
    )
