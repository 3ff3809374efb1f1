"""Constant parts of a model become constants.

onnxscript's optimizer folds most of them, together with the shapes that they depend on. It evaluates with
onnx's reference implementation, which lacks some ops in some opsets (DequantizeLinear before 19: the weights
of every quantised model); onnxruntime computes what is left.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnxscript import optimizer

from .libraries import guarded
from .limits import Budget
from .session import part_session
from .values import add_constant, constant, is_onnx, name_of, op_label
from .weights import check_numbers

NOT_CONSTANT = ("Constant", "If", "Loop", "Scan", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")
SKIPPED = ("Einsum",)  # its result does not tell how long it takes
# which onnx's reference implementation computes value by value, in Python
SLOW = ("AveragePool", "Conv", "ConvTranspose", "LRN", "MaxPool", "Resize", "Upsample")


def fold_constants(model: ir.Model) -> None:
    """In place, with shape inference. Nodes that stay keep their names.

    Raises `InputError` where the model's constants or shapes contradict each other, `CompileError` where a constant
    would be too large.
    """
    budget, stored = Budget(), set(model.graph.initializers)
    _by_onnxscript(model, budget)
    if _by_onnxruntime(model, budget):
        _by_onnxscript(model, budget)  # shapes may have been waiting for them
    for name, value in model.graph.initializers.items():
        if name not in stored and value.const_value is not None and value.uses():
            check_numbers(value, value.const_value, f"the constants '{name}'")


def _by_onnxscript(model: ir.Model, budget: Budget) -> None:
    with guarded("its constants and shapes cannot be computed"):
        # Whole weights too (a dequantised weight is constant), hence no limit of its own on sizes. The shapes of a
        # node's results are inferred before it asks.
        optimizer.fold_constants(
            model,
            onnx_shape_inference=True,
            input_size_limit=2**62,
            output_size_limit=2**62,
            should_fold=lambda node: not is_onnx(node, *SLOW, *SKIPPED) and budget.allows(node),
        )


def _by_onnxruntime(model: ir.Model, budget: Budget) -> bool:
    """Whether there was anything to do."""
    graph = model.graph
    known: set[ir.Value] = set()
    nodes: list[ir.Node] = []
    for node in graph:
        inputs = [v for v in node.inputs if v is not None]
        foreign = node.domain not in ("", "ai.onnx", "com.microsoft")
        if not inputs or foreign or node.op_type in NOT_CONSTANT + SKIPPED:
            continue
        if all(v.const_value is not None or v in known for v in inputs) and budget.allows(node):
            nodes.append(node)
            known |= set(node.outputs)
    inside = set(nodes)
    wanted = [v for n in nodes for v in n.outputs if v.is_graph_output() or any(c not in inside for c in v.consumers())]
    if not wanted:
        return False
    given = {name_of(v): v for n in nodes for v in n.inputs if v is not None and v not in known}
    arrays = {name: a for name, v in given.items() if (a := constant(v)) is not None}
    what = ", ".join(f"{name_of(n)} ({op_label(n)})" for n in nodes[:3]) + (", ..." if len(nodes) > 3 else "")
    with guarded(f"the constants of {what} cannot be computed"):
        results = part_session(nodes, arrays, [], wanted, model.opset_imports).run([name_of(v) for v in wanted], {})
    for value, result in zip(wanted, results, strict=True):
        new = add_constant(graph, np.asarray(result), f"{name_of(value)}.folded")
        for user, position in list(value.uses()):
            user.replace_input_with(position, new)
    return True
