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
        self, op: GroupNeuron, shape: Shape, gain: Array, dtype: np.dtype[np.generic], loops: ModuleType
    ) -> None:
        H, W, C = layout.extent(shape)
        self.fold = max(f for f in range(1, max(LANES // C, 1) + 1) if W % f == 0)
        self.run = loops.scan(op.members)
        bias = np.zeros(C, dtype) if op.bias is None else op.bias.astype(dtype)
        if bias.size > C:
            places = np.ascontiguousarray(layout.channels_last(bias, shape))
            self.bias = places.reshape(H * W // self.fold, self.fold * C)
        else:
            self.bias = self._lanes(np.broadcast_to(bias, C))[None]
        self.gain = self._lanes(gain)
        tables = (op.thresholds.astype(dtype), op.inhibition.astype(dtype))
        self.thresholds, self.inhibition = (
            np.stack([self._lanes(np.broadcast_to(row, C)) for row in t]) for t in tables
        )

    def __call__(self, drive: Array, shift: int, skip: Array, first: int, out: Array) -> None:
        """The spike counts for `drive` (B, T or 1, P, C) << `shift`, into `out` (B, T, H * W, C) from `first` on.

        `skip` (B, T or 1, H * W, C) is empty, or counts of another population, which arrive with the gain (C,).
        """
        drive, skip, out = (self._folded(a) for a in (drive, skip, out))
        first //= self.fold
        self.run(drive, shift, skip, self.gain, self.bias, self.thresholds, self.inhibition, first, out)

    def _lanes(self, row: Array) -> Array:
        return np.tile(row, self.fold)

    def _folded(self, values: Array) -> Array:
        B, T, P, C = values.shape
        return values.reshape(B, T, P // self.fold, C * self.fold)
