"""What the blocks of the generated program are written into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ganglion.ir import Array, Graph, Op, Shape

from .names import identifiers, one_line, quoted

LINE = 112
INLINE = 16  # arrays up to this many values stand in the program, larger ones in weights.npz


class Code(str):
    """An expression, as opposed to a text."""


@dataclass
class Program:
    """What the blocks are written into: the arrays of weights.npz, and which processes and delays there are already."""

    graph: Graph
    names: dict[str, str] = field(init=False)
    arrays: dict[str, Array] = field(default_factory=dict)
    processes: set[str] = field(default_factory=set)
    delays: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = identifiers(op.name for op in self.graph.ops)

    def array(self, key: str, value: Array) -> Code:
        """An expression for `value`: itself where it is small, else a place in weights.npz."""
        if value.ndim <= 1 and value.size <= INLINE:
            return Code(value.tolist())
        self.arrays[key] = value
        return Code(f'W["{key}"]')

    def shape(self, value: str) -> Shape:
        """The shape of a value of the network."""
        return self.graph.typeof(value).shape

    def create(self, target: str, process: str, /, **arguments: Any) -> str:
        """`target = process(...)`, on one line where it fits."""
        self.processes.add(process)
        shown = [
            f"{k}={v if isinstance(v, Code) else quoted(v) if isinstance(v, str) else repr(v)}"
            for k, v in arguments.items()
        ]
        line = f"{target} = {process}({', '.join(shown)})"
        if len(line) <= LINE:
            return line
        return "\n".join([f"{target} = {process}(", *(f"    {s}," for s in shown), ")"])


def unless(**options: tuple[Any, Any]) -> dict[str, Any]:
    """The options (value, default) that do not have their default."""
    return {name: value for name, (value, default) in options.items() if value != default}


def origin(op: Op) -> str:
    """The ONNX nodes an op came from, as a second comment line."""
    return f"\n# from {one_line(', '.join(op.origin))}" if op.origin else ""
