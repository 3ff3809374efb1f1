"""Whether two rows differ by more than chance: the same samples went through both networks."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np

from ganglion.errors import InputError

from .result import Row


class Paired(NamedTuple):
    """How many samples only the first row has right, how many only the second, and how likely chance alone splits
    these at least as unevenly.
    """

    only_first: int
    only_second: int
    p: float


def paired(first: Row, second: Row) -> Paired:
    """McNemar's exact test, two-sided (McNemar, Psychometrika 1947): p is that of a fair coin.

    Raises `InputError` for rows without labels, or of different samples.
    """
    if first.right is None or second.right is None:
        raise InputError("rows are compared sample by sample where the labels are known", hint="sweep with labels")
    if first.right.shape != second.right.shape:
        raise InputError(f"rows of {len(first.right)} and {len(second.right)} samples cannot be compared in pairs")
    ours, theirs = (int(np.sum(a & ~b)) for a, b in ((first.right, second.right), (second.right, first.right)))
    both = ours + theirs
    tail = sum(comb(both, k) for k in range(min(ours, theirs) + 1))
    return Paired(ours, theirs, min(1.0, 2 * tail / 2**both))
