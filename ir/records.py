"""An op as plain data: what JSON can say, and arrays beside it. For files that are not ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from .ops import BY_MNEMONIC, Array, Op


def to_record(op: Op) -> tuple[dict[str, Any], dict[str, Array]]:
    """The fields of `op` for JSON, and its arrays by field."""
    record: dict[str, Any] = {"op": op.mnemonic}
    arrays: dict[str, Array] = {}
    for field in fields(op):
        value = getattr(op, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = value
        elif value is not None:
            record[field.name] = list(value) if isinstance(value, tuple) else value
    return record, arrays


def from_record(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Op:
    """The op that `to_record` gave these for; raises KeyError, TypeError or ValueError where it gave others."""
    kind = BY_MNEMONIC[record["op"]]
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k != "op"}
    unknown = sorted({*values, *arrays} - {field.name for field in fields(kind)})
    if unknown:
        raise ValueError(f"{kind.mnemonic} has no {', '.join(unknown)}")
    values.update(arrays)
    return kind(**values)
