"""Windows over the plane, and what pools do with them.

An average is a depthwise convolution with equal weights; a maximum is a population of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Conv2d, MaxPool, OneToOne

from .arithmetic import Handler
from .translation import Translation, required
from .values import Array, attribute, constant, name_of, op_label, text

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


def window(node: ir.Node, extent: Sequence[int], kernel: Sequence[int]) -> tuple[Pair, Pads, Pair]:
    """(strides, pads, dilations) of a Conv or pool; `auto_pad` is resolved for an input of `extent` (H, W)."""
    strides, dilations = pair(node, "strides", 1), pair(node, "dilations", 1)
    given = attribute(node, "pads", [0, 0, 0, 0])
    mode = text(node, "auto_pad", "NOTSET")
    if mode == "NOTSET":
        given = [given[0], 0, given[1], 0] if len(given) == 2 else given
        if len(given) != 4 or min(given) < 0:
            raise CompileError(f"{op_label(node)}: the pads {given} are not usable", origin=[name_of(node)])
        return strides, (given[0], given[1], given[2], given[3]), dilations
    before, after = [0, 0], [0, 0]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        for axis in (0, 1):
            out = -(-extent[axis] // strides[axis])
            needed = (out - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - extent[axis]
            small, large = max(needed, 0) // 2, max(needed, 0) - max(needed, 0) // 2
            before[axis], after[axis] = (small, large) if mode == "SAME_UPPER" else (large, small)
    elif mode != "VALID":
        raise CompileError(f"{op_label(node)}: auto_pad '{mode}' is unknown", origin=[name_of(node)])
    return strides, (before[0], before[1], after[0], after[1]), dilations


def values_in_windows(
    extent: Sequence[int], out: Sequence[int], kernel: Sequence[int], geometry: tuple[Pair, Pads, Pair], counted: bool
) -> Array:
    """How many values of a plane `extent` (H, W) each of the windows `out` (H', W') holds, padding `counted` or not."""
    strides, pads, dilations = geometry
    counts = []
    for axis in (0, 1):
        starts = np.arange(out[axis]) * strides[axis] - pads[axis]
        places = starts[:, None] + np.arange(kernel[axis]) * dilations[axis]
        first, end = (-pads[axis], extent[axis] + pads[axis + 2]) if counted else (0, extent[axis])
        counts.append(((places >= first) & (places < end)).sum(axis=1))
    return np.outer(*counts)


def average_pool(node: ir.Node, t: Translation) -> None:
    """AveragePool, 1-D or 2-D.

    Where the border's windows average over fewer values (no padding counted, or `ceil_mode`), the depthwise
    convolution is followed by one factor per neuron: exact.
    """
    p = _Pool(node, t)
    counted = bool(attribute(node, "count_include_pad", 0))
    divisor = values_in_windows(p.plane[1:], p.out[1:], p.kernel, (p.strides, p.pads, p.dilations), counted)
    if not divisor.all():
        raise CompileError("AveragePool: a window lies in the padding alone", origin=[name_of(node)])
    area = p.kernel[0] * p.kernel[1]
    name = t.project(
        Conv2d, node, p.source, weight=np.full((p.plane[0], 1, *p.kernel), 1 / area), strides=p.strides,
        pads=p.reaching_pads, dilations=p.dilations, groups=p.plane[0],
    )  # fmt: skip
    if (divisor != area).any():
        border = np.ascontiguousarray(np.broadcast_to(area / divisor, p.out))
        name = t.emit(OneToOne, f"{name}.border", [name], [name_of(node)], weight=border)
    t.bind(node, t.reshape(node, name, p.out, t.shape(node.outputs[0], node)))


def max_pool(node: ir.Node, t: Translation) -> None:
    """MaxPool, 1-D or 2-D: a population that passes on the growth of the largest count in every window."""
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        raise CompileError(
            f"MaxPool: its second output '{name_of(node.outputs[1])}', where the maxima lie, is used",
            origin=[name_of(node)],
            hint="unpooling by indices has no spiking form; use Resize or ConvTranspose",
        )
    p = _Pool(node, t)
    top, left, bottom, right = p.reaching_pads
    pads = (top, left, max(bottom, 0), max(right, 0))
    _maximum(node, t, p.source, p.kernel, p.strides, pads, p.dilations, p.out)


def maximum(node: ir.Node, t: Translation) -> None:
    """GlobalMaxPool, and ReduceMax over the whole plane."""
    source, plane, kernel, _ = _reduced(node, t, "maxima")
    out = (plane[0], plane[1] // kernel[0], plane[2] // kernel[1])
    _maximum(node, t, source, kernel, (1, 1), (0, 0, 0, 0), (1, 1), out)


def _maximum(
    node: ir.Node, t: Translation, source: str, kernel: Pair, strides: Pair, pads: Pads, dilations: Pair,
    out: tuple[int, int, int],
) -> None:  # fmt: skip
    one = np.array(1.0)
    name = t.emit(
        MaxPool, node.outputs[0].name or "", [source], [name_of(node)], kernel=kernel, strides=strides, pads=pads,
        dilations=dilations, unit=one, scale=one, value=name_of(node.outputs[0]),
    )  # fmt: skip
    t.bind(node, t.reshape(node, name, out, t.shape(node.outputs[0], node)))


def mean(node: ir.Node, t: Translation) -> None:
    """GlobalAveragePool, and ReduceMean over axes of the plane."""
    source, plane, kernel, out = _reduced(node, t, "means")
    weight = np.full((plane[0], 1, *kernel), 1 / (kernel[0] * kernel[1]))
    name = t.project(Conv2d, node, source, weight=weight, groups=plane[0])
    rest = (plane[0], plane[1] // kernel[0], plane[2] // kernel[1])
    t.bind(node, t.reshape(node, name, rest, out))


class _Pool:
    """The windows of a pool: what `ceil_mode` and `auto_pad` make of them."""

    def __init__(self, node: ir.Node, t: Translation) -> None:
        value = node.inputs[0]
        assert value is not None, "not optional"
        shape = t.shape(value, node)
        self.plane = t.plane(shape, node)
        self.out = t.plane(t.shape(node.outputs[0], node), node)
        given = attribute(node, "kernel_shape", [])
        if len(given) != len(shape) - 1 or min(given) < 1:
            raise CompileError(f"{node.op_type}: the kernel {given} is not usable", origin=[name_of(node)])
        self.kernel: Pair = (given[0], given[1] if len(given) > 1 else 1)
        self.strides, self.pads, self.dilations = window(node, self.plane[1:], self.kernel)
        ends = [0, 0]
        for axis in (0, 1):
            starts = np.arange(self.out[1 + axis]) * self.strides[axis] - self.pads[axis]
            if starts[-1] >= self.plane[1 + axis]:
                raise CompileError(
                    f"{node.op_type}: with ceil_mode the last window starts in the padding; onnx's shape inference "
                    "counts it, onnxruntime and torch drop it",
                    origin=[name_of(node)],
                    hint="export the model without ceil_mode, or pad so that the last window begins inside",
                )
            last = int(starts[-1]) + (self.kernel[axis] - 1) * self.dilations[axis]
            ends[axis] = last + 1 - self.plane[1 + axis]
        # `ceil_mode` may reach beyond the padding, other windows end before it
        self.reaching_pads: Pads = (self.pads[0], self.pads[1], ends[0], ends[1])
        self.source = t.reshape(node, t.source(value, node), shape, self.plane)


def _reduced(node: ir.Node, t: Translation, what: str) -> tuple[str, tuple[int, int, int], Pair, tuple[int, ...]]:
    """The input as a plane, its shape, the part of it that is reduced, and the shape of the result."""
    value = node.inputs[0]
    assert value is not None, "not optional"
    shape, out = t.shape(value, node), t.shape(node.outputs[0], node)
    axes = _axes(node, len(shape) + 1)
    if not axes or min(axes) < 2 or len(shape) > 3:
        raise CompileError(
            f"{op_label(node)} over the axes {axes} of (N, {', '.join(map(str, shape))}); only {what} over the "
            "plane (axes 2 and 3) are supported",
            origin=[name_of(node)],
        )
    plane = t.plane(shape, node)
    kernel = (plane[1] if 2 in axes else 1, plane[2] if 3 in axes else 1)
    return t.reshape(node, t.source(value, node), shape, plane), plane, kernel, out


def _axes(node: ir.Node, rank: int) -> list[int]:
    if node.op_type in ("GlobalAveragePool", "GlobalMaxPool"):
        return list(range(2, rank))
    axes = attribute(node, "axes", None)
    if axes is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        if constant(node.inputs[1]) is None:
            raise CompileError(f"{op_label(node)}: computed axes", origin=[name_of(node)])
        axes = [int(a) for a in required(node.inputs[1], "axes", node)]
    if axes is None:
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(int(a) % rank for a in axes)


def pair(node: ir.Node, name: str, default: int) -> Pair:
    """An attribute with one value for each axis of space; the second is `default` where there is one axis."""
    values = attribute(node, name, [default, default])
    if len(values) not in (1, 2):
        raise CompileError(f"{op_label(node)}: {name} {values}; 1-D and 2-D are supported", origin=[name_of(node)])
    return values[0], values[1] if len(values) == 2 else default


HANDLERS: dict[str, Handler] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": mean,
    "ReduceMean": mean,
    "MaxPool": max_pool,
    "GlobalMaxPool": maximum,
    "ReduceMax": maximum,
}
