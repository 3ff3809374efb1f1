"""What the handlers of ONNX nodes work with: the ops so far, and which IR value stands for which ONNX value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Bias, OneToOne, Op, Reshape, Shape, size

from .names import Names, projection_name
from .quantised import along, integers_of
from .values import Array, constant, finite, name_of, op_label, sample_shape, shape_of


@dataclass
class Translation:
    """A network in the making. `values` maps an ONNX value to the name of the IR op that defines it.

    `gains` holds factors for the two inputs of an Add that the model computes in integers.
    """

    batch: int
    names: Names
    opsets: dict[str, int] = field(default_factory=dict)
    gains: dict[ir.Node, tuple[float, float]] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    values: dict[ir.Value, str] = field(default_factory=dict)

    def shape(self, value: ir.Value, node: ir.Node) -> Shape:
        """The shape of one sample of `value`."""
        return sample_shape(value, self.batch, node)

    def plane(self, shape: Shape, node: ir.Node) -> tuple[int, int, int]:
        """`shape`, (C, H, W) or (C, L), as a plane: (C, H, W) or (C, L, 1)."""
        if len(shape) not in (2, 3):
            raise CompileError(
                f"{op_label(node)} of (N, {', '.join(map(str, shape))}); one or two axes of space are supported",
                origin=[name_of(node)],
            )
        channels, height, width = (*shape, 1)[:3]
        return channels, height, width

    def emit(self, kind: type[Op], wanted: str, inputs: Sequence[str], origin: Sequence[str], **fields: Any) -> str:
        """Add an op, named `wanted` or something like it; returns its name."""
        name = self.names.fresh(wanted)
        self.ops.append(kind(name=name, inputs=tuple(inputs), origin=tuple(origin), **fields))
        return name

    def project(self, kind: type[Op], node: ir.Node, source: str, **fields: Any) -> str:
        """Add the projection that `node` stands for, named after the module it comes from."""
        return self.emit(kind, projection_name(node), [source], [name_of(node)], **fields)

    def source(self, value: ir.Value | None, node: ir.Node) -> str:
        """The IR value behind an input of `node` that must be computed, not constant."""
        if value is None or constant(value) is not None:
            raise CompileError(
                f"{op_label(node)}: '{name_of(value) if value is not None else '?'}' must be computed, not constant",
                origin=[name_of(node)],
            )
        return self.values[value]

    def weight(self, value: ir.Value | None, node: ir.Node) -> Array:
        """The weights of `node`, float64; integers times their scale, where it has integers."""
        integers = integers_of(value)
        if integers is None:
            return required(value, "weight", node)
        return integers.values * along(integers.scale.astype(np.float64), integers.axis, integers.values.ndim)

    def bias(self, value: ir.Value | None, node: ir.Node) -> Array:
        """The bias of `node`, float64, 0 by default."""
        return np.array(0.0) if value is None else required(value, "bias", node)

    def bind(self, node: ir.Node, name: str) -> None:
        """`name` is the first output of `node`."""
        self.values[node.outputs[0]] = name

    def add_bias(self, node: ir.Node, source: str, bias: Array) -> str:
        """source + bias; nothing where the bias is zero."""
        if not bias.any():
            return source
        return self.emit(Bias, f"{projection_name(node)}.bias", [source], [name_of(node)], bias=bias)

    def scale(self, node: ir.Node, source: str, factor: Array) -> str:
        """source * factor; nothing where the factor is one."""
        if (factor == 1).all():
            return source
        return self.emit(OneToOne, projection_name(node), [source], [name_of(node)], weight=factor)

    def reshape(self, node: ir.Node, source: str, before: Shape, after: Shape) -> str:
        """The same values under another shape; nothing where it is the same."""
        if before == after:
            return source
        if size(before) != size(after):
            raise CompileError(f"{op_label(node)}: reshapes {before} to {after}", origin=[name_of(node)])
        return self.emit(Reshape, node.outputs[0].name or "", [source], [name_of(node)], shape=after)


def required(value: ir.Value | None, what: str, node: ir.Node) -> Array:
    """A constant input of `node` as float64; raises `CompileError` if it is computed or not finite."""
    array = constant(value)
    if array is None:
        raise CompileError(
            f"{op_label(node)}: the {what} is computed by the network; it must be constant",
            origin=[name_of(node)],
            hint="products of two computed values cannot be turned into synapses",
        )
    return finite(array, f"the {what}", node)


def same_shape(node: ir.Node, *values: ir.Value) -> None:
    """Raises `CompileError` unless the output of `node` has the shape of each of `values`: no broadcasting."""
    shapes = [shape_of(v) for v in values]
    if any(s != shape_of(node.outputs[0]) for s in shapes):
        raise CompileError(
            f"{op_label(node)}: broadcasts {' and '.join(map(str, shapes))} to {shape_of(node.outputs[0])}",
            origin=[name_of(node)],
            hint="only constants may be broadcast",
        )


def per_sample(array: Array, value: ir.Value, node: ir.Node) -> Array:
    """A constant that broadcasts against `value` (batch included) as (), (C,) or one value per neuron.

    Raises `CompileError` where it differs between the samples of a batch.
    """
    shape = shape_of(value)
    if shape is None:
        raise CompileError(f"{op_label(node)}: the shape of '{name_of(value)}' is unknown", origin=[name_of(node)])
    if (array == array.flat[0]).all():
        return np.array(array.flat[0])
    full = np.broadcast_to(array, shape)
    if (full != full[:1]).any():
        raise CompileError(f"{op_label(node)}: a constant that differs between samples", origin=[name_of(node)])
    one = full[0]
    channels = one.reshape(one.shape[0], -1)
    if (channels == channels[:, :1]).all():
        return np.ascontiguousarray(channels[:, 0])
    return np.ascontiguousarray(one)
