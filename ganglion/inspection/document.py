"""JSON: the network as plain data, as schemas/inspect.schema.json describes it."""

from __future__ import annotations

import hashlib
import json
import math
from importlib.resources import files
from typing import Any

import numpy as np

from ganglion.ir import Array, Op, integer_format
from ganglion.ir.text import SMALL, array_checksum
from ganglion.ir.types import Spikes
from ganglion.mapping import kept_in

from .chip import mapping_document
from .facts import attributes, header, level, summary
from .subject import Subject

NAME = "ganglion.inspect"
VERSION = 1  # of the schema; another one where a reader of this one would be misled


def document(subject: Subject) -> dict[str, Any]:
    """The whole network; arrays of more than a few values are summed up by their range and checksum."""
    graph = subject.graph
    head = header(graph)
    head["recipe"] = _recipe(graph.recipe)
    return {
        "format": NAME,
        "version": VERSION,
        **head,
        "summary": summary(graph),
        "mapping": mapping_document(kept_in(graph)),
        "ops": [_op(subject, op) for op in graph.ops],
    }


def _recipe(text: str) -> dict[str, Any] | None:
    """How the model was read; of a calibration, which may hold a million numbers, the first digits of its SHA-256."""
    if not text:
        return None
    given = json.loads(text)
    calibration = json.dumps(given["calibration"], sort_keys=True).encode() if given["calibration"] else None
    checksum = None if calibration is None else hashlib.sha256(calibration).hexdigest()[:8]
    return {"drop": given["drop"], "output": given["output"], "calibration": checksum}


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `document`."""
    found: dict[str, Any] = json.loads((files("ganglion") / "schemas" / "inspect.schema.json").read_text("utf-8"))
    return found


def _op(subject: Subject, op: Op) -> dict[str, Any]:
    value = subject.graph.typeof(op.name)
    kind: dict[str, Any] = {"kind": type(value).__name__.lower(), "shape": list(value.shape)}
    if isinstance(value, Spikes):
        kind |= {"low": value.low, "high": value.high}
    else:
        kind["integer"] = value.integer
    return {
        "name": op.name,
        "op": op.mnemonic,
        "inputs": list(op.inputs),
        "origin": list(op.origin),
        "type": kind,
        "level": level(subject.graph, op),
        "bits": integer_format(op) or None,
        "placeholder": op.name in subject.placeholders,
        "attributes": {name: plain(value) for name, value in attributes(op).items()},
    }


def plain(value: Any) -> Any:
    """One field: arrays as objects, real numbers that JSON does not have as text."""
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return [plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def _array(array: Array) -> dict[str, Any]:
    found = {"dtype": str(array.dtype), "shape": list(array.shape), "checksum": array_checksum(array)}
    if array.size:
        found |= {"low": plain(array.min().item()), "high": plain(array.max().item())}
    if array.size <= SMALL:
        found["values"] = plain(array.tolist())
    return found
