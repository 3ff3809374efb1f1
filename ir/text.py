"""The text form of a network: one op a line, meant to be read and to be compared by golden tests.

A large array is printed as its dtype, shape and the first digits of a checksum, so that two texts are
equal only where the networks are.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .ops import Array, Op, Staircase
from .types import dims, size

if TYPE_CHECKING:
    from .graph import Graph

SMALL = 8  # arrays up to this many values are printed whole


def to_text(graph: Graph) -> str:
    """The whole network."""
    head = [f"stage={graph.stage.name.lower()}"]
    head += [f"steps={graph.steps}"] if graph.steps else []
    head += [f"members={graph.members}"] if graph.members else []
    head += [f"target={graph.target}"] if graph.target else []
    lines = [f"network {graph.name} {' '.join(head)} {{"]
    lines += [f"  {op_text(op)} : {graph.typeof(op.name)}{origin_text(op)}" for op in graph.ops]
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
        shown.append(f"{field.name}={value_text(value)}")
    inputs = ", ".join(f"%{i}" for i in op.inputs)
    return f"%{op.name} = {op.mnemonic}({inputs})" + (f" {{{', '.join(shown)}}}" if shown else "")


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
    canonical = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return f"{array.dtype}[{dims(array.shape)}]#{hashlib.sha256(canonical.tobytes()).hexdigest()[:8]}"


def origin_text(op: Op) -> str:
    """The ONNX nodes behind the op, as a comment."""
    return f"  // {', '.join(op.origin)}" if op.origin else ""
