"""Staircases that are given as tables of thresholds (MultiThreshold of QONNX), for each channel its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError

from .activations import PART, Activation
from .staircase import Fit
from .values import Array, shape_of

EVEN = 1e-3  # of a step, by which evenly spaced thresholds may differ from the line


@dataclass(frozen=True, eq=False)
class Table:
    """y = how many of `thresholds`, rising, (K,) or (K, C), x has reached.

    (k - shift) * step, k = 1..K, are the evenly spaced thresholds nearest to them; `step` and `shift` are () or (C,).
    """

    thresholds: Array
    step: Array
    shift: Array

    @property
    def even(self) -> bool:
        """Whether the thresholds are evenly spaced."""
        k = np.arange(1, len(self.thresholds) + 1.0).reshape(-1, *(1,) * self.step.ndim)
        return bool((np.abs(self.thresholds - (k - self.shift) * self.step) <= EVEN * self.step).all())

    @property
    def fit(self) -> Fit:
        """What every channel has in common, and the steps of the first."""
        step, shift = float(self.step.flat[0]), float(self.shift.flat[0])
        return Fit(
            step=step, levels=len(self.thresholds), shift=shift, rise=1.0, base=0.0, thresholds=self.thresholds
        )  # fmt: skip

    def reached(self, x: Array) -> Array:
        """How many thresholds `x` (k,) or (C, k) has reached."""
        if self.thresholds.ndim == 1:
            return np.searchsorted(self.thresholds, x, side="right")
        rows = np.broadcast_to(x, (self.thresholds.shape[1], x.shape[-1]))
        return np.stack([np.searchsorted(t, row, side="right") for t, row in zip(self.thresholds.T, rows, strict=True)])


def evenly_spaced(thresholds: Array) -> Table:
    """The table of `thresholds` (K,) or (K, C), and by least squares the even steps nearest to them."""
    levels, t = len(thresholds), thresholds.astype(np.float64)
    k = np.arange(1, levels + 1.0)
    if levels == 1:
        step = np.where(t[0] == 0, 1.0, 2 * np.abs(t[0]))
    else:
        step = np.tensordot(k - k.mean(), t, 1) / np.sum((k - k.mean()) ** 2)
        step = np.where(step > 0, step, step.max() if step.max() > 0 else 1.0)  # all of a channel may coincide
    return Table(thresholds.astype(np.float32), np.asarray(step), np.asarray(k.mean() - t.mean(axis=0) / step))


def find_tables(graph: ir.Graph) -> list[tuple[Activation, Table]]:
    """Every table of `graph`, with its nodes as an activation."""
    parts: dict[Table, list[ir.Node]] = {}
    for node in graph:
        table = table_of(node)
        if table is not None:
            parts.setdefault(table, []).append(node)
    found = []
    for table, nodes in parts.items():
        root = nodes[0].inputs[0]
        assert root is not None, "it widens the input"
        found.append((Activation(root=root, output=nodes[-1].outputs[0], nodes=tuple(nodes)), table))
    return found


def check_channels(activation: Activation, table: Table) -> None:
    """Raises `CompileError` where the channels of a table are not on axis 1 of what it reads."""
    shape = shape_of(activation.root)
    if table.step.ndim and shape is not None and shape[1:2] != table.step.shape:
        raise CompileError(
            f"thresholds for each of {table.step.size} channels, which are not on axis 1 of {shape}",
            origin=activation.names,
            hint="export the model with the layout NCHW",
        )


def table_of(node: ir.Node) -> Table | None:
    """The table that `node` stands for, together with others."""
    found = node.meta.get(PART)
    return found if isinstance(found, Table) else None
