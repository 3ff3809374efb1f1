"""Independent oracles: the staircase network, and the Group Neuron of the paper. No code of the package runs here.

Both only read the parameters out of the ops. Everything is float64, which is exact for the dyadic and
integer parameters of the tests. Convolution is written as loops over its definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
LINEAR = ("dense", "conv2d", "one-to-one", "sparse")


def linear(op: Any, x: Array) -> Array:
    """One projection on one sample: reads its channels, maps them, and places the result among its channels."""
    if getattr(op, "take", None) is not None:
        x = np.stack([x[c] for c in op.take])
    y = mapped(op, x)
    if not op.channels:
        return y
    whole = np.zeros((op.channels, *y.shape[1:]))
    whole[op.offset : op.offset + len(y)] = y
    return whole


def mapped(op: Any, x: Array) -> Array:
    """What the map of a projection makes of what it sees."""
    weight = op.weight.astype(np.float64) * 2.0**op.exponent
    if op.mnemonic == "dense":
        return np.array([float(np.sum(row * x.reshape(-1))) for row in weight])
    if op.mnemonic == "one-to-one":
        return x * weight.reshape(weight.shape + (1,) * (x.ndim - weight.ndim)) if weight.ndim else x * weight
    if op.mnemonic == "sparse":
        flat, ends = x.reshape(-1), op.pointer
        sums = [sum(weight[e] * flat[op.index[e]] for e in range(ends[i], ends[i + 1])) for i in range(len(ends) - 1)]
        return np.array(sums, np.float64).reshape(op.shape)
    top, left, bottom, right = op.pads
    (u, v), channels = op.upsample, len(x)
    height, width = (x.shape[1] - 1) * u + 1, (x.shape[2] - 1) * v + 1
    out, fan_in, kh, kw = weight.shape
    (sh, sw), (dh, dw) = op.strides, op.dilations
    rows = (height + top + bottom - dh * (kh - 1) - 1) // sh + 1
    columns = (width + left + right - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((out, rows, columns))
    for o in range(out):
        first = o // (out // op.groups) * fan_in
        for i in range(rows):
            for j in range(columns):
                for a in range(kh):
                    for b in range(kw):
                        r, c = i * sh - top + a * dh, j * sw - left + b * dw
                        if 0 <= r < height and 0 <= c < width and r % u == 0 and c % v == 0:
                            y[o, i, j] += np.dot(weight[o, :, a, b], x[first : first + fan_in, r // u, c // v])
    assert channels == fan_in * op.groups
    return y


def largest(op: Any, x: Array) -> Array:
    """The maximum of `x` (C, H, W) over the windows of a max-pool; what lies outside never wins."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = op.kernel, op.strides, op.dilations, op.pads
    channels, height, width = x.shape
    rows = (height + top + bottom - dh * (kh - 1) - 1) // sh + 1
    columns = (width + left + right - dw * (kw - 1) - 1) // sw + 1
    y = np.full((channels, rows, columns), -np.inf)
    for i in range(rows):
        for j in range(columns):
            for a in range(kh):
                for b in range(kw):
                    r, c = i * sh - top + a * dh, j * sw - left + b * dw
                    if 0 <= r < height and 0 <= c < width:
                        y[:, i, j] = np.maximum(y[:, i, j], x[:, r, c])
    return y


def spread(values: Array, shape: tuple[int, ...]) -> Array:
    """A scalar, per-channel or per-neuron parameter over `shape`."""
    values = np.asarray(values, np.float64)
    return np.broadcast_to(
        values.reshape(values.shape + (1,) * (len(shape) - values.ndim)) if values.ndim else values, shape
    )


def staircase_network(graph: Any, x: Array) -> dict[str, Array]:
    """Every value of the imported network for one real sample: y = s * clip(floor(x / s + 1/2), 0, L)."""
    values: dict[str, Array] = {}
    for op in graph.ops:
        got = [values[name] for name in op.inputs]
        if op.mnemonic == "input":
            y = x
        elif op.mnemonic in LINEAR:
            y = linear(op, got[0])
        elif op.mnemonic == "max-pool":
            y = largest(op, got[0])
        elif op.mnemonic == "concat":
            y = np.concatenate(got)
        elif op.mnemonic == "gather":
            y = np.array([got[0].reshape(-1)[k] if k >= 0 else 0.0 for k in op.index]).reshape(op.shape)
        elif op.mnemonic == "bias":
            y = got[0] + spread(op.bias, got[0].shape)
        elif op.mnemonic == "reshape":
            y = got[0].reshape(op.shape)
        elif op.mnemonic == "sum":
            y = np.sum(got, axis=0)
        elif op.mnemonic == "staircase":
            y = op.step * np.clip(np.floor(got[0] / op.step + 0.5), 0, op.levels)
        else:
            y = got[0]
        values[op.name] = y
    return values


class Member:
    """One of tau integrate-and-fire neurons with a membrane of its own: threshold k * q, V(0) = q / 2."""

    def __init__(self, k: int, q: Array, shape: tuple[int, ...]) -> None:
        self.threshold = k * spread(q, shape)
        self.V = spread(q, shape) / 2

    def spikes(self, current: Array) -> Array:
        self.V = self.V + current
        return (self.threshold <= self.V).astype(np.float64)

    def inhibit(self, amount: Array) -> None:
        self.V = self.V - amount


def group_neuron_network(graph: Any, q: dict[str, Array], codes: Array) -> dict[str, Array]:
    """Spike counts (T, *shape) of every population for one sample of integer codes, and the readout's potential.

    The paper's equations, layer by layer: all members of a cluster see the same current, and every spike
    of any of them takes q from the membranes of all (Lv et al., ICASSP 2024).
    """
    values: dict[str, Array] = {}
    for op in graph.ops:
        got = [values[name] for name in op.inputs]
        if op.mnemonic == "input":
            values[op.name] = np.stack([codes.astype(np.float64)] * graph.steps)
        elif op.mnemonic in LINEAR:
            values[op.name] = np.stack([linear(op, at) for at in got[0]])
        else:
            current = np.sum(got, axis=0)
            if op.mnemonic == "max-pool":  # the growth of the largest cumulative count
                peaks = np.stack([largest(op, total) for total in np.cumsum(current, axis=0)])
                values[op.name] = peaks - np.concatenate([np.zeros_like(peaks[:1]), peaks[:-1]])
                continue
            shape = current.shape[1:]
            current = current + (0 if op.bias is None else spread(op.bias, shape))
            if op.mnemonic == "readout":
                values[op.name] = np.cumsum(current, axis=0)
                continue
            members = [Member(k, q[op.name], shape) for k in range(1, len(op.thresholds) + 1)]
            counts = []
            for at in current:
                fired = np.sum([m.spikes(at) for m in members], axis=0)
                for m in members:
                    m.inhibit(fired * spread(q[op.name], shape))
                counts.append(fired)
            values[op.name] = np.stack(counts)
    return values
