"""NIR's nodes as ops of the IR, one function each. Shapes never hold a batch, in NIR as here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganglion.errors import CompileError
from ganglion.ir import (
    Array,
    Bias,
    Conv2d,
    Dense,
    OneToOne,
    Op,
    Reshape,
    Shape,
    Staircase,
    Sum,
    Type,
    dims,
    size,
)
from ganglion.ir.affine import compact_scale


@dataclass
class Translation:
    """The network in the making: its ops, the types of its values, and v_threshold of its neurons, () or (C,).

    `taken` are the names of the graph's nodes.
    """

    taken: set[str] = field(default_factory=set)
    ops: list[Op] = field(default_factory=list)
    types: dict[str, Type] = field(default_factory=dict)
    thresholds: dict[str, Array] = field(default_factory=dict)

    def add(self, op: Op) -> str:
        self.types[op.name] = op.infer(*(self.types[name] for name in op.inputs))
        self.ops.append(op)
        return op.name

    def beside(self, name: str, what: str) -> str:
        """A name for another op of the node `name`."""
        wanted = f"{name}.{what}"
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted

    def shape(self, value: str) -> Shape:
        return self.types[value].shape

    def total(self, name: str, values: list[str]) -> str:
        """What several edges bring to the node `name`: their sum."""
        if len(values) == 1:
            return values[0]
        return self.add(Sum(name=self.beside(name, "sum"), inputs=tuple(values), origin=(name,)))


def fail(name: str, node: Any, message: str, hint: str = "") -> CompileError:
    return CompileError(f"{type(node).__name__}: {message}", origin=[name], hint=hint)


def numbers(name: str, node: Any, key: str) -> Array:
    """The array `key` of a node, finite, as float64."""
    try:
        array = np.asarray(getattr(node, key), np.float64)
    except (TypeError, ValueError) as error:
        raise fail(name, node, f"its {key} holds no numbers: {error}") from error
    if not np.isfinite(array).all():
        raise fail(name, node, f"its {key} holds NaN or infinity")
    return array


def pair(name: str, node: Any, key: str, least: int) -> tuple[int, int]:
    """A setting of a window, for height and width: one whole number for both, or two."""
    value = numbers(name, node, key).reshape(-1)
    if len(value) not in (1, 2) or (value != np.rint(value)).any() or (value < least).any():
        given = ", ".join(f"{v:g}" for v in value)
        raise fail(name, node, f"its {key} is {given}; it must be one or two whole numbers from {least} on")
    return int(value[0]), int(value[-1])


def linear(t: Translation, name: str, node: Any, value: str) -> str:
    """Linear and Affine."""
    weight, shape = numbers(name, node, "weight"), t.shape(value)
    if weight.ndim != 2 or shape != (weight.shape[1],):
        raise fail(
            name,
            node,
            f"weights of shape {weight.shape} do not fit an input of shape {dims(shape)}",
            "a matrix (M, N) takes a vector of N: put a Flatten before it (its start_dim counts without the batch: 0)",
        )
    value = t.add(Dense(name=name, inputs=(value,), origin=(name,), weight=weight))
    return biased(t, name, node, value) if hasattr(node, "bias") else value


def biased(t: Translation, name: str, node: Any, value: str) -> str:
    """`value` plus the node's bias, one for each channel."""
    bias = numbers(name, node, "bias").reshape(-1)
    if len(bias) not in (1, t.shape(value)[0]):
        raise fail(name, node, f"{len(bias)} biases for {t.shape(value)[0]} channels")
    if not bias.any():
        return value
    bias = np.broadcast_to(bias, t.shape(value)[:1])
    return t.add(Bias(name=t.beside(name, "bias"), inputs=(value,), origin=(name,), bias=bias))


def conv2d(t: Translation, name: str, node: Any, value: str) -> str:
    weight, shape = numbers(name, node, "weight"), t.shape(value)
    check_extent(name, node, shape, 3, weight)
    return convolved(t, name, node, value, weight, "same" if same(name, node) else None)


