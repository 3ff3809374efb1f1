"""Exact changes to the graph before its activations are looked for."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ganglion.errors import CompileError

from .values import constant, is_onnx, name_of, op_label, scalar, shape_of, variables

MAXIMA = ("MaxPool", "GlobalMaxPool", "ReduceMax")
RISING = ("Relu", "Clip", "Floor", "Ceil", "Round")


def drop(graph: ir.Graph, op_types: Sequence[str]) -> list[ir.Node]:
    """In place: take out every node of these types, as the user asked. Returns the nodes.

    Raises `CompileError` for a node that does not pass on a value of its input's shape.
    """
    dropped = []
    for node in list(graph):
        if node.op_type not in op_types:
            continue
        sources, output = variables(node), node.outputs[0]
        if len(sources) != 1 or (shape_of(output) is not None and shape_of(output) != shape_of(sources[0])):
            raise CompileError(
                f"{op_label(node)} cannot be dropped: it does not keep the shape of its only input",
                origin=[name_of(node)],
            )
        replace_uses(graph, output, sources[0])
        graph.remove(node, safe=True)
        dropped.append(node)
    return dropped


def maxima_last(graph: ir.Graph) -> None:
    """In place: f(max(x)) becomes max(f(x)) for every rising f: so the maximum is taken of an activation's counts."""
    changed = True
    while changed:
        changed = False
        for pool in list(graph):
            f = _rising_reader(pool)
            if f is not None:
                _swap(graph, pool, f)
                changed = True


def _rising_reader(pool: ir.Node) -> ir.Node | None:
    """The only reader of `pool`, where that is an elementwise rising function with scalar constants."""
    if not is_onnx(pool, *MAXIMA) or pool.outputs[0].is_graph_output():
        return None
    readers = list(pool.outputs[0].uses())
    if len(readers) != 1 or any(v.uses() for v in pool.outputs[1:]):
        return None
    node, position = readers[0]
    arrays = [constant(v) for v in node.inputs[1:] if v is not None]
    if position or len(variables(node)) != 1 or any(a is None or scalar(a) is None for a in arrays):
        return None
    return node if is_onnx(node, *RISING) else None


def _swap(graph: ir.Graph, pool: ir.Node, f: ir.Node) -> None:
    source, pooled, result = pool.inputs[0], pool.outputs[0], f.outputs[0]
    assert source is not None, "a pool has an input"
    replace_uses(graph, result, pooled)
    f.replace_input_with(0, source)
    pool.replace_input_with(0, result)
    result.shape = source.shape
    if result.dtype is not None:
        pooled.dtype = result.dtype
    graph.remove(f)
    graph.insert_before(pool, f)


def replace_uses(graph: ir.Graph, old: ir.Value, new: ir.Value) -> None:
    """Let every reader of `old`, the graph's outputs among them, read `new`."""
    for user, position in list(old.uses()):
        user.replace_input_with(position, new)
    for index, value in enumerate(graph.outputs):
        if value is old:
            graph.outputs[index] = new
