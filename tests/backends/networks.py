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
    MaxPool,
    OneToOne,
    Op,
    Readout,
    Shape,
    Sparse,
    Stage,
)

ONE = np.array(1.0)


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
        unit=ONE,
        thresholds=np.ceil((k[1:] - 0.5) * q).astype(np.int32),
        inhibition=np.diff(np.rint(k * q), axis=0).astype(np.int32),
        scale=1.0,
    )


def network(name: str, steps: int, members: int, *ops: Op) -> Graph:
    return Graph(ops=ops, name=name, stage=Stage.QUANTIZED, steps=steps, members=members)


def source(shape: Shape, low: int, high: int) -> Op:
    return Input(name="image", shape=shape, scale=1.0, low=low, high=high)


def readout(*inputs: str, level: int, bias: Array | None = None) -> Op:
    return Readout(name="logits", inputs=inputs, level=level, bias=bias, unit=ONE)


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


def plain() -> Graph:
    """Convolutions as SANA-FE has them itself: without pads, by two strides, a kernel of two sides; the longest delay
    that it has, and a Dense that reaches some channels."""
    return network(
        "plain", 4, 2,
        source((3, 9, 8), -5, 20),
        Conv2d(name="conv1", inputs=("image",), weight=weights(1, 5, 3, 2, 3)),
        population("relu1", "conv1", level=1, q=1900.5, members=2, bias=np.arange(-2, 3, dtype=np.int32) * 100),
        Conv2d(name="conv2", inputs=("relu1",), weight=weights(2, 4, 5, 3, 2), strides=(2, 1), exponent=1),
        population("relu2", "conv2", level=2, q=np.array([300.5, 411.0, 520.25, 90.0]), members=3),
        *(
            op
            for level in range(3, 7)
            for op in (
                OneToOne(name=f"on{level}", inputs=(f"relu{level - 1}",), weight=np.array(100, np.int8)),
                population(f"relu{level}", f"on{level}", level=level, q=110.0 - level, members=2),
            )
        ),
        Conv2d(name="conv7", inputs=("relu6",), weight=weights(7, 2, 4, 1, 2), strides=(1, 2)),
        Conv2d(name="skip7", inputs=("relu1",), weight=weights(8, 2, 5, 4, 3), strides=(2, 3), delay=5),
        population("relu7", "conv7", "skip7", level=7, q=350.0, members=2),
        Dense(name="fc", inputs=("relu7",), weight=weights(9, 3, 2 * 3 * 2), offset=1, channels=4),
        Dense(name="late", inputs=("relu2",), weight=weights(10, 4, 4 * 3 * 5), delay=5),
        readout("fc", "late", level=8),
    )  # fmt: skip


def pools() -> Graph:
    """Max-pools of the network's signed input and of joined channels, and projections that read some channels, reach
    some, spread and crop: dense, sparse, convolutions with a weight of -128 and with one of 11 bits in two parts."""
    filled = np.array([0, 3, 0, 5, 2, 0, 0, 4, 1, 1, 0, 6, 2, 2, 0, 0, 0, 7, 1, 1, 3, 2, 0, 0])
    index = np.random.default_rng(11).integers(0, 90, filled.sum())
    wide = np.random.default_rng(12).integers(-1024, 1024, (5, 8, 1, 1))
    lowest = np.full((4, 3, 3, 3), -128, np.int8) // np.arange(1, 5).reshape(4, 1, 1, 1).astype(np.int8)
    one = np.array(1, np.int8)
    bias = np.array([300, 0, 0, 38000], np.int32)
    rising = np.arange(0, 6000, 100, dtype=np.int32).reshape(5, 3, 4)
    return network(
        "pools", 3, 3,
        source((3, 6, 5), -9, 6),
        OneToOne(name="p/all", inputs=("image",), weight=one),
        max_pool("p", "p/all", level=1, low=-9, high=6, kernel=(2, 3), strides=(2, 1), pads=(1, 2, 0, 1),
                 dilations=(1, 2)),
        Conv2d(name="a/conv", inputs=("image",), weight=lowest, take=np.array([2, 0, 2]), pads=(1, 1, 1, 1)),
        population("a", "a/conv", level=1, q=2000.5, members=3),
        Conv2d(
            name="b/up", inputs=("p",), weight=weights(3, 2, 2, 3, 2), take=np.array([2, 0]), upsample=(2, 2),
            pads=(-1, -1, 1, -1), channels=7,
        ),
        OneToOne(
            name="b/skip", inputs=("p",), weight=np.array([30, -40], np.int8), take=np.array([1, 0]), exponent=2,
            offset=2, channels=7,
        ),
        Conv2d(name="b/conv", inputs=("a",), weight=weights(4, 2, 4, 2, 2), strides=(2, 1), offset=4, channels=7),
        Sparse(
            name="b/sparse", inputs=("image",), weight=weights(5, len(index)), index=index,
            pointer=np.concatenate([[0], np.cumsum(filled)]), shape=(2, 3, 4), exponent=1, offset=5, channels=7,
            delay=1,
        ),
        population("b", "b/up", "b/skip", "b/conv", "b/sparse", level=2, q=350.3, members=3),
        OneToOne(name="c/b", inputs=("b",), weight=one, take=np.array([5, 0, 1, 2, 3, 6]), channels=8),
        OneToOne(name="c/p", inputs=("p",), weight=one, take=np.array([0, 2]), offset=6, channels=8, delay=1),
        max_pool("c", "c/b", "c/p", level=3, low=-9, high=6, kernel=(2, 2), pads=(0, 1, 1, 0)),
        Conv2d(name="d/conv", inputs=("c",), weight=(wide >> 4).astype(np.int8), exponent=4),
        Conv2d(name="d/conv#low", inputs=("c",), weight=(wide & 15).astype(np.int8)),
        OneToOne(
            name="d/full", inputs=("b",), weight=weights(6, 5, 3, 4), take=np.array([6, 0, 1, 2, 4]), delay=1
        ),
        population("d", "d/conv", "d/conv#low", "d/full", level=4, q=1500.0, members=4, bias=rising),
        Dense(name="fc/d", inputs=("d",), weight=weights(7, 2, 60), offset=1, channels=4),
        Dense(name="fc/c", inputs=("c",), weight=np.full((1, 96), -128, np.int8), offset=3, channels=4, delay=1),
        Sparse(
            name="fc/sparse", inputs=("p",), weight=np.array([100, -20], np.int8), index=np.array([3, 35]),
            pointer=np.array([0, 2]), shape=(1,), channels=4, delay=3,
        ),
        population("e", "fc/d", "fc/c", "fc/sparse", level=5, q=250.0, members=3, bias=bias),
        OneToOne(
            name="out", inputs=("e",), weight=np.array([5, 7, -128], np.int8), take=np.array([3, 1, 0]), offset=1,
            channels=4,
        ),
        Dense(name="bias", inputs=("c",), weight=weights(8, 4, 96), delay=2),
        readout("out", "bias", level=6),
    )  # fmt: skip


def max_pool(name: str, *inputs: str, level: int, low: int, high: int, **window: tuple[int, ...]) -> Op:
    return MaxPool(
        name=name, inputs=inputs, origin=(f"/{name}/MaxPool",), level=level, unit=ONE, scale=ONE, low=low, high=high,
        **window,  # type: ignore[arg-type]
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
