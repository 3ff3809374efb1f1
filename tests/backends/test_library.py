"""The parts of the process library that need no Lava."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.backends.lava.library.arithmetic import Convolution, per_channel, per_neuron
from ganglion.backends.lava.library.window import Window

from .reference import convolve


@settings(max_examples=100, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 3, 130]),
    out=st.integers(1, 2),
    fan_in=st.integers(1, 2),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-2, 2), st.integers(-2, 2)),
    high=st.sampled_from([1, 16, 65535]),
    seed=st.integers(0, 2**32 - 1),
)
def test_convolution_is_exact(
    groups: int,
    out: int,
    fan_in: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    high: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-128, 128, (out * groups, fan_in, *kernel)).astype(np.int8)
    shape = (fan_in * groups, 7, 8)
    convolution = Convolution(weight, shape, strides=strides, pads=pads, dilations=dilations, groups=groups)
    for _ in range(2):  # buffers are used again
        x = rng.integers(-high, high + 1, shape)
        expected = convolve(weight.astype(np.int64), x, strides, pads, dilations, groups)
        assert convolution.output_shape == expected.shape
        np.testing.assert_array_equal(convolution(x.ravel()), expected.ravel())


def test_convolution_leaves_float32_in_time() -> None:
    """2**24 + 1 is the first integer that float32 lacks."""
    weight = np.array([127, 2, 1], np.int8).reshape(1, 3, 1, 1)
    convolution = Convolution(weight, (3, 1, 1), strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1)
    x = np.array([132104, 4, 1])
    assert convolution(x) == 127 * 132104 + 2 * 4 + 1 == 2**24 + 1
    assert convolution(-x) == -(2**24) - 1


def test_convolution_refuses_what_32_bits_cannot_hold() -> None:
    weight = np.full((1, 512, 1, 1), 127, np.int8)
    convolution = Convolution(weight, (512, 1, 1), strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1)
    with pytest.raises(OverflowError, match="32 bits"):
        convolution(np.full(512, 65535))


def test_windows() -> None:
    window = Window(level=2, steps=3, samples=2)
    assert [window.local(g) for g in range(10)] == [None, None, 0, 1, 2, 0, 1, 2, None, None]
    assert [window.sample(g) for g in range(2, 8)] == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="not a window"):
        Window(level=0, steps=0, samples=1)


def test_values_by_channel_and_neuron() -> None:
    assert per_neuron(3, (2, 2)).tolist() == [3, 3, 3, 3]
    assert per_neuron([1, 2], (2, 2)).tolist() == [1, 1, 2, 2]
    assert per_neuron([[1, 2], [3, 4]], (2, 2)).tolist() == [1, 2, 3, 4]
    assert per_channel([1, 2, 3], 2).shape == (3, 1, 1)
    assert per_channel([[1, 2], [3, 4], [5, 6]], 2).shape == (3, 2, 1)
    with pytest.raises(ValueError, match="does not fit"):
        per_channel([[1, 2, 3]], 2)
