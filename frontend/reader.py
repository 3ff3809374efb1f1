"""Reads an ONNX model: what must hold before anything is looked at in detail.

files.py      opens it, with the weights beside it; structure.py checks names and wiring
opsets.py     converts old opsets, refuses those that are too new
weights.py    brings the weights into memory and looks at their numbers
shapes.py     which nodes do not fit their inputs; parameters.py what onnx lets pass of that
limits.py     how large values may be
libraries.py  what onnx and its relatives raise becomes an error that names the file
"""

from __future__ import annotations

from graphlib import TopologicalSorter

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, RemoveInitializersFromInputsPass

from ganglion.errors import InputError
from ganglion.ir.file import DOMAIN

from .files import Source, describe, open_model
from .libraries import guarded, in_model
from .limits import MOST_NODES
from .normalise import normalise
from .opsets import supported_opset
from .qonnx import as_onnx
from .structure import name_nodes
from .values import LABEL
from .weights import load_weights


def read(source: Source) -> ir.Model:
    """The model, checked, with static shapes and its constant parts computed.

    A dynamic batch (axis 0 of the input) becomes 1. The caller's model is left as it is. Raises `InputError`
    for what is not a usable ONNX file, `CompileError` for what is ONNX but cannot be compiled.
    """
    model = load(source)
    normalise(model)
    return model


def load(source: Source) -> ir.Model:
    """The model as it is in the file: checked, functions inlined, every node with a name of its own."""
    with in_model(describe(source)):
        model = open_model(source)
        if DOMAIN in model.opset_imports:
            hint = "give the ONNX model it was compiled from"
            raise InputError("is a compiled network, not a model", hint=hint)
        if model.functions:
            _check_calls(model)
            with guarded("its functions cannot be inlined"):
                InlinePass()(model)
        model = supported_opset(model)
        RemoveInitializersFromInputsPass()(model)  # a weight listed as an input has a default: it is a constant here
        name_nodes(model.graph)
        load_weights(model.graph)
        as_onnx(model)
    model.meta[LABEL] = describe(source)
    return model


def _check_calls(model: ir.Model) -> None:
    """Raises `InputError` where functions call themselves, or each other so often that no memory holds the nodes."""
    calls = {key: [node.op_identifier() for node in function.all_nodes()] for key, function in model.functions.items()}
    sizes: dict[ir.OperatorIdentifier, int] = {}
    with guarded("its functions call each other in a circle"):
        order = list(TopologicalSorter({key: set(called) & set(calls) for key, called in calls.items()}).static_order())
    for key in order:
        sizes[key] = sum(sizes.get(called, 1) for called in calls[key])
    nodes = sum(sizes.get(node.op_identifier(), 1) for node in model.graph.all_nodes())
    if nodes > MOST_NODES:
        raise InputError(
            f"has {nodes:,} nodes, its functions written out; at most {MOST_NODES:,} are supported",
            hint="export the model without functions",
        )


__all__ = ["Source", "describe", "load", "read"]
