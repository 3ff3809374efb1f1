"""Quantised networks: sums, pools, concatenations and all that moves codes about give onnxruntime's codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion.frontend import run_onnxruntime
from ganglion.ir import GroupNeuron

from .quantised_models import (
    INTEGERS,
    TYPES,
    WEIGHTS,
    Builder,
    assert_same_codes,
    codes_of,
    integer_weights,
    nearly,
)

TYPED = pytest.mark.parametrize(("kind", "zero"), [("uint8", 0), ("uint8", 131), ("int8", -128), ("int8", 5)])


def test_the_sum_of_a_layer_and_a_branch_of_another_scale_gets_a_note() -> None:
    b = Builder(3, 6, 6)
    x = b.coded("x", b.scale(0.03), 5, "uint8")
    y = b.add("Add", b.add("Conv", x, b.weights(3, 3, 3, 3), pads=[1] * 4), x)
    nearly(b, b.coded(y, b.scale(0.1), 5, "uint8"), "no common unit", most=0.4)


def two_branches(
    kind: str, zeros: tuple[int, int], *, equal: bool = False, about: float = 0.05
) -> tuple[Builder, str, str]:
    b = Builder(3, 6, 6, seed=3)
    x = b.coded("x", b.scale(0.03), TYPES[kind][0] + 100, kind)
    scales = [b.scale(about), b.scale(about)]
    scales[1] = scales[0] if equal else scales[1]
    first, second = (
        b.coded(b.add("Conv", x, b.weights(3, 3, 1, 1)), s, zero, kind) for s, zero in zip(scales, zeros, strict=True)
    )
    return b, first, second


SUMS = [
    ("uint8", (0, 0, 0)),
    ("uint8", (128, 120, 131)),
    ("uint8", (255, 3, 9)),
    ("int8", (0, 0, 0)),
    ("int8", (-128,) * 3),
]


@pytest.mark.parametrize(("kind", "zeros"), SUMS)
@pytest.mark.parametrize("relu", [False, True])
def test_add(kind: str, zeros: tuple[int, int, int], relu: bool) -> None:
    """Where a Relu with a zero point in the middle follows, onnxruntime adds floats: exact as well."""
    b, first, second = two_branches(kind, zeros[:2])
    y = b.add("Add", first, second)
    y = b.add("Relu", y) if relu else y
    y = b.coded(y, b.scale(0.07), zeros[2], kind)
    assert_same_codes(b.model(y), b.samples())
    y = b.coded(b.add("Conv", y, b.weights(4, 3, 3, 3)), b.scale(0.2), zeros[2], kind)
    assert_same_codes(b.model(y), b.samples())


@TYPED
@pytest.mark.parametrize("what", ["floats", "codes", "codes first", "minus floats", "times floats"])
def test_constants_for_each_channel(kind: str, zero: int, what: str) -> None:
    b, x, _ = two_branches(kind, (zero, zero))
    floats = b.rng.normal(size=(3, 1, 1))
    if what.startswith("codes"):
        c = b.dequantise(b.constant(b.rng.integers(0, 100, (3, 1, 1)), kind), b.scale(0.02), 7, kind)
        y = b.add("Add", x, c) if what == "codes" else b.add("Add", c, x)
    else:
        y = b.add({"floats": "Add", "minus floats": "Sub", "times floats": "Mul"}[what], x, b.constant(floats))
    assert_same_codes(b.model(b.coded(y, b.scale(0.07), zero, kind)), b.samples())


def test_batch_normalization_between_a_layer_and_its_codes() -> None:
    """Gains of both signs, and zero."""
    b = Builder(3, 6, 6)
    y = b.add("Conv", b.coded("x", b.scale(0.03), 5, "uint8"), b.weights(4, 3, 3, 3))
    parameters = ([1.3, -0.7, 0.0, 0.9], b.rng.normal(size=4), b.rng.normal(size=4), b.rng.uniform(0.5, 2, 4))
    y = b.add("Relu", b.add("BatchNormalization", y, *(b.constant(p) for p in parameters)))
    assert_same_codes(b.model(b.coded(y, b.scale(0.05), 0, "uint8")), b.samples(), floats=True)


@TYPED
@pytest.mark.parametrize("equal", [False, True])
def test_concat(kind: str, zero: int, equal: bool) -> None:
    b, first, second = two_branches(kind, (zero, zero), equal=equal)
    joined = b.add("Concat", first, second, axis=1)
    y = b.coded(joined, b.scale(0.06), zero, kind)
    assert_same_codes(b.model(y), b.samples())
    y = b.coded(b.add("Conv", y, b.weights(4, 6, 3, 3)), b.scale(0.2), zero, kind)
    assert_same_codes(b.model(y), b.samples())
    y = b.coded(b.add("Conv", joined, b.weights(4, 6, 3, 3)), b.scale(0.2), zero, kind)
    if equal:  # without codes of its own, it is no part of an 8-bit kernel
        assert_same_codes(b.model(y), b.samples(), floats=True)
    else:
        nearly(b, y, "joins codes of different scales", most=0.6)


POOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "windows": ("AveragePool", {"kernel_shape": [3, 3], "strides": [1, 2]}),
    "border": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4}),
    "border counted": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}),
    "whole": ("AveragePool", {"kernel_shape": [6, 6]}),
    "global": ("GlobalAveragePool", {}),
    "maximum": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
    "global maximum": ("GlobalMaxPool", {}),
}


@TYPED
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("equal", [False, True], ids=["requantised", "equal scales"])
def test_pools(kind: str, zero: int, pool: str, equal: bool) -> None:
    if equal and pool.startswith("border"):
        pytest.skip("has a test of its own")
    b = Builder(3, 6, 6, seed=4)
    s = b.scale(0.08)
    x = b.coded(b.add("Conv", b.coded("x", b.scale(0.03), zero, kind), b.weights(5, 3, 1, 1)), s, zero, kind)
    op, attributes = POOLS[pool]
    model = b.model(b.coded(b.add(op, x, **attributes), s if equal else b.scale(0.06), zero, kind))
    net = ganglion.compile(model, steps=1, members="levels")
    doubtful = any(note.startswith(INTEGERS) for note in net.notes)
    assert not doubtful or pool in ("windows", "border")  # there floats decide the ties
    assert_same_codes(model, b.samples(), floats=doubtful, least=8)


@pytest.mark.parametrize("attributes", [{"strides": [2, 2]}, {"strides": [2, 2], "pads": [1] * 4}], ids=str)
def test_averages_that_tie_get_a_note(attributes: dict[str, Any]) -> None:
    """The mean of four codes in equal scales lies halfway every fourth time; onnxruntime adds them in float32."""
    b = Builder(3, 6, 6, seed=4)
    x = b.coded(b.add("Conv", b.coded("x", b.scale(0.03), 3, "int8"), b.weights(5, 3, 1, 1)), 0.02, 3, "int8")
    model = b.model(b.coded(b.add("AveragePool", x, kernel_shape=[2, 2], **attributes), 0.02, 3, "int8"))
    net, samples = ganglion.compile(model, steps=1, members="levels"), b.samples()
    difference = codes_of(model, run_onnxruntime(model, samples)) - codes_of(
        model, ganglion.simulate(net, samples).logits
    )
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.25
    assert [note.startswith(INTEGERS) for note in net.notes] == [True]


MOVES: dict[str, Callable[[Builder, str, str, int], str]] = {
    "Flatten": lambda b, v, kind, zero: b.add("Flatten", v),
    "Reshape": lambda b, v, kind, zero: b.add("Reshape", v, b.constant([0, 6, 18], "int64")),
    "Transpose": lambda b, v, kind, zero: b.add("Transpose", v, perm=[0, 1, 3, 2]),
    "Slice": lambda b, v, kind, zero: b.add("Slice", v, *(b.constant([i], "int64") for i in (1, 3, 1))),
    "Pad": lambda b, v, kind, zero: b.add("Pad", v, b.constant([0, 0, 1, 2] * 2, "int64"), b.constant(zero, kind)),
    "MaxPool": lambda b, v, kind, zero: b.add("MaxPool", v, kernel_shape=[2, 2]),
}


@TYPED
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("codes", [True, False])
def test_codes_that_are_moved_about(kind: str, zero: int, move: str, codes: bool) -> None:
    """As codes (QOperator), or as floats between two pairs of the same scale (QDQ)."""
    b = Builder(3, 6, 6, seed=5)
    s = b.scale(0.05)
    y = b.add("Conv", b.coded("x", b.scale(0.03), zero, kind), b.weights(3, 3, 1, 1))
    if codes:
        y = b.dequantise(MOVES[move](b, b.quantise(y, s, zero, kind), kind, zero), s, zero, kind)
    else:
        y = MOVES[move](b, b.coded(y, s, zero, kind), "float", 0)
        y = b.coded(y, s, zero, kind)
    net = assert_same_codes(b.model(y), b.samples())
    assert len(net.of(GroupNeuron)) == (1 if codes or move not in ("MaxPool", "Pad") else 2)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Builder, str]:
    """Up to four layers, residual or not, with codes of any zero point between them."""
    b = Builder(3, 5, 5, seed=draw(st.integers(0, 2**16)))
    kind = draw(st.sampled_from(["uint8", "int8"]))
    zeros, (low, high) = st.integers(*TYPES[kind]), TYPES[kind]

    def coded(y: str, about: float, zero: int) -> str:
        return b.coded(y, b.scale(about), zero, kind)

    x = coded("x", 0.03, draw(zeros))
    for _ in range(draw(st.integers(1, 4))):
        what = draw(st.sampled_from(["conv", "relu", "residual", "concat", "pool"]))
        weights = ("int8", draw(st.sampled_from([0, 0, 9]))) if kind == "int8" else draw(st.sampled_from(WEIGHTS))
        axis = draw(st.sampled_from([None, 0]))
        if what == "pool":
            x = coded(b.add("GlobalMaxPool", b.add("MaxPool", x, kernel_shape=[2, 2])), 0.03, draw(zeros))
            break
        y = b.add("Conv", x, b.weights(3, 3, 3, 3, kind=weights[0], zero=weights[1], axis=axis), pads=[1] * 4)
        if what == "relu":
            x = coded(b.add("Relu", y), 0.1, low)
            continue
        zero = draw(st.integers(low + 20, high - 20))
        y = coded(y, 0.1, zero)
        if what == "residual":
            y = coded(b.add("Add", x, y) if draw(st.booleans()) else b.add("Add", y, x), 0.1, zero)
        elif what == "concat":
            joined = coded(b.add("Concat", x, y, axis=1), 0.1, zero)
            y = coded(b.add("Conv", joined, b.weights(3, 6, 1, 1)), 0.1, zero)
        x = y
    return b, x


@given(networks())
@settings(max_examples=25, deadline=None)
def test_networks_drawn_at_random(drawn: tuple[Builder, str]) -> None:
    b, y = drawn
    model, x = b.model(y), b.samples(8)
    net = ganglion.compile(model, steps=1, members="levels")
    expected, found = codes_of(model, run_onnxruntime(model, x)), codes_of(model, ganglion.simulate(net, x).logits)
    np.testing.assert_array_equal(expected, found)
    assert all(op.grid is not None for op in net.of(GroupNeuron))
    assert not net.notes


@pytest.mark.parametrize("place", [0, 20, 100])
def test_a_threshold_that_is_one_off_is_noticed(place: int) -> None:
    """Every sum up to 255 occurs, so that whichever threshold moves, some code changes."""
    b = Builder(1, kind="uint8")
    w = b.dequantise(b.constant([[1, 1]], "int8"), np.float32(0.01), 0, "int8")
    y = b.add("MatMul", b.dequantise("x", np.float32(0.03), 0, "uint8"), w)
    model, x = b.model(b.coded(y, np.float32(0.0007), 0, "uint8")), np.arange(256, dtype=np.uint8)[:, None]
    net = assert_same_codes(model, x)
    (population,) = net.of(GroupNeuron)
    one = int(integer_weights(net, population.inputs[0]).max())  # an integer of the model, in membrane units
    for by in (-one, one):
        moved = population.thresholds.copy()
        moved[place] += by
        wrong = net.rebuild([replace(op, thresholds=moved) if op is population else op for op in net.ops])
        assert (ganglion.simulate(wrong, x).logits != ganglion.simulate(net, x).logits).any()


@pytest.mark.parametrize(("kind", "low", "zero"), [("uint8", 0, 0), ("int8", -128, 5)])
@pytest.mark.parametrize(("steps", "members"), [(1, 4), (2, 4), (4, 4), (2, 16), (4, 16)])
def test_fewer_members(kind: str, low: int, zero: int, steps: int, members: int) -> None:
    """From the same file: engines agree to the bit, and the logits come near."""
    b, first, second = two_branches(kind, (zero, zero), about=0.025 if zero == 0 else 0.05)
    y = b.coded(b.add("Relu", b.add("Add", first, second)), b.scale(0.03), low, kind)
    model = b.model(b.add("Conv", y, b.weights(4, 3, 3, 3)))
    x = b.samples(16)
    net = ganglion.compile(model, steps=steps, members=members)
    result = ganglion.compare(model, net, x)
    assert result.equal
    logits, expected = ganglion.simulate(net, x).logits.ravel(), run_onnxruntime(model, x).ravel()
    cosine = logits @ expected / np.linalg.norm(logits) / np.linalg.norm(expected)
    assert cosine > (0.8 if steps * members < 8 else 0.9 if steps * members < 32 else 0.99)
