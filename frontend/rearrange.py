"""ONNX nodes that only rearrange, pick, repeat or join values.

What such a node does is found by running it on the numbers of the neurons: whatever comes out says which value
goes where.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Bias, Concat, Conv2d, Gather, Shape, size

from .arithmetic import Handler
from .session import part_session
from .translation import Translation
from .values import Array, attribute, constant, name_of, op_label, shape_of, text, variables

NUMBERS = (ir.DataType.INT32, ir.DataType.DOUBLE, ir.DataType.FLOAT)  # not every op takes every type


def rearrange(node: ir.Node, t: Translation) -> None:
    """Any node of one computed input whose outputs hold values of it, or zeros."""
    source = _only_variable(node)
    before = t.shape(source, node)
    for output, numbers in zip(node.outputs, _numbers(node, source, t), strict=True):
        if not output.uses() and not output.is_graph_output():
            continue
        index, after = _sample(node, numbers, size(before), t), t.shape(output, node)
        t.values[output] = place(node, t, t.source(source, node), before, index, after, output.name or "")


def pad(node: ir.Node, t: Translation) -> None:
    """Pad: constant (0 becomes the padding of what follows), edge, reflect or wrap."""
    mode = text(node, "mode", "constant")
    fill = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros(1)
    if fill is None:
        raise CompileError("Pad: the value is computed by the network", origin=[name_of(node)])
    value = float(np.asarray(fill, np.float64).ravel()[0]) if fill.size else 0.0
    if mode != "constant" or value == 0:
        rearrange(node, t)
        return
    if not np.isfinite(value):
        raise CompileError(f"Pad: fills with {value}", origin=[name_of(node)], hint="pad with a finite value")
    source = _only_variable(node)
    before, after = t.shape(source, node), t.shape(node.outputs[0], node)
    index = _sample(node, _numbers(node, source, t)[0], size(before), t)
    name = place(node, t, t.source(source, node), before, index, after, node.outputs[0].name or "")
    frame = np.where(index.reshape(after) < 0, value, 0.0)
    t.bind(node, t.emit(Bias, f"{name}.frame", [name], [name_of(node)], bias=frame))


def resize(node: ir.Node, t: Translation) -> None:
    """Resize or Upsample, mode nearest: every value is one of the input's."""
    mode = text(node, "mode", "nearest")
    if mode != "nearest":
        raise CompileError(
            f"{op_label(node)}: mode '{mode}' is not supported", origin=[name_of(node)], hint="use mode 'nearest'"
        )
    rearrange(node, t)


def concat(node: ir.Node, t: Translation) -> None:
    """Concat along any axis but the batch; of computed values and constants."""
    out = t.shape(node.outputs[0], node)
    axis = attribute(node, "axis", 0) % (len(out) + 1)
    if axis == 0:
        raise CompileError("Concat along axis 0 joins the samples of a batch", origin=[name_of(node)])
    parts: list[tuple[str, Shape]] = []
    picked, frame, begin = [], [], 0
    for value in node.inputs:
        assert value is not None, "Concat has no optional input"
        array = constant(value)
        shape = shape_of(value) if array is None else array.shape
        assert shape is not None, "shape inference knew the output"
        if array is None:
            picked.append(np.arange(begin, begin + size(shape[1:])).reshape(shape[1:]))
            frame.append(np.zeros(shape[1:]))
            parts.append((t.source(value, node), shape[1:]))
            begin += size(shape[1:])
        else:
            if (array != array[:1]).any():
                raise CompileError("Concat: a constant that differs between samples", origin=[name_of(node)])
            picked.append(np.full(shape[1:], -1))
            frame.append(array[0].astype(np.float64))
    order = np.concatenate(picked, axis=axis - 1)
    joined, shape = parts[0]
    if len(parts) > 1 and axis == 1:
        shape = (sum(s[0] for _, s in parts), *shape[1:])
        joined = t.emit(Concat, node.outputs[0].name or "", [name for name, _ in parts], [name_of(node)])
    elif len(parts) > 1:
        flat = [t.reshape(node, name, s, (size(s),)) for name, s in parts]
        shape = (begin,)
        joined = t.emit(Concat, node.outputs[0].name or "", flat, [name_of(node)])
    name = place(node, t, joined, shape, order.ravel(), out, node.outputs[0].name or "")
    t.bind(node, t.add_bias(node, name, np.concatenate(frame, axis=axis - 1)))


def place(node: ir.Node, t: Translation, source: str, before: Shape, index: Array, after: Shape, wanted: str) -> str:
    """source.flat[index] under the shape `after`: nothing, a reshape, a convolution that crops, or a `Gather`."""
    if np.array_equal(index, np.arange(size(before))):
        return t.reshape(node, source, before, after)
    convolution = _window(index.reshape(after), before) or _repetition(index.reshape(after), before)
    if convolution is not None:
        return t.emit(Conv2d, wanted, [source], [name_of(node)], **convolution)
    return t.emit(Gather, wanted, [source], [name_of(node)], index=index, shape=after)


