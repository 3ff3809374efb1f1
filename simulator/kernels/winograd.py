"""Convolutions of 3 x 3 in float32 by minimal filtering: 16 products in the place of 36.

F(2 x 2, 3 x 3) of Winograd, as Lavin & Gray use it (arXiv 1509.09308, section 4.1): Y = A' [(G g G') . (B' d B)] A for
a kernel g and every square d of 4 x 4 counts gives 2 x 2 sums. G halves, so transformed kernels are whole quarters, and
float32 adds those exactly below a quarter of its limit: `bound` says whether all sums stay there.
"""

from __future__ import annotations

import numpy as np

from ganglion.ir import Array
from ganglion.ir.exact import LIMITS

from .products import FloatProduct
from .scratch import scratch

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
REACH = 2 * np.ones((4, 4), np.int64)  # of one transformed value: what the largest count may be multiplied by
REACH[1, 1] = 4  # only there are all four counts added
SUMS = (slice(0, 3), slice(1, 4))  # which transformed rows, or columns, a row of the result adds up
THIN = 32  # channels below which transforming costs more than it saves


def transformed(weight: Array) -> Array:
    """Kernels (O, C, 3, 3) as (4, 4, C, O), exactly: whole quarters."""
    return np.asarray(np.einsum("ia,ocab,jb->ijco", G, weight.astype(np.float64), G, optimize=True))


def bound(kernels: Array, low: int, high: int) -> int:
    """What no sum with the `transformed` kernels exceeds, in quarters, for counts from `low` to `high`."""
    reach = REACH * high if low >= 0 else np.full((4, 4), 4 * max(-low, high))
    most = 4 * np.abs(kernels).sum(2) * reach[..., None]  # (4, 4, O)
    return int(max(most[rows, columns].sum((0, 1)).max(initial=0) for rows in SUMS for columns in SUMS))


def is_exact(kernels: Array, low: int, high: int) -> bool:
    """Whether float32 holds all sums with these `transformed` kernels exactly."""
    return bound(kernels, low, high) < LIMITS["float32"]


def pays(weight: Array, height: int, width: int) -> bool:
    """Whether it is the faster way to a result of so many rows and columns."""
    squares = -(-height // 2) * -(-width // 2)
    return weight.shape[2:] == (3, 3) and min(weight.shape[:2]) >= THIN and 16 * squares < 9 * height * width


class Winograd:
    """A convolution of stride 1 at work, with `transformed` kernels and pads (top, left), on counts from `low` to
    `high`; see `Delivery`.
    """

    def __init__(self, kernels: Array, pads: tuple[int, int], width: int, low: int, high: int) -> None:
        fan_in, out = kernels.shape[2:]
        self.pads, self.width = pads, width
        self.product = FloatProduct(kernels.reshape(16, fan_in, out), np.float32, integer=False)
        largest = 4 * max(-low, high)  # of what is multiplied
        self.narrow = np.dtype(np.int8 if largest < 1 << 7 else np.int16 if largest < 1 << 15 else np.int32)
        squares = -(-width // 2)
        self.row_bytes = squares * 8 * (fan_in + out) * self.product.dtype.itemsize  # half of a row of squares
        self.row_products = squares * 8 * fan_in * out

    def __call__(self, seen: Array, first: int, rows: int) -> Array:
        B, T, _, _, C = seen.shape
        high, wide = -(-rows // 2), -(-self.width // 2)
        # Samples stand beside the channels, so that all that follows runs over long rows.
        counts = scratch("counts", (2 * high + 2, 2 * wide + 2, B * T, C), self.narrow)
        self.cut(seen.reshape(B * T, *seen.shape[2:]), first, counts)
        half = scratch("half", (4, high, 2 * wide + 2, B * T, C), self.narrow)
        squares = scratch("squares", (4, 4, high, wide, B * T, C), self.product.dtype)
        for i, row in enumerate(_differences([counts[k : k + 2 * high : 2] for k in range(4)], half)):
            for j, values in enumerate(_differences([row[:, k : k + 2 * wide : 2] for k in range(4)])):
                squares[i, j] = values
        products = self.product(squares.reshape(16, -1, C))
        products = products.reshape(4, 4, high, wide, B * T, -1)
        current = np.empty((B * T, 2 * high, 2 * wide, products.shape[-1]), np.int32)
        there = current.transpose(1, 2, 0, 3)
        for y, row in enumerate(_sums(list(products))):
            for x, values in enumerate(_sums(list(row))):
                there[y::2, x::2] = values
        current = current[:, :rows, : self.width]
        return current.reshape(B, T, rows, self.width, -1)

    def cut(self, seen: Array, first: int, counts: Array) -> None:
        """What is needed of `seen` (N, H, W, C) for the result from row `first` on: `counts` (rows, columns, N, C)."""
        counts[:] = 0
        (top, left), (_, H, W, _) = (first - self.pads[0], -self.pads[1]), seen.shape
        rows = slice(max(top, 0), max(min(top + counts.shape[0], H), 0))
        columns = slice(max(left, 0), max(min(left + counts.shape[1], W), 0))
        inside = seen[:, rows, columns].transpose(1, 2, 0, 3)
        counts[rows.start - top :, columns.start - left :][: inside.shape[0], : inside.shape[1]] = inside


def _differences(d: list[Array], out: Array | None = None) -> list[Array]:
    """B' on four neighbours, as new arrays or in those of `out`."""
    a, b, c, e = out if out is not None else (None,) * 4
    return [
        np.subtract(d[0], d[2], out=a),
        np.add(d[1], d[2], out=b),
        np.subtract(d[2], d[1], out=c),
        np.subtract(d[1], d[3], out=e),
    ]


def _sums(m: list[Array]) -> list[Array]:
    """A' on four neighbours, as new arrays."""
    upper = np.add(m[0], m[1])
    upper += m[2]
    lower = np.subtract(m[1], m[2])
    lower -= m[3]
    return [upper, lower]
