"""What the emitters write into: nodes and initialisers of one ONNX graph, each value under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ganglion.ir import Array, Op

INT32, INT64, FLOAT, DOUBLE, BOOL = (
    TensorProto.INT32, TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL
)  # fmt: skip


class Writer:
    """Writes nodes in the order in which they are asked for; what is written already is not written again.

    `reserved` are the names of the graph's inputs and outputs, which nothing between them gets.
    """

    def __init__(self, reserved: Iterable[str]) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._used = set(reserved)
        self._written: dict[Any, str] = {}
        self._place, self._origin = "", ""

    def at(self, op: Op) -> None:
        """What follows belongs to `op`: its name stands in the names of the values, its origin in the nodes."""
        self._place, self._origin = op.name, ", ".join(op.origin)

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """What a node of that kind gives, under the name `output` if there is one."""
        key = (kind, inputs, repr(sorted(attributes.items())))
        if not output and key in self._written:
            return self._written[key]
        output = output or self._name(kind)
        name = self._name(f"{kind} node")
        self.nodes.append(helper.make_node(kind, inputs, [output], name, self._origin or None, **attributes))
        self._written.setdefault(key, output)
        return output

    def split(self, value: str, parts: int) -> list[str]:
        """`value` (parts, ...) -> its parts (1, ...)."""
        if parts == 1:
            return [value]
        outputs = [self._name("Split") for _ in range(parts)]
        sizes = self.constant(np.ones(parts, np.int64))
        self.nodes.append(helper.make_node("Split", [value, sizes], outputs, self._name("Split node"), axis=0))
        return outputs

    def constant(self, value: Any, dtype: Any = None) -> str:
        """An initialiser."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._written:
            self._written[key] = self._name("constant")
            self.initializers.append(numpy_helper.from_array(array, self._written[key]))
        return self._written[key]

    def integer(self, value: Any) -> str:
        """An initialiser of int32."""
        return self.constant(value, np.int32)

    def cast(self, value: str, to: int) -> str:
        """`value` in the type `to`."""
        return self.node("Cast", value, to=to)

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """`value` under another shape; 0 keeps an axis, -1 is what remains."""
        return self.node("Reshape", value, self.constant(np.array(shape, np.int64)))

    def pad(self, value: str, before: Sequence[int], after: Sequence[int], fill: Array | None = None) -> str:
        """`value` with so many of `fill` (zeros) before and behind, on every axis; less, where negative."""
        pads = self.constant(np.array([*before, *after], np.int64))
        return self.node("Pad", value, pads, *([] if fill is None else [self.constant(fill)]))

    def add(self, values: Sequence[str]) -> str:
        """The sum of one or more values."""
        total = values[0]
        for value in values[1:]:
            total = self.node("Add", total, value)
        return total

    def _name(self, kind: str) -> str:
        """A name that nothing has yet."""
        base = name = f"{self._place}/{kind}" if self._place else kind
        count = 1
        while name in self._used:
            count += 1
            name = f"{base}_{count}"
        self._used.add(name)
        return name