def _only_variable(node: ir.Node) -> ir.Value:
    sources = list(dict.fromkeys(variables(node)))
    if len(sources) != 1 or node.inputs[0] is not sources[0]:
        names = ", ".join(name_of(v) for v in sources)
        raise CompileError(
            f"{op_label(node)}: what goes where is computed by the network ({names})",
            origin=[name_of(node)],
            hint="the shapes, indices and scales of a rearrangement must be constants",
        )
    return sources[0]


def _numbers(node: ir.Node, source: ir.Value, t: Translation) -> list[Array]:
    """What `node` makes of the numbers 1, 2, ... of all values of its input, for every output."""
    shape = shape_of(source)
    assert shape is not None, "asked for before"
    constants = {name_of(v): a for v in node.inputs if v is not None and (a := constant(v)) is not None}
    outputs = [v for v in node.outputs if v.name]
    problem: Exception | None = None
    for dtype in NUMBERS:
        if dtype is ir.DataType.FLOAT and size(shape) >= 2**24:
            continue
        given = np.arange(1, size(shape) + 1).reshape(shape).astype(dtype.numpy())
        if node.op_type == "Pad" and len(node.inputs) > 2 and node.inputs[2] is not None:
            constants[name_of(node.inputs[2])] = np.zeros((), given.dtype)
        try:
            session = part_session([node], constants, [source], outputs, t.opsets, element_type=dtype, shape=shape)
            return [np.rint(np.asarray(r)).astype(np.int64) for r in session.run(None, {name_of(source): given})]
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            problem = error
    raise CompileError(f"{op_label(node)}: onnxruntime cannot evaluate it: {problem}", origin=[name_of(node)])


def _sample(node: ir.Node, numbers: Array, n: int, t: Translation) -> Array:
    """The indices, -1 for padding, of one sample, from the numbers of a batch."""
    if len(numbers) != t.batch or numbers.ndim < 2:
        raise CompileError(
            f"{op_label(node)}: its result has shape {numbers.shape}; axis 0 must stay the batch ({t.batch})",
            origin=[name_of(node)],
        )
    index = numbers[0].ravel() - 1
    if index.size and (index.max() >= n or index.min() < -1):
        raise CompileError(f"{op_label(node)}: mixes the samples of a batch", origin=[name_of(node)])
    return np.asarray(index)


def _window(index: Array, before: Shape) -> dict[str, object] | None:
    """The 1x1 convolution that crops, pads or strides the plane, if that is what `index` (C, H', W') does."""
    if len(before) != 3 or index.ndim != 3 or index.shape[0] != before[0] or min(index.shape) == 0:
        return None
    channels, height, width = before
    inside = index >= 0
    rows, columns = inside.any(axis=(0, 2)), inside.any(axis=(0, 1))
    if not np.array_equal(inside, np.broadcast_to(np.outer(rows, columns), inside.shape)) or not inside.any():
        return None
    lines = []
    for axis, kept, extent, inner in ((1, rows, height, width), (2, columns, width, 1)):
        there = np.flatnonzero(kept)
        picked = index[(0, there, np.flatnonzero(columns)[0]) if axis == 1 else (0, np.flatnonzero(rows)[0], there)]
        places = picked // inner % extent
        steps = np.unique(np.diff(places))
        step = int(steps[0]) if len(steps) else 1
        if len(steps) > 1 or step < 1 or (step > 1 and not kept.all()) or (np.diff(there) != 1).any():
            return None
        before_first = int(there[0]) * step - int(places[0])
        size_out = index.shape[axis]
        lines.append((step, before_first, (size_out - 1) * step + 1 - extent - before_first))
    (sh, top, bottom), (sw, left, right) = lines
    i, j = np.arange(index.shape[1]) * sh - top, np.arange(index.shape[2]) * sw - left
    expected = (np.arange(channels)[:, None, None] * height + i[:, None]) * width + j
    valid = ((i >= 0) & (i < height))[:, None] & ((j >= 0) & (j < width))
    if not np.array_equal(np.where(valid, expected, -1), index):
        return None
    return {
        "weight": np.ones((channels, 1, 1, 1)),
        "strides": (sh, sw),
        "pads": (top, left, bottom, right),
        "groups": channels,
    }


def _repetition(index: Array, before: Shape) -> dict[str, object] | None:
    """The transposed convolution that repeats every value u x v times, if that is what `index` (C, u H, v W) does."""
    if len(before) != 3 or index.ndim != 3 or index.shape[0] != before[0]:
        return None
    (u, rest), (v, more) = divmod(index.shape[1], before[1]), divmod(index.shape[2], before[2])
    if rest or more or u * v <= 1:
        return None
    numbers = np.arange(size(before)).reshape(before)
    if not np.array_equal(numbers.repeat(u, axis=1).repeat(v, axis=2), index):
        return None
    return {
        "weight": np.ones((before[0], 1, u, v)),
        "upsample": (u, v),
        "pads": (u - 1, v - 1, u - 1, v - 1),
        "groups": before[0],
    }


PICKING = ("Transpose", "Slice", "Split", "Gather", "Expand", "Tile", "DepthToSpace", "SpaceToDepth")
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(PICKING, rearrange),
    "Concat": concat,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
}
