"""A fingerprint tells networks apart by what they compute, and by nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given, settings

from ganglion.ir import Graph, Input, Membrane, fingerprint
from ganglion.ir.file import from_bytes, to_bytes
from ganglion.ir.fingerprint import ASIDE
from tests.networks import integer_networks


@settings(max_examples=20, deadline=None)
@given(integer_networks())
def test_every_field_of_every_op_counts(graph: Graph) -> None:
    whole = fingerprint(graph)
    assert fingerprint(from_bytes(to_bytes(graph), "memory")) == whole
    for i, op in enumerate(graph.ops):
        for field in fields(op):
            value = getattr(op, field.name)
            changed = _other(value)
            if field.name in (*ASIDE, "name", "inputs", "inhibited_by") or changed is None:
                continue
            copy = object.__new__(type(op))  # not valid, perhaps: only its fields are looked at
            for each in fields(op):
                object.__setattr__(copy, each.name, changed if each.name == field.name else getattr(op, each.name))
            other = graph.rebuild(graph.ops)
            object.__setattr__(other, "ops", (*graph.ops[:i], copy, *graph.ops[i + 1 :]))
            assert fingerprint(other) != whole, (op.mnemonic, field.name)


def _other(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size:
        changed = value.copy()
        last = changed.flat[-1]
        changed.flat[-1] = last ^ 1 if np.issubdtype(value.dtype, np.integer) else np.nextafter(last, np.inf)
        return changed
    if isinstance(value, (bool, int, float)):
        return value + 1
    return (*value[:-1], value[-1] + 1) if isinstance(value, tuple) and value and isinstance(value[0], int) else None


@settings(max_examples=10, deadline=None)
@given(integer_networks())
def test_names_notes_proofs_and_the_window_do_not(graph: Graph) -> None:
    ops = [replace(op, origin=("elsewhere",)) for op in graph.ops]
    ops = [replace(op, interval=(-1, 1)) if isinstance(op, Membrane) else op for op in ops]
    other = graph.rebuild(ops, name="other", steps=graph.steps + 1, notes=("new",), members=99, source="s", recipe="r")
    assert fingerprint(other) == fingerprint(graph)
    source = replace(graph.input, scale=float(np.nextafter(graph.input.scale, 1)))
    one_bit = graph.rebuild([source if isinstance(op, Input) else op for op in graph.ops])
    assert fingerprint(one_bit) != fingerprint(graph)
