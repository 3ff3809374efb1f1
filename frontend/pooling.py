"""Windows over the plane, and the averages over them: depthwise convolutions with equal weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Conv2d, OneToOne

from .arithmetic import Handler
from .translation import Translation, required
from .values import attribute, constant, name_of, op_label

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


def window(node: ir.Node, extent: Pair, kernel: Pair) -> tuple[Pair, Pads, Pair]:
    """(strides, pads, dilations) of a Conv or AveragePool; `auto_pad` is resolved for an input of `extent`."""
    strides = _pair(node, "strides", 1)
    dilations = _pair(node, "dilations", 1)
    given = attribute(node, "pads", [0, 0, 0, 0])
    mode = attribute(node, "auto_pad", "NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    if mode == "NOTSET":
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


def average_pool(node: ir.Node, t: Translation) -> None:
    """AveragePool, 2-D.

    Where the border's windows average over fewer values (no padding counted, or `ceil_mode`), the depthwise
    convolution is followed by one factor per neuron: exact.
    """
    source = node.inputs[0]
    assert source is not None, "not optional"
    shape, out = t.shape(source, node), t.shape(node.outputs[0], node)
    size = attribute(node, "kernel_shape", [])
    if len(shape) != 3 or len(size) != 2:
        raise CompileError(f"AveragePool over {len(size)} axes; only 2-D is supported", origin=[name_of(node)])
    kernel = (size[0], size[1])
    strides, pads, dilations = window(node, (shape[1], shape[2]), kernel)
    counted = bool(attribute(node, "count_include_pad", 0))
    ends = [0, 0]
    counts = []
    for axis in (0, 1):
        extent, before, after = shape[1 + axis], pads[axis], pads[axis + 2]
        starts = np.arange(out[1 + axis]) * strides[axis] - before
        if starts[-1] >= extent:
            raise CompileError(
                "AveragePool: with ceil_mode the last window starts in the padding; onnx's shape inference counts it, "
                "onnxruntime and torch drop it",
                origin=[name_of(node)],
                hint="export the model without ceil_mode, or pad so that the last window begins inside",
            )
        places = starts[:, None] + np.arange(kernel[axis]) * dilations[axis]
        first, end = (-before, extent + after) if counted else (0, extent)
        counts.append(((places >= first) & (places < end)).sum(axis=1))
        ends[axis] = int(places[-1, -1]) + 1 - extent  # `ceil_mode` may reach beyond the padding
    divisor = np.outer(counts[0], counts[1])
    if not divisor.all():
        raise CompileError("AveragePool: a window lies in the padding alone", origin=[name_of(node)])
    area = kernel[0] * kernel[1]
    name = t.project(
        Conv2d,
        node,
        t.source(source, node),
        weight=np.full((shape[0], 1, *kernel), 1 / area),
        strides=strides,
        pads=(pads[0], pads[1], ends[0], ends[1]),
        dilations=dilations,
        groups=shape[0],
    )
    if (divisor != area).any():
        border = np.ascontiguousarray(np.broadcast_to(area / divisor, out))
        name = t.emit(OneToOne, f"{name}.border", [name], [name_of(node)], weight=border)
    t.bind(node, name)


def mean(node: ir.Node, t: Translation) -> None:
    """GlobalAveragePool, and ReduceMean over axes of the plane."""
    source = node.inputs[0]
    assert source is not None, "not optional"
    shape, out = t.shape(source, node), t.shape(node.outputs[0], node)
    axes = _axes(node, len(shape) + 1)
    if not axes or min(axes) < 2 or len(shape) > 3:
        raise CompileError(
            f"{op_label(node)} over the axes {axes} of (N, {', '.join(map(str, shape))}); only means over the "
            "plane (axes 2 and 3) are supported",
            origin=[name_of(node)],
        )
    plane = shape if len(shape) == 3 else (*shape, 1)
    kernel = (plane[1] if 2 in axes else 1, plane[2] if 3 in axes else 1)
    seen = t.reshape(node, t.source(source, node), shape, plane)
    weight = np.full((plane[0], 1, *kernel), 1 / (kernel[0] * kernel[1]))
    name = t.project(Conv2d, node, seen, weight=weight, groups=plane[0])
    rest = (plane[0], plane[1] // kernel[0], plane[2] // kernel[1])
    t.bind(node, t.reshape(node, name, rest, out))


def _axes(node: ir.Node, rank: int) -> list[int]:
    if node.op_type == "GlobalAveragePool":
        return list(range(2, rank))
    axes = attribute(node, "axes", None)
    if axes is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        if constant(node.inputs[1]) is None:
            raise CompileError(f"{op_label(node)}: computed axes", origin=[name_of(node)])
        axes = [int(a) for a in required(node.inputs[1], "axes", node)]
    if axes is None:
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(int(a) % rank for a in axes)


def _pair(node: ir.Node, name: str, default: int) -> Pair:
    values = attribute(node, name, [default, default])
    if len(values) != 2:
        raise CompileError(f"{op_label(node)}: {name} {values}; only 2-D is supported", origin=[name_of(node)])
    return values[0], values[1]


HANDLERS: dict[str, Handler] = {"AveragePool": average_pool, "GlobalAveragePool": mean, "ReduceMean": mean}
