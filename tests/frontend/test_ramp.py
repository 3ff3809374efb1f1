"""Ramps: ReLU and its clipped, shifted and scaled relatives, recognised by what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ganglion.frontend.ramp import Ramp, ramp
from ganglion.frontend.staircase import NotAStaircaseError, fit

F32 = np.dtype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: np.maximum(x, 0), (0, 1, 0, np.inf)),
        (lambda x: np.clip(x, 0, 6), (0, 1, 0, 6)),
        (lambda x: np.clip(x, -1, 1), (-1, 1, -1, 2)),
        (lambda x: np.clip(x * x.dtype.type(0.25) + x.dtype.type(0.5), 0, 1), (-2, 0.25, 0, 1)),
        (lambda x: np.maximum(x - x.dtype.type(2), 0) * x.dtype.type(3), (2, 3, 0, np.inf)),
    ],
    ids=["relu", "relu6", "hardtanh", "hardsigmoid", "shifted"],
)
def test_ramps(function: Callable[[Any], Any], expected: tuple[float, ...], dtype: type[np.floating[Any]]) -> None:
    found = ramp(function, np.dtype(dtype))
    assert found is not None
    got = (found.start, found.gain, found.base, found.height)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("start", [-7.5, -1.0, 0.01, 1.0, 7.5])
@pytest.mark.parametrize("height", [0.5, 8.0, np.inf])
def test_a_ramp_that_starts_anywhere_is_no_staircase(start: float, height: float) -> None:
    def shifted(x: Any) -> Any:
        return np.clip(x - np.float32(start), 0, np.float32(height))

    with pytest.raises(NotAStaircaseError, match="continuum") as caught:
        fit(shifted, F32)
    assert caught.value.continuous
    found = ramp(shifted, F32)
    assert found is not None
    np.testing.assert_allclose((found.start, found.gain, found.base), (start, 1, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.height, height, rtol=1e-5)


@pytest.mark.parametrize("start", [-1.0, 0.01, 1.0, 7.5])
def test_many_steps_that_start_anywhere_are_no_ramp(start: float) -> None:
    def steps(x: Any) -> Any:
        return np.floor(np.clip(x - np.float32(start), 0, 8) * np.float32(1 << 14))

    with pytest.raises(NotAStaircaseError, match="more than 65535 levels") as caught:
        fit(steps, F32)
    assert not caught.value.continuous


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.where(x > 0, x, x * np.float32(0.1)),  # LeakyReLU never stays constant
        lambda x: 1 / (1 + np.exp(-np.clip(x, -50, 50))),
        lambda x: np.where(x > 1, x, np.float32(0)),  # jumps
        lambda x: np.minimum(x, np.float32(6)),  # falls for ever
        lambda x: np.maximum(-x, 0),  # falls
        lambda x: np.where(x > 0, x * x, 0).clip(0, 100),
    ],
)
def test_what_is_no_ramp(function: Callable[[Any], Any]) -> None:
    with np.errstate(over="ignore"):
        assert ramp(function, F32) is None


def test_a_kink_is_noticed() -> None:
    assert ramp(lambda x: np.maximum(x, 0), F32) == Ramp(start=0, gain=1, base=0, height=float("inf"))
    assert ramp(lambda x: np.where(x > 0.5, 2 * x - np.float32(0.5), np.maximum(x, 0)), F32) is None
