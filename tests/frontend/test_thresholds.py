"""Thresholds of monotone functions, and weights under which two codes add; against exhaustive search."""

from __future__ import annotations

from fractions import Fraction
from itertools import count, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganglion.frontend.requantise import Encoding, add_codes
from ganglion.frontend.thresholds import Separation, add_weights, simplest_between, smallest_reaching

from .helpers import Array


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=6), st.integers(-50, 0), st.integers(0, 50))
def test_smallest_sums(jumps: list[int], lowest: int, highest: int) -> None:
    places = np.sort(jumps)
    found = smallest_reaching(lambda V: 7 + np.searchsorted(places, V, side="right"), 6, lowest, highest, low=7)
    expected = [int(p) if p > lowest else lowest for p in places] + [highest + 1] * (6 - len(places))
    assert found.tolist() == [min(e, highest + 1) for e in expected]


def test_smallest_sums_per_channel() -> None:
    scale = np.array([0.25, 3.0])
    found = smallest_reaching(lambda V: np.floor(V * scale[:, None]), 4, [-100, -5], [100, 5])
    np.testing.assert_array_equal(found, [[4, 8, 12, 16], [1, 1, 1, 2]])


def counts_of(separation: Separation, shape: tuple[int, ...]) -> Array:
    V = separation.weights[0] * np.arange(shape[0])[:, None] + separation.weights[1] * np.arange(shape[1])
    return np.searchsorted(separation.thresholds, V, side="right")


@pytest.mark.parametrize("case", range(12))
def test_weights_for_the_sum_of_every_pair_of_codes(case: int) -> None:
    rng, low = np.random.default_rng(case), -128 * (case % 2)
    zeros = (low, low, low) if case % 3 == 0 else rng.integers(low, low + 256, 3)
    a, b, y = (
        Encoding(np.float32(rng.uniform(*span)), int(z), low, low + 255)
        for span, z in zip([(0.01, 0.02), (0.01, 0.02), (0.015, 0.04)], zeros, strict=True)
    )
    codes = np.arange(low, low + 256)
    table = add_codes(codes[:, None], codes, a, b, y) - low
    separation = add_weights(table, 255)
    assert separation is not None
    assert max(separation.weights) <= 510  # the mediant of two neighbours among the fractions of numbers up to 255
    assert separation.thresholds.shape == (255,)
    np.testing.assert_array_equal(counts_of(separation, table.shape), table)


def test_equal_scales_need_no_weights() -> None:
    as_ = Encoding(np.float32(0.0173), 0, 0, 255)
    codes = np.arange(256)
    separation = add_weights(add_codes(codes[:, None], codes, as_, as_, as_), 255)
    assert separation is not None
    assert separation.weights == (1, 1)
    np.testing.assert_array_equal(separation.thresholds, np.arange(1, 256))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_the_weights_are_the_smallest(first: int, second: int, thresholds: list[int]) -> None:
    table = counts_of(Separation((first, second), np.sort(thresholds)), (5, 6))
    separation = add_weights(table, 5)
    assert separation is not None
    np.testing.assert_array_equal(counts_of(separation, table.shape), table)
    smaller = [w for w in product(range(1, first + 1), range(1, second + 1)) if separates(table, *w)]
    assert separation.weights == min(smaller)


def separates(table: Array, first: int, second: int) -> bool:
    V = first * np.arange(len(table))[:, None] + second * np.arange(table.shape[1])
    return all(V[table < k].max(initial=-1) < V[table >= k].min(initial=99999) for k in range(1, 7))


@pytest.mark.parametrize(
    "table",
    [
        [[0, 0, 1], [0, 1, 1], [1, 1, 0]],  # it falls
        [[0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]],  # (1, 1) lies between (0, 2) and (2, 0)
    ],
)
def test_tables_that_no_weights_give(table: list[list[int]]) -> None:
    counts = np.array(table)
    assert not any(separates(counts, *weights) for weights in product(range(1, 30), repeat=2))
    assert add_weights(counts, 2) is None


@given(st.fractions(0, 9, max_denominator=12), st.fractions(0, 9, max_denominator=12))
def test_the_simplest_fraction(p: Fraction, q: Fraction) -> None:
    assume(p != q)
    lower, upper = min(p, q), max(p, q)
    found = simplest_between(lower, upper)
    denominator = next(d for d in count(1) if lower < Fraction(int(lower * d) + 1, d) < upper)
    assert found == Fraction(int(lower * denominator) + 1, denominator)
