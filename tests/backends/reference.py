"""The integer semantics of a quantized network, written out as one obvious loop, to judge Lava by."""

from __future__ import annotations

import numpy as np

from ganglion.ir import Array, Conv2d, Dense, Graph, GroupNeuron, Membrane, OneToOne, Projection, Readout


def simulate(graph: Graph, codes: Array) -> dict[str, Array]:
    """Counts (T, N, *shape) of every population and potentials of the readout, for codes (N, *shape)."""
    T, N = graph.steps, len(codes)
    total = max(op.level for op in graph.of(Membrane)) + N * T
    sent: dict[str, list[Array]] = {graph.input.name: []}
    potential = {op.name: np.zeros(graph.typeof(op.name).shape, np.int64) for op in graph.of(Membrane)}
    result = {op.name: np.zeros((T, N, *graph.typeof(op.name).shape), np.int64) for op in graph.of(Membrane)}
    for g in range(total):
        sent[graph.input.name].append(
            codes[g // T].astype(np.int64) if g < N * T else np.zeros_like(codes[0], np.int64)
        )
        for op in graph.of(Membrane):
            n = np.zeros_like(potential[op.name])
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


def over(values: Array, shape: tuple[int, ...]) -> Array:
    """`values` (), (C,) or `shape`, in int64, so that it broadcasts over `shape`."""
    values = np.asarray(values, np.int64)
    return values.reshape(values.shape + (1,) * (len(shape) - 1)) if values.ndim == 1 else values


def project(op: Projection, x: Array) -> Array:
    """What arrives: (weight << exponent) applied to the spikes x, in int64."""
    weight = op.weight.astype(np.int64) << op.exponent
    if isinstance(op, Dense):
        return weight @ x.ravel()
    if isinstance(op, OneToOne):
        return over(weight, x.shape) * x
    assert isinstance(op, Conv2d)
    return convolve(weight, x, op.strides, op.pads, op.dilations, op.groups)


def convolve(
    weight: Array,
    x: Array,
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    groups: int,
) -> Array:
    """ONNX `Conv` of one image, place by place of the kernel, in int64."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (top, max(bottom, 0)), (left, max(right, 0))))
    x = x[:, : x.shape[1] + min(bottom, 0), : x.shape[2] + min(right, 0)]
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
