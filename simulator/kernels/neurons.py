"""The scan of Group Neurons over the T steps of a window."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from ganglion.ir import Array, GroupNeuron, Shape
from ganglion.simulator import layout

LANES = 256  # neurons that one pass of the inner loop should have


class GroupScan:
    """The membranes of one population of `shape`, from what arrives to the spike counts that are sent.

    Where a place has few channels, several places make one row: `fold` of them.
    """

    def __init__(
        self, op: GroupNeuron, shape: Shape, steps: int, gain: Array, dtype: np.dtype[np.generic], loops: ModuleType
    ) -> None:
        H, W, C = layout.extent(shape)
        self.fold = max(f for f in range(1, max(LANES // C, 1) + 1) if W % f == 0)
        self.special = op.takers > 0 or op.bias_by_step is not None
        self.run = loops.general_scan if self.special else loops.scan(op.levels)
        bias = np.zeros(C, dtype) if op.bias is None else op.bias.astype(dtype)
        if bias.size > C:
            places = np.ascontiguousarray(layout.channels_last(bias, shape))
            self.bias = places.reshape(H * W // self.fold, self.fold * C)
        else:
            self.bias = self._lanes(np.broadcast_to(bias, C))[None]
        self.gain = self._lanes(gain)
        self.thresholds, self.inhibition = (self._table(t, C, dtype) for t in (op.thresholds, op.inhibition))
        nothing = np.zeros((0, C), dtype)
        takers = (nothing if t is None else t for t in (op.negative, op.excitation))
        by_step = np.zeros((steps, C), dtype) if op.bias_by_step is None else op.bias_by_step
        self.more = tuple(self._table(t, C, dtype) for t in (by_step, *takers)) if self.special else ()

    def __call__(self, drive: Array, shift: int, skip: Array, first: int, out: Array) -> None:
        """The spike counts for `drive` (B, T or 1, P, C) << `shift`, into `out` (B, T, H * W, C) from `first` on.

        `skip` (B, T or 1, H * W, C) is empty, or counts of another population, which arrive with the gain (C,).
        """
        drive, skip, out = (self._folded(a) for a in (drive, skip, out))
        first //= self.fold
        self.run(drive, shift, skip, self.gain, self.bias, self.thresholds, self.inhibition, *self.more, first, out)

    def _table(self, table: Array, channels: int, dtype: np.dtype[np.generic]) -> Array:
        """A table (K,) or (K, C) as (K, lanes)."""
        rows = [self._lanes(np.broadcast_to(row, channels)) for row in table.astype(dtype)]
        return np.stack(rows) if rows else np.zeros((0, channels * self.fold), dtype)

    def _lanes(self, row: Array) -> Array:
        return np.tile(row, self.fold)

    def _folded(self, values: Array) -> Array:
        B, T, P, C = values.shape
        return values.reshape(B, T, P // self.fold, C * self.fold)
