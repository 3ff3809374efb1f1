"""Products that float32 does not hold are computed in parts: never by luck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganglion.backends.onnx import neurons, run
from ganglion.backends.onnx import parts as splitting
from ganglion.backends.onnx.parts import EXACT, parts
from ganglion.ir import Conv2d, Dense, Graph, MaxPool, OneToOne, Projection, Sparse
from ganglion.ir.exact import prove

from . import networks
from .test_onnx_models import assert_equal


@given(
    st.integers(1, 5),
    st.integers(1, 40),
    st.sampled_from([1, 7, 255, 4095, 65535]),
    st.sampled_from([1, 127, 2**11, 2**23, 2**31 - 1]),
    st.integers(0, 99),
)
def test_parts_add_up_and_each_is_exact(rows: int, columns: int, largest: int, heaviest: int, seed: int) -> None:
    weight = np.random.default_rng(seed).integers(-heaviest, heaviest + 1, (rows, columns, 1, 1))
    total = np.zeros_like(weight)
    for part, shift in parts(weight, largest):
        assert part.shape == weight.shape
        assert int(np.abs(part.astype(np.int64)).sum(axis=(1, 2, 3)).max()) * largest < EXACT
        total += part.astype(np.int64) << shift
    np.testing.assert_array_equal(total, weight)


def at_the_edge(high: int, columns: int, kind: str) -> Graph:
    """One layer over `columns` inputs of 0..high, all weights -127, 127 or near it."""
    weight = np.where(np.arange(4)[:, None] % 2, 127, -127) + np.arange(columns) % 2 * np.array([[0], [0], [1], [-1]])
    first: Projection = Dense(name="in", inputs=("image",), weight=weight.astype(np.int8))
    if kind == "conv":
        first = Conv2d(name="in", inputs=("image",), weight=weight.astype(np.int8).reshape(4, columns, 1, 1))
    return networks.network(
        "edge", 2, 3,
        networks.source((columns, 1, 1), 0, high),
        first,
        networks.population("n", "in", level=1, q=float(high * columns * 31) + 0.5, members=3),
        Dense(name="out", inputs=("n",), weight=networks.weights(1, 3, 4)),
        Dense(name="beside", inputs=("image",), weight=weight[:3].astype(np.int8), delay=1),
        networks.readout("out", "beside", level=2),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["dense", "conv"])
@pytest.mark.parametrize(("high", "columns"), [(1032, 128), (1033, 128), (65535, 64), (65535, 2), (65535, 3)])
def test_sums_about_and_beyond_24_bits(high: int, columns: int, kind: str) -> None:
    graph = at_the_edge(high, columns, kind)
    rng = np.random.default_rng(0)
    codes = rng.integers(max(0, high - 3), high + 1, (20, columns, 1, 1)).astype(np.int32)
    codes[0] = high
    assert_equal(graph, codes)


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_without_parts_they_would_differ(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would notice: the same network in one part is wrong."""
    graph = at_the_edge(65535, 64, kind)
    source = graph["in"]
    assert isinstance(source, Projection)
    assert prove(source, graph.typeof("image")).bound > EXACT  # type: ignore[arg-type]
    codes = np.random.default_rng(0).integers(65530, 65536, (20, 64, 1, 1)).astype(np.int32)
    right = run(graph, codes).potentials["logits"]
    monkeypatch.setattr(splitting, "EXACT", 1 << 40)
    assert (run(graph, codes).potentials["logits"] != right).any()


def test_weights_of_more_than_a_byte() -> None:
    rng = np.random.default_rng(2)
    graph = networks.network(
        "wide", 2, 3,
        networks.source((2, 3, 3), 0, 20000),
        Conv2d(name="conv", inputs=("image",), weight=rng.integers(-2000, 2000, (3, 2, 2, 2)).astype(np.int16)),
        networks.population("n", "conv", level=1, q=9876543.21, members=3),
        Sparse(
            name="map", inputs=("n",), weight=rng.integers(-(2**20), 2**20, 3), index=np.array([0, 11, 5]),
            pointer=np.array([0, 0, 2, 2, 3, 3]), shape=(5,),
        ),
        networks.population("m", "map", level=2, q=123456.7, members=20),
        OneToOne(name="skip", inputs=("m",), weight=np.array([2**20, -(2**21), 5, 3, -1])),
        networks.readout("skip", level=3),
    )  # fmt: skip
    assert_equal(graph, networks.codes(graph, 5))


def long_pool(interval: tuple[int, int] | None) -> Graph:
    """A pool whose potentials pass 2^24 after 257 steps."""
    pool = networks.max_pool("p", "in", level=1, low=0, high=65535, kernel=(2, 2), pads=(1, 0, 0, 1))
    assert isinstance(pool, MaxPool)
    return networks.network(
        "long pool", 300, 1,
        networks.source((1, 3, 3), 0, 65535),
        OneToOne(name="in", inputs=("image",), weight=np.array(1, np.int8)),
        replace(pool, interval=interval),
        OneToOne(name="out", inputs=("p",), weight=np.array(1, np.int8)),
        networks.readout("out", level=2),
    )  # fmt: skip


@pytest.mark.parametrize("interval", [(0, 300 * 65535), None])
def test_peaks_beyond_24_bits(interval: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = long_pool(interval)
    codes = networks.codes(graph, 3) | 1
    assert_equal(graph, codes)
    right = run(graph, codes).counts["p"]
    monkeypatch.setattr(neurons, "FLOAT_BITS", 40)
    assert (run(graph, codes).counts["p"] != right).any()  # as they would be in float32
