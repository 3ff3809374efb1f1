"""The text form of a network: one op a line, meant to be read and to be compared by golden tests.

    %name = mnemonic(%inputs) {field=value, ...} : type  [integer format]  // the ONNX nodes it came from

A large array is printed as its dtype, shape and the first digits of a checksum, so that two texts are
equal only where the networks are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .formats import format_text
from .ops import Array, Op, Staircase
from .types import dims, size

if TYPE_CHECKING:
    from .graph import Graph

LISTS = ("interval", "pads")  # fields of several integers that are no extents
SMALL = 8  # arrays up to this many values are printed whole


def to_text(graph: Graph, placeholders: Collection[str] = ()) -> str:
    """The whole network; the ops in `placeholders` are marked as having numbers that only stand in for others."""
    head = [f"stage={graph.stage.name.lower()}"]
    head += [f"steps={graph.steps}"] if graph.steps else []
    head += [f"members={graph.members}"] if graph.members else []
    head += [f"target={graph.target}"] if graph.target else []
    head += [f"source={graph.source}"] if graph.source else []
    lines = [f"network {graph.name} {' '.join(head)} {{"]
    for op in graph.ops:
        widths = format_text(op)
        mark = "  [placeholder]" if op.name in placeholders else f"  [{widths}]" if widths else ""
        lines.append(f"  {op_text(op)} : {graph.typeof(op.name)}{mark}{origin_text(op)}")
    lines += [f"  // {note}" for note in graph.notes]
    return "\n".join([*lines, "}"])


def summary(graph: Graph) -> str:
    """The network in one line: `'digits', quantized, 7 populations, 5120 neurons, T = 2, tau = 4, loihi2`."""
    told = [f"'{graph.name}'", graph.stage.name.lower()]
    kind, spiking = "population", graph.populations
    if stairs := graph.of(Staircase):  # not grouped yet
        kind, spiking = "staircase", list(stairs)
    neurons = sum(size(graph.typeof(op.name).shape) for op in spiking)
    told += [f"{len(spiking)} {kind}{'' if len(spiking) == 1 else 's'}", f"{neurons} neurons"]
    if graph.steps:
        told += [f"T = {graph.steps}", f"tau = {graph.members or 'L'}"]
    return ", ".join([*told, graph.target] if graph.target else told)


def op_text(op: Op) -> str:
    """One op: `%name = mnemonic(%inputs) {field=value, ...}`; fields that hold their default are left out."""
    shown = []
    for field in fields(op):
        value = getattr(op, field.name)
        if field.name in ("name", "inputs", "origin") or (not isinstance(value, np.ndarray) and value == field.default):
            continue
        shown.append(f"{field.name}={field_text(field.name, value)}")
    inputs = ", ".join(f"%{i}" for i in op.inputs)
    return f"%{op.name} = {op.mnemonic}({inputs})" + (f" {{{', '.join(shown)}}}" if shown else "")


def field_text(name: str, value: Any) -> str:
    """The field `name` of an op: extents as 3x3, other tuples as [-8, 7]."""
    return str(list(value)) if name in LISTS and value is not None else value_text(value)


def value_text(value: Any) -> str:
    """One attribute. Floats are printed to nine digits: enough to tell float32 values apart."""
    if isinstance(value, np.ndarray):
        return array_text(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple):
        return dims(value) if all(isinstance(v, int) and v >= 0 for v in value) else str(list(value))
    return str(value)


def array_text(array: Array) -> str:
    """An array: whole when small, else `dtype[shape]#checksum`."""
    if array.size <= SMALL:
        return (
            np.array2string(array, separator=",", precision=9, max_line_width=10**6).replace("\n", "").replace(" ", "")
        )
    return f"{array.dtype}[{dims(array.shape)}]#{array_checksum(array)}"


def array_checksum(array: Array) -> str:
    """The first eight digits of the SHA-256 of the values, in hexadecimal."""
    canonical = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return hashlib.sha256(canonical.tobytes()).hexdigest()[:8]


def origin_text(op: Op) -> str:
    """The ONNX nodes behind the op, as a comment."""
    return f"  // {', '.join(op.origin)}" if op.origin else ""
