"""Reads an ONNX model: what must hold before anything is looked at in detail."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx_ir.passes.common import CheckerPass, InlinePass, RemoveInitializersFromInputsPass

from ganglion.errors import CompileError, InputError
from ganglion.ir.file import DOMAIN

from .normalise import normalise
from .values import FLOATS, is_onnx, name_of

Source: TypeAlias = str | os.PathLike[str] | onnx.ModelProto | ir.Model

OLDEST_OPSET = 13
UNBOUNDED_IS_FINE = ("Clip", "Min", "Max", "Where")  # ops that may be given an infinite constant


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
    model, label = _open(source)
    if DOMAIN in model.opset_imports:
        raise InputError(
            f"{label}: is a compiled network, not a model", hint="give the ONNX model it was compiled from"
        )
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", OLDEST_OPSET))
    if opset < OLDEST_OPSET:
        model = _convert_opset(model, opset, label)
    if model.functions:
        InlinePass()(model)
    RemoveInitializersFromInputsPass()(model)  # a weight listed as an input has a default: it is a constant here
    _name_nodes(model.graph)
    _check_weights(model.graph, label)
    return model


def describe(source: Source) -> str:
    """How messages call the model: the file's path, or "the model"."""
    return str(os.fspath(source)) if isinstance(source, (str, os.PathLike)) else "the model"


def _open(source: Source) -> tuple[ir.Model, str]:
    label = describe(source)
    try:
        if isinstance(source, ir.Model):
            model = source.clone()  # passes work in place and must not reach the caller's model
        elif isinstance(source, onnx.ModelProto):
            model = ir.from_proto(source)
        else:
            path = Path(source)
            if not path.is_file():
                raise InputError(f"{label}: {'is a folder' if path.is_dir() else 'there is no such file'}")
            model = ir.load(path)
    except InputError:
        raise
    except DecodeError:
        hint = "copy or export the file again; ONNX files end in .onnx"
        raise InputError(f"{label}: is not an ONNX file, or is cut off", hint=hint) from None
    except Exception as error:  # text formats and malformed graphs: each with errors of its own
        raise InputError(f"{label}: cannot be read as ONNX: {_first_line(error)}") from error
    try:
        model = ir.external_data.load_to_model(model)
    except Exception as error:  # missing, cut off, or not where the model says
        raise InputError(
            f"{label}: the weights stored beside it cannot be read: {_first_line(error)}",
            hint="keep the .onnx file and its data file in one folder, under their own names",
        ) from error
    try:
        CheckerPass()(model)
    except Exception as error:  # the checker's exception type is private to its C++ part
        cause = error.__cause__ or error
        raise InputError(f"{label}: is not a valid ONNX model: {_first_line(cause)}") from error
    return model, label


def _convert_opset(model: ir.Model, opset: int, label: str) -> ir.Model:
    try:
        converted = ir.from_proto(onnx.version_converter.convert_version(ir.to_proto(model), OLDEST_OPSET))
    except Exception as error:
        raise CompileError(
            f"{label}: has opset {opset}, and onnx's version converter cannot bring it to {OLDEST_OPSET}: "
            f"{_first_line(error)}",
            hint=f"export the model again with opset {OLDEST_OPSET} or newer",
        ) from error
    converted.metadata_props.update(model.metadata_props)  # the converter drops it
    return converted


def _name_nodes(graph: ir.Graph) -> None:
    """Every node gets a name that no other node has: messages and origins live on it."""
    counts = Counter(node.name for node in graph if node.name)
    taken = set(counts)
    seen: set[str] = set()
    for index, node in enumerate(graph):
        if node.name and node.name not in seen:
            seen.add(node.name)
            continue
        base = node.name or f"{node.op_type}_{index}"
        name, extra = base, 1
        while name in taken:
            extra += 1
            name = f"{base}_{extra}"
        taken.add(name)
        seen.add(name)
        node.name = name


def _check_weights(graph: ir.Graph, label: str) -> None:
    weights = list(graph.initializers.values())
    for node in graph:
        attr = node.attributes.get("value") if is_onnx(node, "Constant") else None
        if attr is not None and node.outputs[0].const_value is None:
            node.outputs[0].const_value = attr.as_tensor()
        weights += node.outputs[:1] if attr is not None else []
    for value in weights:
        tensor = value.const_value
        if tensor is None or not tensor.dtype.is_floating_point():
            continue
        if tensor.dtype not in FLOATS:
            raise CompileError(
                f"{label}: the weights '{value.name}' are {tensor.dtype.name.lower()}; only float32 and float64 work",
                origin=[name_of(n) for n in value.consumers()],
                hint="export the model in float32",
            )
        array = tensor.numpy()
        bounded = not all(is_onnx(node, *UNBOUNDED_IS_FINE) for node in value.consumers())
        if np.isnan(array).any() or (bounded and np.isinf(array).any()):
            kind = "NaN" if np.isnan(array).any() else "infinity"
            raise InputError(
                f"{label}: the weights '{value.name}' hold {kind}",
                hint="the training diverged, or the export is broken",
            )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
