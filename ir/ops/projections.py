"""Projections: linear maps from the spikes of one population to the membrane of another.

A spike sent at step g arrives at g + 1 + delay. After quantisation a weight is an integer, and what
arrives is `(weight << exponent) @ counts` in units of the receiving membrane: an 8-bit weight and
one exponent per projection, as Loihi's synapse formats have it.

Every projection may read some channels only (`take`) and reach some channels only (`offset`, `channels`): so Concat,
Split and channel shuffles cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Array, Current, Op, Shape, Spikes, Type, is_integer, per_channel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection(Op):
    """Base of the projections.

    `delay` is the extra delay in steps, beyond the one of every synapse. The result of the map (`map_shape`) lies in
    the channels `offset`, `offset + 1`, ... of the receiving membrane, which has `channels` of them (0: just those of
    the result); the others get nothing.

    `kernel` is the simulator's arithmetic, chosen at compile time, and `bound` its proof: no partial sum of products is
    larger (see `ganglion.ir.exact`).
    """

    weight: Array
    exponent: int = 0
    delay: int = 0
    offset: int = 0
    channels: int = 0
    kernel: str = ""
    bound: int = 0

    def map_shape(self, shape: Shape) -> Shape:
        """The shape of the map's result for an input of `shape`; raises `CompileError` if it cannot be applied."""
        raise NotImplementedError

    def rows(self, shape: Shape) -> Array:
        """The weights as rows by channel of the map's result, for an input of `shape`: (C, anything)."""
        return self.weight.reshape(len(self.weight), -1)

    def scaled(self, factor: Array, shape: Shape) -> Array:
        """The weights times `factor`, () or one per channel of the map's result, for an input of `shape`."""
        return self.weight * (factor if factor.ndim == 0 else factor.reshape(-1, *(1,) * (self.weight.ndim - 1)))

    def row_sums(self, shape: Shape) -> tuple[Array, Array]:
        """Per channel of the map's result, bounds of the sums of one neuron's positive and negative weights."""
        rows = self.rows(shape)
        wide = np.int64 if is_integer(rows) else np.float64
        return np.maximum(rows, 0).sum(axis=1, dtype=wide), np.minimum(rows, 0).sum(axis=1, dtype=wide)

    def synapses(self, shape: Shape) -> int:
        """How many synapses the map has, padding included, for an input of `shape`."""
        raise NotImplementedError

    def fan_out(self, shape: Shape) -> Array:
        """The synapses of each neuron of a source of `shape`: int64, of `shape` or (1, ...), to broadcast over it.

        Places of a kernel that fall outside the map have no synapse; weights of zero have one.
        """
        raise NotImplementedError

    def out_shape(self, shape: Shape) -> Shape:
        """The shape of the receiving membrane, for an input of `shape`."""
        result = self.map_shape(shape)
        return (self.channels, *result[1:]) if self.channels else result

    def part_of(self, factor: Array, shape: Shape) -> Array:
        """What of `factor`, () or one per receiving channel, belongs to the result for an input of `shape`."""
        return factor[self.offset : self.offset + self.map_shape(shape)[0]] if factor.ndim else factor

    def placed(self, values: Array, channels: int) -> Array:
        """`values` (C, ...), one per channel of the result, among the `channels` that receive: zero elsewhere."""
        if not self.channels:
            return values
        whole = np.zeros((channels, *values.shape[1:]), values.dtype)
        whole[self.offset : self.offset + len(values)] = values
        return whole

    def sums(self, shape: Shape) -> tuple[Array, Array]:
        """Bounds, per receiving channel, of the sum of the positive and of the negative weights of one neuron.

        For an input of `shape`; int64 or float64 (C,), without the exponent.
        """
        above, below = self.row_sums(shape)
        channels = self.out_shape(shape)[0]
        return self.placed(above, channels), self.placed(below, channels)

    def peaks(self, shape: Shape) -> Array:
        """The largest |weight| into each receiving channel, for an input of `shape`: (C,)."""
        rows = self.rows(shape)
        largest = np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0))
        return self.placed(largest, self.out_shape(shape)[0])

    def infer(self, *types: Type) -> Current:
        source = self.one_of(types, Spikes, Current)
        if self.delay < 0:
            raise self.bug(f"negative delay {self.delay}")
        if self.exponent and not is_integer(self.weight):
            raise self.bug("an exponent without integer weights")
        result = self.map_shape(source.shape)
        if self.channels and not 0 <= self.offset <= self.channels - result[0]:
            raise self.bug(f"{result[0]} channels do not fit at {self.offset} of {self.channels}")
        return Current(shape=self.out_shape(source.shape), integer=is_integer(self.weight))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selective(Projection):
    """A projection that can read a selection of its source's channels.

    `take` (C',) names them, in the order in which the map sees them; None: all of them.
    """

    take: Array | None = None

    def seen(self, shape: Shape) -> Shape:
        """The shape of what the map sees of a source of `shape`."""
        if self.take is None:
            return shape
        if self.take.ndim != 1 or self.take.min(initial=0) < 0 or self.take.max(initial=0) >= shape[0]:
            raise self.bug(f"takes channels that a source of {shape} does not have")
        return (len(self.take), *shape[1:])

    def fan_out(self, shape: Shape) -> Array:
        each, spatial = self.fan_out_of_seen(shape), (1,) * (len(shape) - 1)
        if self.take is None:
            return each
        return np.asarray(np.bincount(self.take, minlength=shape[0]).reshape(-1, *spatial) * each)

    def fan_out_of_seen(self, shape: Shape) -> Array:
        """The synapses of each neuron that the map sees, int64 (1, ...): as many in all channels."""
        return np.ones((1,) * len(shape), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense(Projection):
    """y[m] = sum_k weight[m, k] * x[k], over the flattened (C order) input. `weight` is (M, K)."""

    mnemonic: ClassVar[str] = "dense"

    def map_shape(self, shape: Shape) -> Shape:
        n = 1
        for extent in shape:
            n *= extent
        if self.weight.ndim != 2 or self.weight.shape[1] != n:
            raise self.fail(f"weights of shape {self.weight.shape} do not fit an input of {n} values {shape}")
        return (self.weight.shape[0],)

    def synapses(self, shape: Shape) -> int:
        return self.weight.size

    def fan_out(self, shape: Shape) -> Array:
        return np.full((1,) * len(shape), len(self.weight), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv2d(Selective):
    """y[o, i, j] = sum_{c, a, b} weight[o, c, a, b] * x[c, i * stride - pad + a * dilation, j * ...], zero outside.

    The cross-correlation of ONNX `Conv`: `weight` is (O, C / groups, kh, kw), the input (C, H, W).

    `pads` is (top, left, bottom, right); a negative one crops the input. `upsample` (u, v) > 1 first spreads the
    input: u - 1 zeros between its rows, v - 1 between its columns. So a transposed convolution is a Conv2d as well.
    """

    mnemonic: ClassVar[str] = "conv2d"

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    upsample: tuple[int, int] = (1, 1)

    def map_shape(self, shape: Shape) -> Shape:
        if self.weight.ndim != 4:
            raise self.fail(f"convolution weights of shape {self.weight.shape}; expected (O, C / groups, kh, kw)")
        if len(shape) != 3:
            raise self.fail(f"a 2-D convolution needs an input (C, H, W), got {shape}")
        out, fan_in, *kernel = self.weight.shape
        if self.groups < 1 or out % self.groups or fan_in * self.groups != self.seen(shape)[0]:
            raise self.fail(
                f"weights of shape {self.weight.shape} in {self.groups} groups do not fit {self.seen(shape)[0]} "
                "input channels"
            )
        if min(*self.strides, *self.dilations, *self.upsample) < 1:
            raise self.fail(f"strides {self.strides}, dilations {self.dilations} or pads {self.pads} are not usable")
        spatial = []
        for axis in (0, 1):
            extent = self.spread(shape)[axis] + self.pads[axis] + self.pads[axis + 2]
            reach = self.dilations[axis] * (kernel[axis] - 1) + 1
            if extent < reach:
                raise self.fail(f"the kernel reaches over {reach} places, but the padded input has {extent}")
            spatial.append((extent - reach) // self.strides[axis] + 1)
        return (out, *spatial)

    def spread(self, shape: Shape) -> tuple[int, int]:
        """Height and width of the input after `upsample`."""
        return ((shape[1] - 1) * self.upsample[0] + 1, (shape[2] - 1) * self.upsample[1] + 1)

    @property
    def depthwise(self) -> bool:
        """Whether every channel of the result comes from one channel of the input, one to one."""
        return bool(self.weight.shape[1] == 1 and self.weight.shape[0] == self.groups)

    def synapses(self, shape: Shape) -> int:
        _, height, width = self.map_shape(shape)
        spread = self.upsample[0] * self.upsample[1]  # so many of the kernel's places meet a zero
        return -(-self.weight.size * height * width // spread)

    def fan_out_of_seen(self, shape: Shape) -> Array:
        rows, columns = (self._uses(shape, axis) for axis in (0, 1))
        return np.asarray((rows[:, None] * columns)[None] * (len(self.weight) // self.groups))

    def _uses(self, shape: Shape, axis: int) -> Array:
        """How often each of the source's rows (`axis` 0) or columns (1) is read by one channel of the result."""
        start = np.arange(self.map_shape(shape)[1 + axis]) * self.strides[axis] - self.pads[axis]
        read = (start[:, None] + np.arange(self.weight.shape[2 + axis]) * self.dilations[axis]).ravel()
        place, between = np.divmod(read, self.upsample[axis])
        inside = (between == 0) & (place >= 0) & (place < shape[1 + axis])
        return np.bincount(place[inside], minlength=shape[1 + axis]).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneToOne(Selective):
    """y[i] = weight[channel of i] * x[i]: a skip connection.

    `weight` is (), (C,) or the shape of what the map sees.
    """

    mnemonic: ClassVar[str] = "one-to-one"

    def map_shape(self, shape: Shape) -> Shape:
        self.check_channelwise("the one-to-one weight", self.weight, self.seen(shape))
        return self.seen(shape)

    def rows(self, shape: Shape) -> Array:
        seen = self.seen(shape)
        return np.broadcast_to(self.weight_over(seen), seen).reshape(seen[0], -1)

    def scaled(self, factor: Array, shape: Shape) -> Array:
        if factor.ndim == 0 or self.weight.ndim <= 1:
            return self.weight * factor
        return self.weight * per_channel(factor, self.seen(shape))

    def row_sums(self, shape: Shape) -> tuple[Array, Array]:
        rows = self.rows(shape)
        wide = np.int64 if is_integer(rows) else np.float64
        return np.maximum(rows, 0).max(axis=1).astype(wide), np.minimum(rows, 0).min(axis=1).astype(wide)

    def synapses(self, shape: Shape) -> int:
        return int(np.prod(self.seen(shape)))

    def weight_over(self, shape: Shape) -> Array:
        """The weight in a form that broadcasts over what the map sees, of `shape`."""
        return per_channel(self.weight, shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sparse(Projection):
    """y[i] = sum of weight[e] * x[index[e]] over the entries e = pointer[i], ..., pointer[i + 1] - 1 (CSR).

    Neurons are numbered in C order. `shape` is the map's result, `index` and `weight` are (E,), `pointer` (n + 1,).
    For whatever is no convolution: borders of average pools, permutations of space.
    """

    mnemonic: ClassVar[str] = "sparse"

    index: Array
    pointer: Array
    shape: Shape

    def map_shape(self, shape: Shape) -> Shape:
        entries = len(self.index)
        n = int(np.prod(shape))
        if self.weight.shape != (entries,) or self.pointer.shape != (int(np.prod(self.shape)) + 1,):
            raise self.bug(f"{entries} entries, {self.weight.shape} weights, {self.pointer.shape} rows")
        if self.pointer[0] != 0 or self.pointer[-1] != entries or (np.diff(self.pointer) < 0).any():
            raise self.bug("rows that do not follow one another")
        if entries and not 0 <= self.index.min() <= self.index.max() < n:
            raise self.bug(f"reads neurons that a source of {shape} does not have")
        return self.shape

    def channel_of(self) -> Array:
        """The receiving channel of every entry, (E,)."""
        inner = int(np.prod(self.shape[1:]))
        return np.repeat(np.arange(len(self.pointer) - 1) // inner, np.diff(self.pointer))

    def rows(self, shape: Shape) -> Array:
        largest = np.zeros(self.shape[0])
        np.maximum.at(largest, self.channel_of(), np.abs(self.weight.astype(np.float64)))
        return largest[:, None]

    def scaled(self, factor: Array, shape: Shape) -> Array:
        return self.weight * (factor if factor.ndim == 0 else factor[self.channel_of()])

    def row_sums(self, shape: Shape) -> tuple[Array, Array]:
        wide = np.int64 if is_integer(self.weight) else np.float64
        total = np.zeros((2, len(self.pointer) - 1), wide)
        neuron = np.repeat(np.arange(len(self.pointer) - 1), np.diff(self.pointer))
        np.add.at(total[0], neuron, np.maximum(self.weight, 0))
        np.add.at(total[1], neuron, np.minimum(self.weight, 0))
        by_channel = total.reshape(2, self.shape[0], -1)
        return by_channel[0].max(axis=1), by_channel[1].min(axis=1)

    def synapses(self, shape: Shape) -> int:
        return self.weight.size

    def fan_out(self, shape: Shape) -> Array:
        return np.bincount(self.index, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)
