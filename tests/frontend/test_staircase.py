"""The fit of a staircase: which one it is, and every threshold to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.frontend.staircase import MOST_LEVELS, Function, NotAStaircaseError, fit

from .helpers import Array

FLOAT32 = np.dtype(np.float32)
magnitudes = st.floats(2.0**-10, 2.0**10, width=32)


def steps_of(function: Function, thresholds: Array) -> tuple[Array, Array]:
    below = np.nextafter(thresholds, np.float32(-np.inf))
    return function(below), function(thresholds)


@settings(deadline=None, max_examples=200)
@given(
    theta=magnitudes,
    levels=st.one_of(st.integers(1, 40), st.sampled_from([63, 127, 255, 1023])),
    form=st.integers(0, 3),
)
def test_qcfs_in_any_form_is_recovered(theta: float, levels: int, form: int) -> None:
    """The clip-floor-shift activation of Bu et al. (ICLR 2022), in float32."""
    t, n, half = np.float32(theta), np.float32(levels), np.float32(0.5)

    def qcfs(x: Array) -> Array:
        with np.errstate(over="ignore"):
            if form == 0:
                return np.asarray(np.floor(np.clip(x / t, 0, 1) * n + half) / n * t)
            if form == 1:
                return np.asarray(t * np.clip(np.floor(x * n / t + half) / n, 0, 1))
            if form == 2:
                return np.asarray(np.round(np.clip(x / t, 0, 1) * n) * (t / n))
            return np.asarray(np.minimum(np.maximum(np.floor(x / (t / n) + half), 0), n) * (t / n))

    found = fit(qcfs, FLOAT32)
    assert found.levels == levels
    assert found.step == pytest.approx(theta / levels, rel=2e-7)
    assert found.rise == found.step
    assert found.shift == 0.5
    assert found.base == 0
    below, at = steps_of(qcfs, found.thresholds)
    k = np.arange(levels)
    np.testing.assert_array_equal(np.rint(below / found.step), k)
    np.testing.assert_array_equal(np.rint(at / found.step), k + 1)
    ideal = (k + 0.5) * found.step
    assert np.all(np.abs(found.thresholds - ideal) <= 4 * np.spacing(np.float32(theta)))


@settings(deadline=None, max_examples=200)
@given(
    width=magnitudes,
    height=magnitudes,
    levels=st.integers(2, 60),
    shift=st.floats(-3, 3, width=32),
    base=st.integers(-20, 20),
    falling=st.booleans(),
)
def test_shift_height_and_base_are_recovered(
    width: float, height: float, levels: int, shift: float, base: int, falling: bool
) -> None:
    w, h, s = np.float32(width), np.float32(-height if falling else height), np.float32(shift)

    def function(x: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(h * (np.clip(np.floor(x / w + s), 0, np.float32(levels)) + np.float32(base)))

    found = fit(function, FLOAT32)
    assert found.levels == levels
    assert found.step == pytest.approx(width, rel=1e-5)
    assert found.rise == pytest.approx(float(h), rel=1e-6)
    assert found.shift == pytest.approx(shift, abs=1e-4)
    assert found.base == pytest.approx(base * float(h), rel=1e-6, abs=1e-6 * height)
    below, at = steps_of(function, found.thresholds)
    k = np.arange(levels)
    expected = found.base + found.rise * np.concatenate([k, [levels]])
    np.testing.assert_allclose(below, expected[:-1], rtol=1e-5, atol=1e-5 * height)
    np.testing.assert_allclose(at, expected[1:], rtol=1e-5, atol=1e-5 * height)
    x = np.random.default_rng(0).uniform(-5 * width, (levels + 5) * width, 500).astype(np.float32)
    distance = np.abs(found.thresholds - x[:, None]).min(axis=1)
    x = x[distance > 1e-3 * width]
    modelled = found.base + found.rise * np.clip(np.floor(x / found.step + found.shift), 0, levels)
    np.testing.assert_allclose(modelled, function(x), rtol=1e-5, atol=1e-5 * height)


@settings(deadline=None, max_examples=100)
@given(scale=magnitudes, zero=st.integers(-128, 127), bits=st.sampled_from([2, 4, 8]))
def test_quantisers_are_recovered_to_the_last_bit(scale: float, zero: int, bits: int) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    zero = min(max(zero, low), high)
    s = np.float32(scale)

    def quantise(x: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray((np.clip(np.rint(x / s) + np.float32(zero), low, high) - np.float32(zero)) * s)

    found = fit(quantise, FLOAT32)
    assert found.levels == high - low
    assert found.rise == found.step == pytest.approx(scale, rel=6e-8)
    assert found.base == (low - zero) * found.rise
    assert found.shift == zero - low + 0.5
    if bits == 8:
        assert found.rise == scale, "255 levels leave one float32 only"


def test_the_most_levels_and_one_more() -> None:
    def function(n: int) -> Function:
        return lambda x: np.asarray(np.clip(np.floor(x + np.float32(0.5)), 0, np.float32(n)))

    found = fit(function(MOST_LEVELS), FLOAT32)
    assert (found.levels, found.step, found.shift) == (MOST_LEVELS, 1.0, 0.5)
    with pytest.raises(NotAStaircaseError, match="more than 65535 levels"):
        fit(function(MOST_LEVELS + 1), FLOAT32)


def test_double_precision() -> None:
    theta, levels = 0.3, 10

    def qcfs(x: Array) -> Array:
        return np.asarray(np.floor(np.clip(x / theta, 0, 1) * levels + 0.5) / levels * theta)

    found = fit(qcfs, np.dtype(np.float64))
    assert found.step == pytest.approx(theta / levels, rel=1e-15)
    assert found.thresholds.dtype == np.float64
    assert np.allclose(found.thresholds, (np.arange(10) + 0.5) * theta / levels, rtol=1e-15)


def test_a_dip_between_steps_is_seen() -> None:
    def dented(x: Array) -> Array:
        y = np.clip(np.floor(x), 0, 4)
        return np.asarray(np.where((x > 2.25) & (x < 2.75), np.float32(1), y), np.float32)

    with pytest.raises(NotAStaircaseError, match="not monotone"):
        fit(dented, FLOAT32)
