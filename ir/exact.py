"""Which arithmetic computes a projection exactly, and why: the proof that a simulator's kernel needs.

bound   the largest L1 norm of the weights of one receiving neuron, times the largest |count|: every partial sum,
        in whatever order, is an integer not above it
int8    products of unsigned and signed bytes, summed in 32 bits: counts within 0..255, weights within -128..127,
        bound < 2^31. Processors without VNNI add pairs of products in 16 bits, which saturate: there it is exact
        only while 2 * max count * max |weight| < 2^15 (`pairs`)
float32, float64   whatever stays below 2^24, 2^53
int32   element by element: skip connections, depthwise convolutions, sparse maps; bound < 2^31
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .ops import Conv2d, Dense, Projection
from .types import Spikes

Kernel = Literal["int8", "float32", "float64", "int32"]
LIMITS: dict[str, int] = {"int8": 1 << 31, "float32": 1 << 24, "float64": 1 << 53, "int32": 1 << 31}
MATRIX_KERNELS: tuple[Kernel, ...] = ("int8", "float32", "float64")  # the fastest first
PAIRS = 1 << 15


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of the sums of a projection with integer weights."""

    bound: int
    pairs: int
    bytes: bool

    @property
    def pairs_fit(self) -> bool:
        """Whether sums of two products of bytes fit 16 bits."""
        return self.pairs < PAIRS

    def problem(self, kernel: str, saturates: Callable[[], bool] = lambda: False) -> str:
        """Why `kernel` need not be exact; empty where it is.

        `saturates` says whether the processor adds pairs of products of bytes in 16 bits, and is asked if that matters.
        """
        if kernel == "int8" and not self.bytes:
            return "its counts or weights do not fit 8 bits"
        if self.bound >= LIMITS[kernel]:
            return f"its sums may reach {self.bound}, and {kernel} is exact below {LIMITS[kernel]}"
        if kernel == "int8" and not self.pairs_fit and saturates():
            return f"sums of two products may reach {self.pairs}, which this processor's 16 bits do not hold"
        return ""


def prove(op: Projection, source: Spikes) -> Proof:
    """The bounds of `op`, with integer weights, on the counts of `source`."""
    positive, negative = op.sums(source.shape)
    largest = max(abs(source.low), abs(source.high))
    heaviest = int(np.abs(op.weight.astype(np.int64)).max(initial=0)) if op.weight.dtype != np.int8 else 128
    small = op.weight.dtype == np.int8 or bool((op.weight == op.weight.astype(np.int8)).all())
    return Proof(
        bound=int((positive - negative).max(initial=0)) * largest,
        pairs=2 * largest * heaviest,
        bytes=small and source.low >= 0 and source.high < 256,
    )


def is_matrix(op: Projection) -> bool:
    """Whether `op` is computed as a product of matrices, and not element by element."""
    return isinstance(op, Dense) or (isinstance(op, Conv2d) and not op.depthwise)


def candidates(op: Projection) -> tuple[Kernel, ...]:
    """The kernels that compute `op`, the fastest first."""
    return MATRIX_KERNELS if is_matrix(op) else ("int32",)


def fastest(op: Projection, proof: Proof, saturates: Callable[[], bool] = lambda: False) -> Kernel:
    """The fastest kernel that is exact for `op`; `saturates` as for `Proof.problem`."""
    for kernel in candidates(op):
        if not proof.problem(kernel, saturates):
            return kernel
    raise op.bug(f"its sums may reach {proof.bound}: no kernel is exact")
