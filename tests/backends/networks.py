"""Small quantized networks, built by hand, that between them use everything the Lava backend has to get right."""

from __future__ import annotations

import numpy as np

from ganglion.ir import (
    Array,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    Input,
    OneToOne,
    Op,
    Readout,
    Shape,
    Stage,
)

ONE = np.float64(1)


def weights(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)


def population(name: str, *inputs: str, level: int, q: float | Array, members: int, bias: Array | None = None) -> Op:
    """A Group Neuron with the integer tables of step `q`, a number or one per channel."""
    k = np.arange(members + 1).reshape((-1,) + (1,) * np.ndim(q))
    return GroupNeuron(
        name=name,
        inputs=inputs,
        origin=(f"/{name}/Relu",),
        level=level,
        bias=bias,
        unit=np.asarray(ONE),
        thresholds=np.ceil((k[1:] - 0.5) * q).astype(np.int32),
        inhibition=np.diff(np.rint(k * q), axis=0).astype(np.int32),
        scale=1.0,
    )


def network(name: str, steps: int, members: int, *ops: Op) -> Graph:
    return Graph(ops=ops, name=name, stage=Stage.QUANTIZED, steps=steps, members=members)


def source(shape: Shape, low: int, high: int) -> Op:
    return Input(name="image", shape=shape, scale=1.0, low=low, high=high)


def readout(*inputs: str, level: int, bias: Array | None = None) -> Op:
    return Readout(name="logits", inputs=inputs, level=level, bias=bias, unit=np.asarray(ONE))


def codes(graph: Graph, samples: int, seed: int = 0) -> Array:
    """Random input codes (N, *shape)."""
    op = graph.input
    return np.random.default_rng(seed).integers(op.low, op.high + 1, (samples, *op.shape)).astype(np.int32)


def mlp() -> Graph:
    """Signed 16-bit codes, exponents 0 to 3, a non-integer q, bias per neuron, another shape at a Dense."""
    bias = np.random.default_rng(5).integers(-300, 300, 12).astype(np.int32)
    return network(
        "mlp", 3, 4,
        source((2, 3, 4), -300, 32767),
        Dense(name="fc1", inputs=("image",), weight=weights(1, 12, 24) // 32, exponent=1),
        population("relu1", "fc1", level=1, q=90011.37, members=4, bias=bias),
        Dense(name="fc2", inputs=("relu1",), weight=weights(2, 9, 12), exponent=3),
        population("relu2", "fc2", level=2, q=997.5, members=1),
        Dense(name="fc3", inputs=("relu2",), weight=weights(3, 5, 9)),
        readout("fc3", level=3, bias=np.arange(-2, 3, dtype=np.int32)),
    )  # fmt: skip


def convolutions() -> Graph:
    """130 groups, strides, asymmetric and negative pads, dilation, an exponent, tables per channel."""
    q = np.random.default_rng(7).uniform(200.0, 700.0, 130)
    return network(
        "convolutions", 2, 3,
        source((2, 7, 6), 0, 15),
        Conv2d(name="conv1", inputs=("image",), weight=weights(1, 130, 2, 3, 2), strides=(1, 2), pads=(1, 0, 2, 1)),
        population("relu1", "conv1", level=1, q=q, members=3, bias=np.arange(-65, 65, dtype=np.int32)),
        Conv2d(
            name="depthwise", inputs=("relu1",), weight=weights(2, 130, 1, 2, 2),
            groups=130, strides=(2, 1), dilations=(2, 1), pads=(1, 0, -1, 1), exponent=2,
        ),
        population("relu2", "depthwise", level=2, q=300.25, members=5),
        Conv2d(name="pool", inputs=("relu2",), weight=weights(3, 4, 130, 1, 2), pads=(0, 0, 0, -1)),
        population("relu3", "pool", level=3, q=450.0, members=2),
        Dense(name="fc", inputs=("relu3",), weight=weights(4, 3, 4 * 3)),
        readout("fc", level=4),
    )  # fmt: skip


def residual(*, delay: int = 1, level: int = 3) -> Graph:
    """A join of paths of one, two and three steps; two skips share a delay; weights per channel and per neuron."""
    return network(
        "residual/block", 3, 4,
        source((4, 4, 4), -8, 7),
        Conv2d(name="a/conv", inputs=("image",), weight=weights(1, 4, 4, 3, 3), pads=(1, 1, 1, 1)),
        population("a/relu", "a/conv", level=1, q=260.6, members=4),
        Conv2d(name="b/conv", inputs=("a/relu",), weight=weights(2, 4, 4, 3, 3), pads=(1, 1, 1, 1)),
        population("b.relu", "b/conv", level=2, q=np.array([300.0, 311.3, 90.5, 1000.0]), members=4),
        Conv2d(name="c-conv", inputs=("b.relu",), weight=weights(3, 4, 4, 1, 1)),
        OneToOne(name="skip", inputs=("a/relu",), weight=np.array([90, -20, 127, 3], np.int8), exponent=1, delay=delay),
        Conv2d(name="short", inputs=("a/relu",), weight=weights(4, 4, 4, 1, 1), delay=1),
        OneToOne(name="late", inputs=("image",), weight=weights(5, 4, 4, 4), delay=2),
        population("c.relu", "c-conv", "skip", "short", "late", level=level, q=250.4, members=4),
        Dense(name="fc", inputs=("c.relu",), weight=weights(7, 5, 64), delay=1),
        OneToOne(name="gate", inputs=("b.relu",), weight=np.array(-100, np.int8), delay=1),
        population("d", "gate", level=4, q=7.0, members=2, bias=np.array(104, np.int32)),
        Dense(name="fc2", inputs=("d",), weight=weights(8, 5, 64)),
        readout("fc", "fc2", level=5),
    )  # fmt: skip


def resnet20(steps: int = 2, members: int = 4) -> Graph:
    """ResNet-20 in CIFAR's shape: three stages of three blocks, 16, 32 and 64 channels, 1x1 shortcuts (option B)."""

    def conv(name: str, of: str, o: int, c: int, k: int, stride: int = 1, delay: int = 0) -> Conv2d:
        seeds.append(len(seeds))
        return Conv2d(
            name=name, inputs=(of,), weight=weights(seeds[-1], o, c, k, k), strides=(stride, stride),
            pads=(k // 2, k // 2, k // 2, k // 2), delay=delay,
        )  # fmt: skip

    seeds: list[int] = []
    ops: list[Op] = [source((3, 32, 32), 0, 255), conv("conv0", "image", 16, 3, 3)]
    last, channels, level = "relu0", 16, 1
    ops.append(population(last, "conv0", level=level, q=40000.4, members=members))
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            stride = 2 if stage and not block else 1
            name, q = f"s{stage}b{block}", 40.3 * (9 * width) ** 0.5
            ops += [conv(f"{name}c1", last, width, channels, 3, stride)]
            ops += [population(f"{name}r1", f"{name}c1", level=level + 1, q=q, members=members)]
            ops += [conv(f"{name}c2", f"{name}r1", width, width, 3)]
            if width == channels:
                ops += [OneToOne(name=f"{name}s", inputs=(last,), weight=np.array(100, np.int8), exponent=3, delay=1)]
            else:
                ops += [conv(f"{name}s", last, width, channels, 1, stride, delay=1)]
            last, channels, level = f"{name}r2", width, level + 2
            ops += [population(last, f"{name}c2", f"{name}s", level=level, q=q * 1.7, members=members)]
    ops += [Dense(name="fc", inputs=(last,), weight=weights(99, 10, 64 * 64)), readout("fc", level=level + 1)]
    return network("resnet20", steps, members, *ops)
