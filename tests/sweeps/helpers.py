"""What the tests of sweeps share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import ganglion
from ganglion import Sweep
from ganglion.sweeps import Row

SETTINGS: dict[str, Any] = {"steps": (1, 2, 5), "members": (1, 4), "input_range": (0, 1)}


def swept(folder: Path, model: str = "model.onnx", **options: Any) -> Sweep:
    """A sweep of `model` in `folder` with its samples and labels."""
    x, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "Y.npy")
    given: dict[str, Any] = {**SETTINGS, "block": 5, **options}
    return ganglion.sweep(folder / model, x, y, **given)


def measured(sweep: Sweep) -> list[Row]:
    """The rows without how they came about."""
    return [replace(row, seconds=None, run_steps=None) for row in sweep.rows]
