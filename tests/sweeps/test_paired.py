"""Two rows, sample by sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ganglion
from ganglion.ir import Array
from ganglion.sweeps import Paired, Row, paired

from .helpers import swept


def row(right: Array | None) -> Row:
    return Row(steps=1, members=1, right=right)


def split(first: int, second: int, both: int = 3) -> tuple[Row, Row]:
    """Rows of which the one has `first` samples right that the other has not, and so on."""
    a, b = np.zeros((2, first + second + 2 * both), bool)
    a[:first], b[first : first + second] = True, True
    a[-both:] = b[-both:] = True
    return row(a), row(b)


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (1, 0, 1.0), (5, 5, 1.0), (0, 6, 2 / 64), (8, 2, 0.109375)]
)
def test_p_is_that_of_a_fair_coin(first: int, second: int, p: float) -> None:
    assert paired(*split(first, second)) == Paired(first, second, p)
    assert paired(*split(second, first)).p == p


def test_a_coin_thrown_often() -> None:
    """How often chance alone is as uneven, by throwing it."""
    throws = np.random.default_rng(0).binomial(40, 0.5, 200_000)
    assert paired(*split(26, 14)).p == pytest.approx(np.mean(abs(throws - 20) >= 6), abs=0.004)


def test_rows_of_a_sweep(files: Path) -> None:
    first, second = swept(files, steps=(1, 5), members=(1,)).rows
    found = paired(first, second)
    assert first.accuracy is not None
    assert second.accuracy is not None
    assert found.only_first - found.only_second == round(24 * (first.accuracy - second.accuracy))


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ganglion.InputError, match="where the labels are known"):
        paired(row(None), row(np.ones(3, bool)))
    with pytest.raises(ganglion.InputError, match="rows of 4 and 3 samples"):
        paired(row(np.ones(4, bool)), row(np.ones(3, bool)))