def conv1d(t: Translation, name: str, node: Any, value: str) -> str:
    """A Conv2d over columns of width 1."""
    weight, shape = numbers(name, node, "weight"), t.shape(value)
    check_extent(name, node, shape, 2, weight)
    wide = t.add(Reshape(name=t.beside(name, "in"), inputs=(value,), origin=(name,), shape=(*shape, 1)))
    result = convolved(t, name, node, wide, weight[..., None], "same" if same(name, node) else None, axes=1)
    return t.add(Reshape(name=t.beside(name, "out"), inputs=(result,), origin=(name,), shape=t.shape(result)[:2]))


def convolved(
    t: Translation, name: str, node: Any, value: str, weight: Array, padding: str | None, axes: int = 2
) -> str:
    """The convolution, of the first `axes` of height and width, and its bias."""
    strides, dilations = pair(name, node, "stride", 1), pair(name, node, "dilation", 1)
    groups = int(numbers(name, node, "groups"))
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
        if max(strides[:axes]) > 1:
            raise fail(name, node, "padding 'same' goes with a stride of 1", "give the padding in numbers")
        pads = (reach[0] // 2, reach[1] // 2, reach[0] - reach[0] // 2, reach[1] - reach[1] // 2)
    else:
        p = (0, 0) if isinstance(node.padding, str) else pair(name, node, "padding", 0)
        pads = (p[0], p[1], p[0], p[1])
    if axes == 1:
        strides, dilations, pads = (strides[0], 1), (dilations[0], 1), (pads[0], 0, pads[2], 0)
    op = Conv2d(
        name=name, inputs=(value,), origin=(name,), weight=weight, strides=strides, pads=pads, dilations=dilations,
        groups=groups,
    )  # fmt: skip
    return biased(t, name, node, t.add(op))


def same(name: str, node: Any) -> bool:
    """Whether the padding is 'same'; 'valid' and numbers are the others."""
    if isinstance(node.padding, str) and node.padding not in ("same", "valid"):
        raise fail(name, node, f"the padding '{node.padding}' is not known")
    return isinstance(node.padding, str) and node.padding == "same"


def check_extent(name: str, node: Any, shape: Shape, rank: int, weight: Array) -> None:
    """Demand an input of that rank, of the extent that the node expects, if it says so."""
    if len(shape) != rank or weight.ndim != rank + 1:
        raise fail(name, node, f"weights of shape {weight.shape} do not fit an input of shape {dims(shape)}")
    if node.input_shape is not None:
        expected = tuple(int(n) for n in np.asarray(node.input_shape).reshape(-1))
        if expected != shape[1:]:
            raise fail(name, node, f"it expects an input of {dims(expected)} places; {dims(shape[1:])} arrive")


def scale(t: Translation, name: str, node: Any, value: str) -> str:
    return scaled(t, name, name, node, "scale", value)


def scaled(t: Translation, result: str, name: str, node: Any, key: str, value: str) -> str:
    """`value` times the array `key` of the node, as a value called `result`."""
    array, shape = numbers(name, node, key), t.shape(value)
    if array.size != 1 and array.shape != shape:
        raise fail(name, node, f"its {key} has shape {dims(array.shape)}; {dims(shape)} arrives")
    weight = compact_scale(np.broadcast_to(array.reshape(-1) if array.size == 1 else array, shape))
    return t.add(OneToOne(name=result, inputs=(value,), origin=(name,), weight=weight))


def pool(t: Translation, name: str, node: Any, value: str) -> str:
    """SumPool2d, and AvgPool2d, which divides by the whole window, padding and all."""
    shape, kernel = t.shape(value), pair(name, node, "kernel_size", 1)
    if len(shape) != 3:
        raise fail(name, node, f"it takes (C, H, W); {dims(shape)} arrives")
    (top, left), strides = pair(name, node, "padding", 0), pair(name, node, "stride", 1)
    value_of_one = 1.0 / size(kernel) if type(node).__name__ == "AvgPool2d" else 1.0
    weight = np.full((shape[0], 1, *kernel), value_of_one)
    op = Conv2d(
        name=name, inputs=(value,), origin=(name,), weight=weight, strides=strides, pads=(top, left, top, left),
        groups=shape[0],
    )  # fmt: skip
    return t.add(op)


def flatten(t: Translation, name: str, node: Any, value: str) -> str:
    shape = t.shape(value)
    expected = (node.input_type or {}).get("input")
    if expected is not None and tuple(int(n) for n in np.asarray(expected).reshape(-1)) != shape:
        raise fail(name, node, f"it expects {np.asarray(expected).tolist()}; {dims(shape)} arrives")
    first, last = int(node.start_dim), int(node.end_dim)
    first, last = (axis + len(shape) if axis < 0 else axis for axis in (first, last))
    if not 0 <= first <= last < len(shape):
        if first == len(shape) == last + 1:
            return value  # there is nothing behind the first axis
        raise fail(name, node, f"it has no axes {node.start_dim}..{node.end_dim} of an input of shape {dims(shape)}")
    flat = (*shape[:first], size(shape[first : last + 1]), *shape[last + 1 :])
    return value if flat == shape else t.add(Reshape(name=name, inputs=(value,), origin=(name,), shape=flat))


def integrate_fire(t: Translation, name: str, node: Any, value: str) -> str:
    """IF, as a staircase of one level, in whose place the neuron comes; see `neurons`."""
    threshold, shape = numbers(name, node, "v_threshold"), t.shape(value)
    if threshold.size != 1 and threshold.shape != shape:
        raise fail(name, node, f"its v_threshold has shape {dims(threshold.shape)}; {dims(shape)} arrives")
    threshold = compact_scale(np.broadcast_to(threshold.reshape(-1) if threshold.size == 1 else threshold, shape))
    if threshold.ndim > 1:
        raise fail(name, node, "its v_threshold differs within a channel", "give every channel one threshold")
    if (threshold <= 0).any():
        raise fail(name, node, f"its v_threshold is {threshold.min():g}; it must be positive")
    if numbers(name, node, "v_reset").any():
        raise fail(
            name, node, "its v_reset is not 0, and a soft reset has no such potential",
            "shift v_threshold and v_reset so that v_reset is 0",
        )  # fmt: skip
    value = gained(t, name, node, value)
    t.thresholds[name] = threshold
    return t.add(Staircase(name=name, inputs=(value,), origin=(name,), step=1.0, levels=1))


def gained(t: Translation, name: str, node: Any, value: str) -> str:
    """`value` times the resistance r of a neuron."""
    r = numbers(name, node, "r")
    if (r == 1).all() and (r.size == 1 or r.shape == t.shape(value)):
        return value
    return scaled(t, t.beside(name, "r"), name, node, "r", value)


HANDLERS: dict[str, Callable[[Translation, str, Any, str], str]] = {
    "Affine": linear,
    "Linear": linear,
    "Conv1d": conv1d,
    "Conv2d": conv2d,
    "Scale": scale,
    "SumPool2d": pool,
    "AvgPool2d": pool,
    "Flatten": flatten,
    "IF": integrate_fire,
}
LEAKY = "its potential leaks; ganglion's neurons keep theirs"
REASONS: dict[str, str] = {
    "LIF": LEAKY,
    "LI": LEAKY,
    "CubaLIF": LEAKY,
    "CubaLI": LEAKY,
    "Threshold": "it compares what arrives in a moment; ganglion's neurons integrate it",
    "Delay": "ganglion balances the paths of a graph itself; a delay of the model's own would be lost",
    "NIRGraph": "it is a graph within the graph; put its nodes into the outer one",
}

__all__ = ["HANDLERS", "REASONS", "Translation", "fail", "gained"]
