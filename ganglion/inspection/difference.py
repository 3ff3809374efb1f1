"""Two networks, compared: ops that only one has, and fields that differ."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.ir import Array, Graph, Op
from ganglion.ir.text import field_text, op_text

from .chip import mapping_facts
from .document import plain
from .facts import array_words, attributes, header, number

LONG = 200  # characters of a value that a person reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field that differs: its values `a` and `b`, and of arrays of one shape how far they are apart.

    `different` of `compared` values differ, the `largest` difference is that of |b - a|, inf where a value is no number
    in one of them alone; None for other fields.
    """

    field: str
    a: Any
    b: Any
    different: int | None = None
    compared: int | None = None
    largest: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The arrays as the JSON of `inspect` has them."""
        found = {"field": self.field, "a": plain(self.a), "b": plain(self.b)}
        if self.different is None:
            return found
        return found | {"different": self.different, "compared": self.compared, "largest": plain(self.largest)}

    def __str__(self) -> str:
        if self.different is None:
            return f"{self.field}: {_words(self.field, self.a)} -> {_words(self.field, self.b)}"
        kinds = "" if self.a.dtype == self.b.dtype else f", {self.a.dtype} -> {self.b.dtype}"
        if self.compared == 1:
            return f"{self.field}: {number(self.a.flat[0])} -> {number(self.b.flat[0])}{kinds}"
        counts = f"{self.different:,} of {self.compared:,} values differ"
        return f"{self.field}: {counts}, by {number(self.largest)} at most{kinds}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs between the networks `a` and `b`; ops are told apart by their names.

    `reordered`: whether the ops that both have stand in another order.
    """

    header: tuple[Change, ...]
    only_in_a: tuple[Op, ...]
    only_in_b: tuple[Op, ...]
    changed: dict[str, tuple[Change, ...]]
    reordered: bool

    @property
    def equal(self) -> bool:
        """Whether the two files hold one network."""
        return not (self.header or self.only_in_a or self.only_in_b or self.changed or self.reordered)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "equal": self.equal,
            "header": [c.as_json() for c in self.header],
            "only_in_a": [{"name": op.name, "op": op.mnemonic} for op in self.only_in_a],
            "only_in_b": [{"name": op.name, "op": op.mnemonic} for op in self.only_in_b],
            "changed": [{"name": n, "fields": [c.as_json() for c in cs]} for n, cs in self.changed.items()],
            "reordered": self.reordered,
        }

    def __str__(self) -> str:
        lines = [str(c) for c in self.header]
        lines += [f"- {op_text(op)}" for op in self.only_in_a]
        lines += [f"+ {op_text(op)}" for op in self.only_in_b]
        for name, changes in self.changed.items():
            lines += [f"%{name}", *(f"    {c}" for c in changes)]
        lines += ["the ops that both have stand in another order"] if self.reordered else []
        if self.equal:
            return "equal"
        counts = (len(self.only_in_a), len(self.only_in_b), len(self.changed))
        return "\n".join(
            [*lines, "{} ops only in the first (-), {} only in the second (+), {} changed".format(*counts)]
        )


def difference(a: Graph, b: Graph) -> Difference:
    """Everything in which two networks differ: the fields of the graph, where it lies on a chip, the ops, and every
    field of an op."""
    first, second = header(a), header(b)
    both = [op.name for op in a.ops if op.name in b]
    changed = {name: tuple(_changes(_fields(a, a[name]), _fields(b, b[name]))) for name in both}
    return Difference(
        header=(*_changes(first, second), *_mapping_changes(a, b)),
        only_in_a=tuple(op for op in a.ops if op.name not in b),
        only_in_b=tuple(op for op in b.ops if op.name not in a),
        changed={name: changes for name, changes in changed.items() if changes},
        reordered=both != [op.name for op in b.ops if op.name in a],
    )


def _fields(graph: Graph, op: Op) -> dict[str, Any]:
    common = {"op": op.mnemonic, "inputs": op.inputs, "origin": op.origin, "type": str(graph.typeof(op.name))}
    return common | attributes(op)


def _mapping_changes(a: Graph, b: Graph) -> list[Change]:
    if a.mapping == b.mapping:
        return []
    facts = [mapping_facts(graph) for graph in (a, b)]
    if min(map(len, facts)) < 2:  # one of them has none, or none that can be read
        facts = [{k: v for k, v in one.items() if k == "mapping"} for one in facts]
    found = _changes(*facts)
    digests = [hashlib.sha256(graph.mapping.encode()).hexdigest()[:8] for graph in (a, b)]
    return found or [Change(field="mapping", a=digests[0], b=digests[1])]  # in something that nobody looks at


def _changes(a: dict[str, Any], b: dict[str, Any]) -> list[Change]:
    found = [_change(name, a.get(name), b.get(name)) for name in {**a, **b}]
    return [change for change in found if change is not None]


def _change(name: str, a: Any, b: Any) -> Change | None:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        same = type(a) is type(b) and a == b
        return None if same else Change(field=name, a=a, b=b)
    if a.shape != b.shape:
        return Change(field=name, a=a, b=b)
    apart = _apart(a, b)
    if a.dtype == b.dtype and not apart.any():
        return None
    largest = float(apart.max(initial=0))
    return Change(field=name, a=a, b=b, different=int((apart != 0).sum()), compared=a.size, largest=largest)


def _apart(a: Array, b: Array) -> Array:
    """|b - a| as float64; 0 where both are the same infinity or no number, inf where one of them is not finite."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(y - x)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _words(name: str, value: Any) -> str:
    if isinstance(value, np.ndarray):
        return array_words(value)
    text = "nothing" if value is None or value == () else field_text(name, value)
    return text if len(text) <= LONG else f"{text[:LONG]}... ({len(text):,} characters)"
