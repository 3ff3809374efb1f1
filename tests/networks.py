"""Networks drawn by hypothesis: residual joins, strides, groups, dilation, pools, biases, signed inputs.

All parameters are small dyadic numbers, so that float64 computes every one of these networks exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from hypothesis import strategies as st

from ganglion import targets
from ganglion.ir import (
    Array,
    Bias,
    Concat,
    Conv2d,
    Dense,
    Gather,
    Graph,
    GroupNeuron,
    Input,
    MaxPool,
    Membrane,
    OneToOne,
    Op,
    Projection,
    Readout,
    Reshape,
    Shape,
    Stage,
    Staircase,
    Sum,
    passes,
)
from ganglion.ir.passes.group import group_neuron
from ganglion.methods import Phase
from ganglion.pipeline import spiking

KINDS = ("conv", "residual", "shortcut", "pool", "max", "dense block", "transposed", "shuffle")


@dataclass
class Builder:
    """Grows a network op by op; `value` is the latest value and `shape` its shape."""

    rng: np.random.Generator
    ops: list[Op] = field(default_factory=list)
    value: str = ""
    shape: Shape = ()

    def add(self, op: Op, shape: Shape) -> str:
        self.ops.append(replace(op, origin=(f"node_{op.name}",)))
        self.value, self.shape = op.name, shape
        return op.name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.ops)}"

    def dyadic(self, *shape: int, scale: float = 1 / 16) -> Array:
        return self.rng.integers(-16, 17, shape) * scale

    def conv(
        self,
        out: int,
        kernel: int,
        strides: int,
        pads: tuple[int, int, int, int],
        dilation: int,
        groups: int,
        upsample: int = 1,
    ) -> None:
        op = Conv2d(
            name=self.name("conv"),
            inputs=(self.value,),
            weight=self.dyadic(out, self.shape[0] // groups, kernel, kernel),
            strides=(strides, strides),
            pads=pads,
            dilations=(dilation, dilation),
            groups=groups,
            upsample=(upsample, upsample),
        )
        self.add(op, op.out_shape(self.shape))

    def bias(self, per_neuron: bool) -> None:
        shape = self.shape if per_neuron else self.shape[:1]
        self.add(Bias(name=self.name("bias"), inputs=(self.value,), bias=self.dyadic(*shape)), self.shape)

    def scale(self) -> None:
        weight = 2.0 ** self.rng.integers(-1, 2, self.shape[:1])
        self.add(OneToOne(name=self.name("scale"), inputs=(self.value,), weight=weight), self.shape)

    def staircase(self, levels: int) -> None:
        step = float(2.0 ** self.rng.integers(-3, 1))
        self.add(Staircase(name=self.name("act"), inputs=(self.value,), step=step, levels=levels), self.shape)

    def pool(self) -> None:
        weight = np.full((self.shape[0], 1, 2, 2), 0.25)
        op = Conv2d(
            name=self.name("pool"), inputs=(self.value,), weight=weight, strides=(2, 2), groups=self.shape[0]
        )  # fmt: skip
        self.add(op, op.out_shape(self.shape))

    def max_pool(self, kernel: int, strides: int, pads: tuple[int, int, int, int]) -> None:
        one = np.array(1.0)
        op = MaxPool(
            name=self.name("max"), inputs=(self.value,), kernel=(kernel, kernel), strides=(strides, strides),
            pads=pads, unit=one, scale=one,
        )  # fmt: skip
        channels, height, width = self.shape
        rows = (height + pads[0] + pads[2] - kernel) // strides + 1
        self.add(op, (channels, rows, (width + pads[1] + pads[3] - kernel) // strides + 1))

    def concat(self, other: str, channels: int) -> None:
        shape = (self.shape[0] + channels, *self.shape[1:])
        self.add(Concat(name=self.name("concat"), inputs=(self.value, other)), shape)

    def gather(self, picked: Array, shape: Shape) -> None:
        self.add(Gather(name=self.name("gather"), inputs=(self.value,), index=picked.ravel(), shape=shape), shape)

    def dense(self, out: int) -> None:
        if len(self.shape) > 1:
            flat = (int(np.prod(self.shape)),)
            self.add(Reshape(name=self.name("flat"), inputs=(self.value,), shape=flat), flat)
        weight = self.dyadic(out, int(np.prod(self.shape)))
        self.add(Dense(name=self.name("fc"), inputs=(self.value,), weight=weight), (out,))

    def join(self, other: str) -> None:
        self.add(Sum(name=self.name("sum"), inputs=(self.value, other)), self.shape)


@st.composite
def imported(draw: st.DrawFn, levels: tuple[int, ...] = (1, 2, 4, 8), blocks: int = 3) -> Graph:
    """A network at stage IMPORTED."""
    b = Builder(np.random.default_rng(draw(st.integers(0, 2**16))))
    low, high = draw(st.sampled_from([(0, 16), (-16, 16), (-7, 3)]))
    shape = (draw(st.integers(1, 3)), draw(st.integers(4, 7)), draw(st.integers(4, 7)))
    zero = draw(st.sampled_from([0, 0, 3]))
    b.add(Input(name="x", shape=shape, scale=1 / 8, zero_point=zero, low=low, high=high), shape)
    level = draw(st.sampled_from(levels))
    for _ in range(draw(st.integers(1, blocks))):
        _block(draw, b, level)
    if draw(st.booleans()):  # a residual pair of dense layers
        b.dense(draw(st.integers(2, 5)))
        b.staircase(level)
        skip = b.value
        b.dense(b.shape[0])
        b.staircase(level)
        b.dense(b.shape[0])
        b.join(skip)
        b.staircase(level)
    b.dense(3)
    b.bias(False)
    b.add(Readout(name="logits", inputs=(b.value,), unit=np.array(1.0)), b.shape)
    return Graph(ops=tuple(b.ops), name="drawn")


def _block(draw: st.DrawFn, b: Builder, level: int) -> None:
    kind = draw(
        st.sampled_from(["conv", "residual", "shortcut", "pool", "max", "dense block", "transposed", "shuffle"])
    )
    channels, height, width = b.shape
    if kind == "conv":
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
        kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        pads = (draw(st.integers(0, 1)), draw(st.integers(0, 2)), draw(st.integers(0, 1)), draw(st.integers(0, 1)))
        reach = dilation * (kernel - 1) + 1
        if min(height + pads[0] + pads[2], width + pads[1] + pads[3]) < reach:
            kernel = dilation = 1
        b.conv(groups * draw(st.integers(1, 2)), kernel, draw(st.integers(1, 2)), pads, dilation, groups)
        if draw(st.booleans()):
            b.bias(draw(st.booleans()))
        if draw(st.booleans()):
            b.scale()
        b.staircase(level)
    elif kind == "max" and min(height, width) >= 2:
        b.max_pool(2, draw(st.integers(1, 2)), (draw(st.integers(0, 1)), 0, 0, draw(st.integers(0, 1))))
    elif kind == "dense block":  # what is joined stays linear, and is read twice
        stem, shape = b.value, b.shape
        b.conv(draw(st.integers(1, 2)), 3, 1, (1, 1, 1, 1), 1, 1)
        b.concat(stem, channels)
        joined, wide = b.value, b.shape
        b.scale()
        b.staircase(level)
        b.conv(2, 1, 1, (0, 0, 0, 0), 1, 1)
        b.concat(joined, wide[0])
        b.staircase(level)
        if min(height, width) >= 2 and draw(st.booleans()):
            b.max_pool(2, 2, (0, 0, 0, 0))
    elif kind == "transposed" and min(height, width) >= 2 and height * width <= 25:
        b.conv(draw(st.integers(1, 2)), 2, 1, (draw(st.integers(-1, 1)), 1, 0, 1), 1, 1, upsample=2)
        b.staircase(level)
    elif kind == "shuffle":  # channels and places are taken in another order, before and after a population
        neurons = np.arange(int(np.prod(b.shape))).reshape(b.shape)
        order = draw(st.permutations(range(channels)))
        b.gather(neurons[list(order)[: draw(st.integers(1, channels))]], (0,))
        b.shape = (len(b.ops[-1].index) // (height * width), height, width)  # type: ignore[attr-defined]
        b.ops[-1] = replace(b.ops[-1], shape=b.shape)  # type: ignore[call-arg]
        b.conv(b.shape[0], 3, 1, (1, 1, 1, 1), 1, b.shape[0])
        if draw(st.booleans()):
            flipped = np.arange(int(np.prod(b.shape))).reshape(b.shape)[:, ::-1]
            b.gather(flipped, b.shape)
        b.staircase(level)
    elif kind == "pool" and min(height, width) >= 2:
        b.pool()
        b.conv(draw(st.integers(1, 3)), 1, 1, (0, 0, 0, 0), 1, 1)
        b.staircase(level)
    else:  # two layers beside a skip, which is the identity or a 1x1 convolution
        skip = b.value
        b.conv(channels, 3, 1, (1, 1, 1, 1), 1, 1)
        b.staircase(level)
        b.conv(channels, 3, 1, (1, 1, 1, 1), 1, draw(st.sampled_from([1, channels])))
        deep, shape = b.value, b.shape
        b.value = skip
        if kind == "shortcut":
            b.conv(channels, 1, 1, (0, 0, 0, 0), 1, 1)
        b.shape = shape
        b.join(deep)
        b.staircase(level)


def scheduled(graph: Graph, steps: int, members: int) -> Graph:
    """`graph` as a float spiking network."""
    return passes.run(
        graph, [passes.compose, partial(passes.group, members=members), partial(passes.schedule, steps=steps)]
    )


def quantized(graph: Graph, steps: int, members: int, target: str) -> Graph:
    """`graph` as an integer spiking network for `target`."""
    return passes.run(
        scheduled(graph, steps, members), [partial(passes.quantize, target=targets.load(target)), passes.choose_kernels]
    )


@st.composite
def integer_networks(draw: st.DrawFn, steps: int | None = None, members: int | None = None) -> Graph:
    """A network at stage QUANTIZED as the compiler makes it: tables per channel or per population."""
    steps = steps or draw(st.sampled_from([1, 2, 3, 5]))
    members = members or draw(st.integers(1, 5))
    return quantized(draw(imported()), steps, members, draw(st.sampled_from(["loihi1", "loihi2"])))


@st.composite
def general_networks(draw: st.DrawFn) -> Graph:
    """As `integer_networks`, of Group Neurons that may take spikes back and have biases of their own at each step."""
    steps, members = draw(st.sampled_from([2, 3, 5])), draw(st.integers(1, 4))
    graph = passes.run(draw(imported()), [passes.compose])
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def neuron(op: Staircase, tau: int) -> GroupNeuron:
        return general(group_neuron(op, tau), rng, steps, graph.typeof(op.name).shape[0])

    target = targets.load(draw(st.sampled_from(["loihi1", "loihi2"])))
    return passes.run(
        graph,
        [
            partial(passes.group, members=members, neuron=neuron),
            partial(passes.schedule, steps=steps),
            partial(passes.quantize, target=target),
            passes.choose_kernels,
        ],
    )


def phase(graph: Graph, steps: int, target: str, base: float = 0.0) -> Graph:
    """`graph` as an integer network of phase neurons."""
    path = spiking(steps=steps, members=1, target=targets.load(target), method=Phase(base=base))
    return passes.run(graph, [passes.compose, *path])


@st.composite
def phase_networks(draw: st.DrawFn) -> Graph:
    """As `integer_networks`, of phase neurons."""
    steps, base = draw(st.sampled_from([1, 2, 3, 5])), draw(st.sampled_from([0.0, 1.5, 2.0]))
    return phase(draw(imported()), steps, draw(st.sampled_from(["loihi1", "loihi2"])), base)


def general(op: GroupNeuron, rng: np.random.Generator, steps: int, channels: int) -> GroupNeuron:
    """`op` with some of what its thresholds alone do not say, dyadic."""
    q = op.scale
    k = np.arange(1, 1 + int(rng.integers(0, op.members + 1)))
    if len(k):
        wide = q * rng.integers(1, 4, channels) / 2  # of the members that take back: their own spacing
        negative, excitation = -(k[:, None] - 0.5) * wide, np.repeat(wide[None], len(k), axis=0)
        if rng.integers(2):
            negative, excitation = negative[:, 0], excitation[:, 0]
        op = replace(op, negative=negative, excitation=excitation)
    if rng.integers(2):
        shape = (steps, channels) if rng.integers(2) else (steps,)
        op = replace(op, bias_by_step=rng.integers(-8, 9, shape) / 16)
    return op


def with_integer_parameters(graph: Graph, rng: np.random.Generator, largest_q: int) -> tuple[Graph, dict[str, Array]]:
    """The scheduled `graph` with random integers for all parameters, and q of every population, () or (C,)."""
    spacing: dict[str, Array] = {}
    ops: list[Op] = []
    pooled = {name for op in graph.of(MaxPool) for name in op.inputs}
    for op in graph.ops:
        if isinstance(op, Projection) and op.name in pooled:
            op = replace(op, weight=op.weight.astype(np.int8))
        elif isinstance(op, Projection):
            weight = rng.integers(-9, 10, op.weight.shape).astype(np.int8)
            op = replace(op, weight=weight, exponent=int(rng.integers(0, 3)))
        if isinstance(op, Membrane):
            channels = graph.typeof(op.name).shape[0]
            bias = None if op.bias is None else rng.integers(-30, 31, op.bias.shape).astype(np.int32)
            op = replace(op, bias=bias)
            if isinstance(op, GroupNeuron):
                q = rng.integers(1, largest_q + 1, (channels,) if rng.integers(2) else ())
                k = np.arange(1, op.members + 1).reshape(-1, *(1,) * q.ndim)
                thresholds, reset = -((1 - 2 * k) * q // 2), np.broadcast_to(q, (op.members, *q.shape))
                spacing[op.name] = q
                op = replace(op, thresholds=thresholds.astype(np.int32), inhibition=reset.astype(np.int32))
        ops.append(op)
    return graph.rebuild(ops, stage=Stage.QUANTIZED), spacing


def samples(graph: Graph, n: int, seed: int = 0) -> Array:
    """`n` random samples over the whole range of the input, in real units."""
    source = graph.input
    codes = np.random.default_rng(seed).integers(source.low, source.high + 1, (n, *source.shape))
    return (codes - source.zero_point) * source.scale
