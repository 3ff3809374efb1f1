"""inspect: what a model or a network is, for people (text) and for machines (JSON)."""

from __future__ import annotations

import json
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from ganglion.errors import InputError
from ganglion.ir import Graph, Op, to_text
from ganglion.ir.file import DOMAIN, load
from ganglion.ir.text import SMALL, array_text
from ganglion.ir.types import Spikes


def inspect(source: Graph | str | PathLike[str], format: Literal["text", "json"] = "text") -> str:
    """The network, or the model as imported (before any pass), as text or as JSON.

    A path may name a compiled network or an ONNX model.
    """
    graph = source if isinstance(source, Graph) else _graph(Path(source))
    if format == "text":
        return to_text(graph)
    if format == "json":
        return json.dumps(to_json(graph), indent=1)
    raise InputError(f"unknown format '{format}'", hint="text or json")


def _graph(path: Path) -> Graph:
    try:
        domains = {o.domain for o in onnx.load(str(path), load_external_data=False).opset_import}
    except Exception:
        domains = {DOMAIN}  # unreadable: the reader of networks says best why
    if DOMAIN in domains:
        return load(path)
    from ganglion import frontend

    return frontend.import_model(path)


def to_json(graph: Graph) -> dict[str, Any]:
    """The network as plain data; arrays of more than a few values are summarised by their checksum."""
    return {
        "name": graph.name,
        "stage": graph.stage.name.lower(),
        "steps": graph.steps,
        "members": graph.members,
        "target": graph.target or None,
        "notes": list(graph.notes),
        "ops": [_op(graph, op) for op in graph.ops],
    }


def _op(graph: Graph, op: Op) -> dict[str, Any]:
    value = graph.typeof(op.name)
    kind: dict[str, Any] = {"kind": type(value).__name__.lower(), "shape": list(value.shape)}
    if isinstance(value, Spikes):
        kind |= {"low": value.low, "high": value.high}
    else:
        kind["integer"] = value.integer
    attributes = {f.name: _value(getattr(op, f.name)) for f in fields(op) if f.name not in ("name", "inputs", "origin")}
    return {
        "name": op.name,
        "op": op.mnemonic,
        "inputs": list(op.inputs),
        "origin": list(op.origin),
        "type": kind,
        "attributes": attributes,
    }


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.size <= SMALL:
            return value.tolist()
        return {"dtype": str(value.dtype), "shape": list(value.shape), "checksum": array_text(value).split("#")[1]}
    return list(value) if isinstance(value, tuple) else value
