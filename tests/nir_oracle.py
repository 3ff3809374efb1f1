"""An interpreter for NIR graphs in discrete time, written from NIR's equations. No code of the package runs here.

The reading that docs/nir.md states: one step is the unit of time. Linear nodes and Threshold take no time; what a node
sends at step g reaches an integrator (I, IF) at step g + 1, through a Delay of d steps at g + 1 + d. An integrator at
level L (steps from the Input) works in the window [L, L + T), at whose beginning v is v_0 (of the metadata; else 0). An
IF that fires loses v_threshold. With a `latency` of 0, NIR's own, edges take no time; then no node can lead back.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np

Array = Any
STATEFUL = ("I", "IF")


class Interpreter:
    """One `nir.NIRGraph` with one sample of `codes`, the same at each of T steps. `fires(v, threshold)` is > or >=."""

    def __init__(
        self, graph: Any, codes: Array, steps: int, fires: Callable[..., Any] = operator.gt, latency: int = 1
    ) -> None:
        self.latency = latency
        self.nodes, self.codes, self.steps, self.fires = graph.nodes, np.asarray(codes, np.float64), steps, fires
        self.sources: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in graph.edges:
            self.sources[b].append(a)
        loops = nx.strongly_connected_components(nx.DiGraph(graph.edges))
        self.loop = {name: i for i, loop in enumerate(loops) for name in loop}
        self.levels: dict[str, int] = {}
        self.memory: dict[tuple[str, int], Array] = {}
        self.v: dict[tuple[str, int], Array] = {}

    def kind(self, name: str) -> str:
        return type(self.nodes[name]).__name__

    def level(self, name: str) -> int:
        """Steps from the Input; every way to a node must take as many, the way back in a cluster left out."""
        if name not in self.levels:
            node, ways = self.nodes[name], {0}
            before = [s for s in self.sources[name] if self.loop[s] != self.loop[name] or self.kind(name) != "I"]
            if before:
                ways = {self.level(s) for s in before}
            assert len(ways) == 1, f"the ways to {name} take {ways} steps"
            extra = (
                int(node.delay.flat[0]) if self.kind(name) == "Delay" else self.latency * (self.kind(name) in STATEFUL)
            )
            self.levels[name] = ways.pop() + extra
        return self.levels[name]

    def sent(self, name: str, g: int) -> Array:
        """What the node sends at step g."""
        if (name, g) not in self.memory:
            self.memory[name, g] = self.compute(name, g)
        return self.memory[name, g]

    def arriving(self, name: str, g: int) -> Array:
        return sum(self.sent(s, g) for s in self.sources[name])

    def compute(self, name: str, g: int) -> Array:
        node, kind = self.nodes[name], self.kind(name)
        if kind == "Input":
            return self.codes * (0 <= g < self.steps)
        if kind == "Delay":
            delays = np.unique(node.delay)
            assert len(delays) == 1
            return self.arriving(name, g - int(delays[0]))
        if kind in STATEFUL:
            return self.integrate(name, node, g)
        x = self.arriving(name, g)
        if kind == "Threshold":
            return self.fires(x, node.threshold).astype(np.float64) * self.working(self.sources[name][0], g)
        return linear(kind, node, x)

    def working(self, name: str, g: int) -> bool:
        return self.level(name) <= g < self.level(name) + self.steps

    def integrate(self, name: str, node: Any, g: int) -> Array:
        if not self.working(name, g):
            return np.zeros_like(node.r)
        first = g == self.level(name)
        if first:
            v = np.asarray(node.metadata.get("ganglion_v_0", np.zeros_like(node.r)), np.float64).reshape(node.r.shape)
        else:
            self.sent(name, g - 1)
            v = self.v[name, g - 1]
        v = v + node.r * self.arriving(name, g - self.latency)
        if type(node).__name__ == "I":
            self.v[name, g] = v
            return v
        z = self.fires(v, node.v_threshold).astype(np.float64)
        self.v[name, g] = v - z * node.v_threshold
        return z

    def window(self, name: str) -> Array:
        """What the node sends in its window: (T, *shape)."""
        return np.stack([self.sent(name, self.level(name) + t) for t in range(self.steps)])

    def population(self, name: str) -> Array:
        """The spikes of a population in its window, (T, *shape): of an IF, or of the Threshold nodes that read an I."""
        if self.kind(name) == "IF":
            return self.window(name)
        members = [n for n in self.nodes if self.sources[n] == [name] and self.kind(n) == "Threshold"]
        return sum(self.window(n) for n in members) if members else self.window(name)


def linear(kind: str, node: Any, x: Array) -> Array:
    """What a node without state makes of `x`."""
    if kind == "Scale":
        return node.scale * x
    if kind in ("Linear", "Affine"):
        return node.weight @ x + (node.bias if kind == "Affine" else 0)
    if kind == "Flatten":
        first, last = int(node.start_dim), int(node.end_dim) % x.ndim
        return x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :])
    if kind in ("SumPool2d", "AvgPool2d"):
        kernel = np.ones((1, 1, *np.broadcast_to(node.kernel_size, 2)))
        size = kernel.size if kind == "AvgPool2d" else 1
        return np.concatenate([convolve(c[None], kernel, node.stride, node.padding, 1) for c in x]) / size
    if kind == "Conv2d":
        groups, weight = int(node.groups), node.weight
        parts = zip(np.split(x, groups), np.split(weight, groups), strict=True)
        y = [convolve(part, w, node.stride, node.padding, node.dilation) for part, w in parts]
        return np.concatenate(y) + node.bias[:, None, None]
    if kind == "Conv1d":
        y = convolve(x[..., None], node.weight[..., None], (int(node.stride), 1), (int(node.padding), 0), node.dilation)
        return y[..., 0] + node.bias[:, None]
    assert kind == "Output", kind
    return x


def convolve(x: Array, weight: Array, stride: Any, padding: Any, dilation: Any) -> Array:
    """The cross-correlation of `x` (C, H, W) with `weight` (O, C, kh, kw), one output at a time."""
    if isinstance(padding, str):
        padding = 0 if padding == "valid" else np.asarray(dilation) * (weight.shape[2] // 2)  # of an odd, square kernel
    (sh, sw), (ph, pw), (dh, dw) = (np.broadcast_to(n, 2) for n in (stride, padding, dilation))
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw)))
    out, _, kh, kw = weight.shape
    rows, columns = (
        (n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(x.shape[1:], (dh, dw), (kh, kw), (sh, sw), strict=True)
    )
    y = np.zeros((out, rows, columns))
    for i in range(rows):
        for j in range(columns):
            seen = x[:, i * sh : i * sh + dh * (kh - 1) + 1 : dh, j * sw : j * sw + dw * (kw - 1) + 1 : dw]
            y[:, i, j] = (weight * seen).sum(axis=(1, 2, 3))
    return y
