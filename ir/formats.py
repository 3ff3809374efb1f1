"""The integer formats of a quantised network: how many bits its numbers take."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ops import Array, GroupNeuron, IntegrateFire, LateralInhibition, Membrane, Op, PhaseNeuron, Projection, is_integer
from .types import signed_bits


def integer_format(op: Op) -> dict[str, int]:
    """The bits of the integers of `op`, by what they hold; {} where its numbers are real, or it has none.

    A projection has "weights" and "exponent" (what arrives is `weights << exponent`), a population "membrane" (the
    width of its proven interval), "thresholds", "negative", "payloads" and "bias", a lateral inhibition "weights".
    Signed integers, as few bits as hold all values: a target's format has at least these.
    """
    if isinstance(op, Projection):
        return _bits(weights=op.weight) and {**_bits(weights=op.weight), "exponent": op.exponent}
    if isinstance(op, LateralInhibition):
        return _bits(weights=op.weights)
    if isinstance(op, Membrane) and op.interval is not None:
        tables: dict[str, Any] = {"bias": op.bias}
        if isinstance(op, GroupNeuron):
            tables = {"thresholds": op.thresholds, "negative": op.negative, **tables}
        if isinstance(op, PhaseNeuron):
            tables = {"thresholds": op.thresholds, "payloads": op.payloads, **tables}
        if isinstance(op, IntegrateFire):
            tables = {"thresholds": op.threshold, **tables}
        return {"membrane": signed_bits(*op.interval), **_bits(**tables)}
    return {}


def format_text(op: Op) -> str:
    """`integer_format` in words: `weights 8 bits << 2`, or `membrane 14 bits, thresholds 12 bits`; else empty."""
    found = integer_format(op)
    exponent = found.pop("exponent", 0)
    return ", ".join(f"{what} {bits} bits" for what, bits in found.items()) + (f" << {exponent}" if exponent else "")


def _bits(**tables: Array | None) -> dict[str, int]:
    return {
        what: signed_bits(int(np.min(table)), int(np.max(table)))
        for what, table in tables.items()
        if table is not None and is_integer(table) and table.size
    }


__all__ = ["format_text", "integer_format"]
