"""ONNX nodes with weights, and pooling, as projections."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Conv2d, Dense, Shape, Sum

from .arithmetic import Handler
from .pooling import pair, window
from .translation import Translation, per_sample, required, same_shape
from .values import Array, attribute, constant, name_of, op_label, text


def conv(node: ir.Node, t: Translation) -> None:
    """Conv, 1-D or 2-D: strides, any padding, dilations, groups, bias."""
    source, plane, weight = _operands(node, t)
    strides, pads, dilations = window(node, plane[1:], weight.shape[2:])
    name = t.project(
        Conv2d, node, source, weight=weight, strides=strides, pads=pads, dilations=dilations,
        groups=attribute(node, "group", 1),
    )  # fmt: skip
    _finish(node, t, name)


def conv_transpose(node: ir.Node, t: Translation) -> None:
    """ConvTranspose, 1-D or 2-D: convolve, with the mirrored kernel, the input with zeros between its values."""
    source, plane, weight = _operands(node, t)
    groups, (fan_in, per_group), kernel = attribute(node, "group", 1), weight.shape[:2], weight.shape[2:]
    grouped = weight.reshape(groups, fan_in // groups, per_group, *kernel).swapaxes(1, 2)
    mirrored = grouped.reshape(groups * per_group, fan_in // groups, *kernel)[:, :, ::-1, ::-1]
    strides, dilations = pair(node, "strides", 1), pair(node, "dilations", 1)
    out = t.plane(t.shape(node.outputs[0], node), node)
    ends: list[tuple[int, int]] = []
    given, extra = attribute(node, "pads", None), pair(node, "output_padding", 0)
    mode = text(node, "auto_pad", "NOTSET")
    for axis in (0, 1):
        spread = (plane[1 + axis] - 1) * strides[axis] + 1
        reach = dilations[axis] * (kernel[axis] - 1)
        cut = spread + reach + extra[axis] - out[1 + axis]  # what the pads take away from both ends
        if mode == "NOTSET" and "output_shape" not in node.attributes:
            pads = given or [0] * 2 * (len(t.shape(node.outputs[0], node)) - 1)
            begin = pads[axis] if axis < len(pads) // 2 else 0
        else:
            begin = cut // 2 if mode == "SAME_UPPER" else cut - cut // 2
        ends.append((reach - begin, out[1 + axis] - spread + begin))
    (top, bottom), (left, right) = ends
    name = t.project(
        Conv2d, node, source, weight=np.ascontiguousarray(mirrored), upsample=strides, dilations=dilations,
        pads=(top, left, bottom, right), groups=groups,
    )  # fmt: skip
    _finish(node, t, name)


def _operands(node: ir.Node, t: Translation) -> tuple[str, tuple[int, int, int], Array]:
    """The input as a plane (C, H, W), its shape, and the 4-D weights; W = 1 where the model has one axis of space."""
    value = node.inputs[0]
    assert value is not None, "not optional"
    shape, weight = t.shape(value, node), t.weight(node.inputs[1], node)
    if len(shape) not in (2, 3) or weight.ndim != len(shape) + 1:
        raise CompileError(
            f"{op_label(node)} over {len(shape) - 1} axes; 1-D and 2-D are supported", origin=[name_of(node)]
        )
    plane = t.plane(shape, node)
    source = t.reshape(node, t.source(value, node), shape, plane)
    return source, plane, weight[..., None] if len(shape) == 2 else weight


def _finish(node: ir.Node, t: Translation, name: str) -> None:
    """The bias, and the shape that the model gives the result."""
    name = t.add_bias(node, name, t.bias(node.inputs[2] if len(node.inputs) > 2 else None, node))
    out = t.shape(node.outputs[0], node)
    t.bind(node, t.reshape(node, name, t.plane(out, node), out))


def gemm(node: ir.Node, t: Translation) -> None:
    """Gemm: alpha * A @ B (or its transpose) + beta * C, with A the batch."""
    source, matrix = node.inputs[:2]
    assert source is not None, "not optional"
    if attribute(node, "transA", 0):
        raise CompileError("Gemm: transA mixes the samples of a batch", origin=[name_of(node)])
    if len(t.shape(source, node)) != 1:
        raise CompileError(
            f"Gemm of an input (N, {', '.join(map(str, t.shape(source, node)))}); it takes (N, K)",
            origin=[name_of(node)],
        )
    weight = t.weight(matrix, node) * attribute(node, "alpha", 1.0)
    weight = weight if attribute(node, "transB", 0) else weight.T
    name = t.project(Dense, node, t.source(source, node), weight=np.ascontiguousarray(weight))
    beta = attribute(node, "beta", 1.0)
    extra = node.inputs[2] if len(node.inputs) > 2 else None
    if extra is not None and constant(extra) is not None:
        bias = per_sample(required(extra, "matrix C", node) * beta, node.outputs[0], node)
        name = t.add_bias(node, name, bias)
    elif extra is not None:
        same_shape(node, extra)
        scaled = t.scale(node, t.source(extra, node), np.array(float(beta)))
        name = t.emit(Sum, node.outputs[0].name or "", [name, scaled], [name_of(node)])
    t.bind(node, name)


def matmul(node: ir.Node, t: Translation) -> None:
    """MatMul with a constant: x @ W over the last axis, or W @ x over the last but one."""
    left, right = node.inputs[:2]
    assert left is not None, "not optional"
    assert right is not None, "not optional"
    x, matrix = (left, right) if constant(left) is None else (right, left)
    weight = t.weight(matrix, node)
    weight = (
        weight.reshape(weight.shape[-2:]) if weight.ndim > 2 and weight.size == np.prod(weight.shape[-2:]) else weight
    )
    shape, out = t.shape(x, node), t.shape(node.outputs[0], node)
    if weight.ndim != 2 or (x is right and len(shape) < 2):
        raise CompileError(
            f"MatMul of {'x' if x is left else 'W'} and {'W' if x is left else 'x'} with W {weight.shape} and x (N, "
            f"{', '.join(map(str, shape))}); only a constant matrix that acts within each sample is supported",
            origin=[name_of(node)],
        )
    source = t.source(x, node)
    if x is left and len(shape) == 1:
        t.bind(node, t.project(Dense, node, source, weight=np.ascontiguousarray(weight.T)))
        return
    # The same matrix at every place is a 1x1 convolution over places.
    if x is left:
        places = int(np.prod(shape[:-1]))
        seen: Shape = (places * shape[-1], 1, 1)
        kernel, groups = np.tile(weight.T, (places, 1))[:, :, None, None], places
    else:
        stacks = int(np.prod(shape[:-2]))
        seen = (stacks * shape[-2], shape[-1], 1)
        kernel, groups = np.tile(weight, (stacks, 1))[:, :, None, None], stacks
    flat = t.reshape(node, source, shape, seen)
    name = t.project(Conv2d, node, flat, weight=np.ascontiguousarray(kernel), groups=groups)
    t.bind(node, t.reshape(node, name, (kernel.shape[0], *seen[1:]), out))


def batch_norm(node: ir.Node, t: Translation) -> None:
    """BatchNormalization at inference: (x - mean) * gain / sqrt(variance + epsilon) + bias, per channel."""
    if attribute(node, "training_mode", 0) or len(node.outputs) > 1:  # before opset 14, the outputs say so
        raise CompileError(
            "BatchNormalization in training mode", origin=[name_of(node)], hint="export the model in eval mode"
        )
    gain, bias, mean, variance = (
        required(value, what, node)
        for value, what in zip(node.inputs[1:5], ("scale", "bias", "mean", "variance"), strict=True)
    )
    if (variance + attribute(node, "epsilon", 1e-5) <= 0).any():
        raise CompileError("BatchNormalization: a variance is not positive", origin=[name_of(node)])
    factor: Array = gain / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    name = t.scale(node, t.source(node.inputs[0], node), factor)
    t.bind(node, t.add_bias(node, name, bias - mean * factor))


HANDLERS: dict[str, Handler] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
}
