"""Constant parts of a model become constants.

onnxscript's optimizer folds most of them, together with the shapes that they depend on. It evaluates with
onnx's reference implementation, which lacks some ops in some opsets (DequantizeLinear before 19: the weights
of every quantised model); onnxruntime computes what is left.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnxscript import optimizer

from ganglion.errors import InputError

from .session import part_session
from .values import constant, name_of, op_label

NOT_CONSTANT = ("Constant", "If", "Loop", "Scan", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")


def fold_constants(model: ir.Model) -> None:
    """In place, with shape inference. Nodes that stay keep their names.

    Raises `InputError` where the model's constants or shapes contradict each other.
    """
    _by_onnxscript(model)
    if _by_onnxruntime(model):
        _by_onnxscript(model)  # shapes may have been waiting for them


def _by_onnxscript(model: ir.Model) -> None:
    try:
        # Whole weights too (a dequantised weight is constant), hence no limit on sizes.
        optimizer.fold_constants(
            model,
            onnx_shape_inference=True,
            input_size_limit=2**62,
            output_size_limit=2**62,
            should_fold=lambda node: True,
        )
    except Exception as error:  # the library evaluates the user's nodes and lets any exception through
        cause = error.__cause__ or error
        raise InputError(f"the model's constants and shapes cannot be computed: {error} ({cause})") from error


def _by_onnxruntime(model: ir.Model) -> bool:
    """Whether there was anything to do."""
    graph = model.graph
    known: set[ir.Value] = set()
    nodes: list[ir.Node] = []
    for node in graph:
        inputs = [v for v in node.inputs if v is not None]
        foreign = node.domain not in ("", "ai.onnx", "com.microsoft")
        if not inputs or foreign or node.op_type in NOT_CONSTANT:
            continue
        if all(v.const_value is not None or v in known for v in inputs):
            nodes.append(node)
            known |= set(node.outputs)
    inside = set(nodes)
    wanted = [v for n in nodes for v in n.outputs if v.is_graph_output() or any(c not in inside for c in v.consumers())]
    if not wanted:
        return False
    given = {name_of(v): v for n in nodes for v in n.inputs if v is not None and v not in known}
    arrays = {name: a for name, v in given.items() if (a := constant(v)) is not None}
    try:
        results = part_session(nodes, arrays, [], wanted, model.opset_imports).run([name_of(v) for v in wanted], {})
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        ops = ", ".join(sorted({op_label(n) for n in nodes}))
        raise InputError(f"the model's constants ({ops}) cannot be computed: {error}") from error
    for value, result in zip(wanted, results, strict=True):
        array = np.asarray(result)
        tensor = ir.tensor(array, name=f"{name_of(value)}.folded")
        new = ir.Value(
            name=tensor.name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        graph.initializers[name_of(new)] = new
        for user, position in list(value.uses()):
            user.replace_input_with(position, new)
    return True
