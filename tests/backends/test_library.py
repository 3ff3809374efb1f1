"""The parts of the process library that need no Lava."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganglion.backends.lava.library.arithmetic import (
    Convolution,
    Scaling,
    SparseSum,
    WindowMaximum,
    per_channel,
    per_neuron,
)
from ganglion.backends.lava.library.window import Window
from ganglion.ir import MaxPool

from .reference import convolve, maxima


@settings(max_examples=100, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 3, 130]),
    out=st.integers(1, 2),
    fan_in=st.integers(1, 2),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(-8, 2)] * 4),
    upsample=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    selective=st.booleans(),
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
    upsample: tuple[int, int],
    selective: bool,
    high: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-128, 128, (out * groups, fan_in, *kernel)).astype(np.int8)
    shape = (fan_in * groups + 2 * selective, 7, 8)
    take = rng.integers(0, shape[0], fan_in * groups) if selective else np.arange(shape[0])
    options = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups, "upsample": upsample}
    for axis in (0, 1):
        padded = (shape[1 + axis] - 1) * upsample[axis] + 1 + pads[axis] + pads[axis + 2]
        assume(padded > dilations[axis] * (kernel[axis] - 1))
    convolution = Convolution(weight, shape, take=take if selective else None, **options)  # type: ignore[arg-type]
    for _ in range(2):  # buffers are used again
        x = rng.integers(-high, high + 1, shape)
        expected = convolve(weight.astype(np.int64), x[take], **options)  # type: ignore[arg-type]
        assert convolution.output_shape == expected.shape
        np.testing.assert_array_equal(convolution(x.ravel()), expected.ravel())


def test_convolution_leaves_float32_in_time() -> None:
    """2**24 + 1 is the first integer that float32 lacks."""
    weight = np.array([127, 2, 1], np.int8).reshape(1, 3, 1, 1)
    convolution = Convolution(weight, (3, 1, 1))
    x = np.array([132104, 4, 1])
    assert convolution(x) == 127 * 132104 + 2 * 4 + 1 == 2**24 + 1
    assert convolution(-x) == -(2**24) - 1


def test_convolution_refuses_what_32_bits_cannot_hold() -> None:
    weight = np.full((1, 512, 1, 1), 127, np.int8)
    convolution = Convolution(weight, (512, 1, 1))
    with pytest.raises(OverflowError, match="32 bits"):
        convolution(np.full(512, 65535))


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_sparse_sums_are_exact(data: st.DataObject) -> None:
    """Against the same map as a matrix: empty rows, an entry named twice, none at all."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    filled = data.draw(st.lists(st.integers(0, 3), min_size=6, max_size=6))
    pointer = np.concatenate([[0], np.cumsum(filled)])
    index, weight = rng.integers(0, 10, sum(filled)), rng.integers(-128, 128, sum(filled)).astype(np.int8)
    matrix = np.zeros((6, 10), np.int64)
    np.add.at(matrix, (np.repeat(np.arange(6), filled), index), weight)
    x = rng.integers(-65535, 65536, 10)
    found = SparseSum(weight, index, pointer, (2, 3))(x)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, matrix @ x)


def test_sparse_sums_refuse_what_32_bits_cannot_hold() -> None:
    total = SparseSum(np.full(300, 127, np.int8), np.arange(300), [0, 300], (1,))
    assert total(np.full(300, 56000)) == 300 * 127 * 56000
    with pytest.raises(OverflowError, match="32 bits"):
        total(np.full(300, 57000))
    with pytest.raises(OverflowError, match="32 bits"):
        total(np.full(300, -57000))
    with pytest.raises(ValueError, match="3 entries, 2 weights, 1 rows"):
        SparseSum([1, 2], [0, 0, 0], [0, 3], (1,))


def test_one_to_one() -> None:
    x = np.arange(12)
    assert Scaling(-3, (3, 2, 2))(x).tolist() == (-3 * x).tolist()
    assert Scaling([1, -2], (3, 2, 2), take=[2, 0])(x).tolist() == [8, 9, 10, 11, 0, -2, -4, -6]
    assert Scaling([[[1, 2], [3, 4]]], (3, 2, 2), take=[1])(x).tolist() == [4, 10, 18, 28]
    assert Scaling([5, 7], (12,), take=np.array([11, 0]))(x).tolist() == [55, 0]
    with pytest.raises(ValueError, match=r"-256\.\.2 do not fit 8 bits"):
        Scaling([2, -256], (2,))


@settings(max_examples=50, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 4)] * 4),
    seed=st.integers(0, 2**16),
)
def test_the_window_maximum(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    seed: int,
) -> None:
    """Negative everywhere, so that a pad of zero would win."""
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    pads = tuple(min(p, r - 1) for p, r in zip(pads, reach * 2, strict=True))  # type: ignore[assignment]
    one = np.array(1.0)
    op = MaxPool(name="m", kernel=kernel, strides=strides, dilations=dilations, pads=pads, unit=one, scale=one)
    v = np.random.default_rng(seed).integers(-(2**23), 0, (2, 5, 6)).astype(np.int32)
    maximum = WindowMaximum((2, 5, 6), kernel=kernel, strides=strides, dilations=dilations, pads=pads)
    before = v.copy()
    found = maximum(v.ravel())
    np.testing.assert_array_equal(found, maxima(op, v, maximum.output_shape).ravel())
    found += 1  # its own memory, even where a window is a single place
    np.testing.assert_array_equal(v, before)


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
