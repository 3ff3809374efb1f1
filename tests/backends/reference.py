"""The integer semantics of a quantized network, written out as one obvious loop, to judge Lava by."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ganglion.ir import (
    Array,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    MaxPool,
    Membrane,
    OneToOne,
    Projection,
    Readout,
    Sparse,
)


def simulate(graph: Graph, codes: Array) -> dict[str, Array]:
    """Counts (T, N, *shape) of every population and potentials of the readout, for codes (N, *shape)."""
    T, N = graph.steps, len(codes)
    total = max(op.level for op in graph.of(Membrane)) + N * T
    sent: dict[str, list[Array]] = {graph.input.name: []}
    potential = {op.name: np.zeros(graph.typeof(op.inputs[0]).shape, np.int64) for op in graph.of(Membrane)}
    peaks = {op.name: np.zeros(graph.typeof(op.name).shape, np.int64) for op in graph.of(MaxPool)}
    result = {op.name: np.zeros((T, N, *graph.typeof(op.name).shape), np.int64) for op in graph.of(Membrane)}
    for g in range(total):
        sent[graph.input.name].append(
            codes[g // T].astype(np.int64) if g < N * T else np.zeros_like(codes[0], np.int64)
        )
        for op in graph.of(Membrane):
            n = np.zeros(graph.typeof(op.name).shape, np.int64)
            k, t = divmod(g - op.level, T)
            if 0 <= k < N:
                V = potential[op.name]
                if t == 0:
                    V[...] = 0
                for name in op.inputs:
                    projection = graph[name]
                    assert isinstance(projection, Projection)
                    before = g - 1 - projection.delay
                    if before >= 0:
                        V += project(projection, sent[projection.inputs[0]][before])
                if op.bias is not None:
                    V += over(op.bias, V.shape)
                if isinstance(op, GroupNeuron):
                    n = fire(op, V)
                    result[op.name][t, k] = n
                elif isinstance(op, MaxPool):
                    peak = maxima(op, V, n.shape)
                    n = peak - peaks[op.name] if t else peak
                    result[op.name][t, k], peaks[op.name] = n, peak
                else:
                    assert isinstance(op, Readout)
                    result[op.name][t, k] = V
            sent.setdefault(op.name, []).append(n)
    return result


def fire(op: GroupNeuron, V: Array) -> Array:
    """The counts; resets V."""
    n = np.zeros_like(V)
    reset = np.zeros_like(V)
    for threshold, inhibition in zip(op.thresholds, op.inhibition, strict=True):
        fired = over(threshold, V.shape) <= V
        n += fired
        reset += np.where(fired, over(inhibition, V.shape), 0)
    V -= reset
    return n


def maxima(op: MaxPool, V: Array, shape: tuple[int, ...]) -> Array:
    """The largest potential in every window of space, place by place."""
    found = np.zeros(shape, np.int64)
    for c, i, j in np.ndindex(*shape):
        rows = [i * op.strides[0] - op.pads[0] + a * op.dilations[0] for a in range(op.kernel[0])]
        columns = [j * op.strides[1] - op.pads[1] + b * op.dilations[1] for b in range(op.kernel[1])]
        inside = [(y, x) for y in rows for x in columns if 0 <= y < V.shape[1] and 0 <= x < V.shape[2]]
        found[c, i, j] = max(V[c, y, x] for y, x in inside)
    return found


def over(values: Array, shape: tuple[int, ...]) -> Array:
    """`values` (), (C,) or `shape`, in int64, so that it broadcasts over `shape`."""
    values = np.asarray(values, np.int64)
    return values.reshape(values.shape + (1,) * (len(shape) - 1)) if values.ndim == 1 else values


def project(op: Projection, x: Array) -> Array:
    """What arrives: (weight << exponent) applied to the spikes x, in int64."""
    y = mapped(op, x)
    if not op.channels:
        return y
    whole = np.zeros((op.channels, *y.shape[1:]), np.int64)
    for c, values in enumerate(y):
        whole[op.offset + c] = values
    return whole


def mapped(op: Projection, x: Array) -> Array:
    """The result of the map alone."""
    weight = op.weight.astype(np.int64) << op.exponent
    if isinstance(op, Dense):
        return weight @ x.ravel()
    if isinstance(op, Sparse):
        y = np.zeros(op.shape, np.int64)
        for i, (begin, end) in enumerate(pairwise(op.pointer)):
            y.flat[i] = sum(weight[e] * x.flat[op.index[e]] for e in range(begin, end))
        return y
    assert isinstance(op, (OneToOne, Conv2d))
    if op.take is not None:
        x = np.stack([x[c] for c in op.take])
    if isinstance(op, OneToOne):
        return over(weight, x.shape) * x
    return convolve(weight, x, op.strides, op.pads, op.dilations, op.groups, op.upsample)


def convolve(
    weight: Array,
    x: Array,
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    groups: int,
    upsample: tuple[int, int] = (1, 1),
) -> Array:
    """ONNX `Conv` of one image, place by place of the kernel, in int64; see `Conv2d` for pads and `upsample`."""
    top, left, bottom, right = pads
    for axis, factor in enumerate(upsample, start=1):
        between = np.repeat(np.arange(1, x.shape[axis]), factor - 1)
        x = np.insert(x, between, 0, axis=axis)
    x = np.pad(x, ((0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))))
    x = x[:, max(-top, 0) : x.shape[1] + min(bottom, 0), max(-left, 0) : x.shape[2] + min(right, 0)]
    out, fan_in, kh, kw = weight.shape
    height = (x.shape[1] - dilations[0] * (kh - 1) - 1) // strides[0] + 1
    width = (x.shape[2] - dilations[1] * (kw - 1) - 1) // strides[1] + 1
    y = np.zeros((out, height, width), np.int64)
    for o in range(out):
        first = o // (out // groups) * fan_in
        for c in range(fan_in):
            for i in range(kh):
                for j in range(kw):
                    rows = slice(i * dilations[0], i * dilations[0] + (height - 1) * strides[0] + 1, strides[0])
                    columns = slice(j * dilations[1], j * dilations[1] + (width - 1) * strides[1] + 1, strides[1])
                    y[o] += weight[o, c, i, j] * x[first + c, rows, columns]
    return y
