"""Memory to be overwritten, of each thread's own: fresh pages cost more than what is done with them."""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np

from ganglion.ir import Array

_local = threading.local()


def scratch(purpose: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array for `purpose`; it is there until the thread asks for the next one for the same."""
    size = prod(shape) * dtype.itemsize
    memory: dict[str, Array] = _local.__dict__
    if purpose not in memory or memory[purpose].size < size:
        memory[purpose] = np.empty(size, np.uint8)
    return memory[purpose][:size].view(dtype).reshape(shape)
