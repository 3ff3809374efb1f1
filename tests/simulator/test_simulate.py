"""simulate(): what it records, how it treats its input, and that neither blocks nor lanes change a bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.errors import GanglionWarning, InputError, InternalError
from ganglion.ir import Dense, Graph, Spikes, passes
from ganglion.simulator import arithmetic, simulate
from tests import networks
from tests.ir.test_quantize import small


@pytest.fixture
def net() -> Graph:
    return networks.quantized(small(), 3, 4, "loihi2")


X = np.random.default_rng(0).uniform(0, 1, (7, 4))


def test_what_a_run_holds(net: Graph) -> None:
    result = simulate(net, X, record="all")
    assert result.logits.shape == (7, 3)
    assert result.logits.dtype == np.float64
    assert {name: (a.shape, a.dtype.name) for name, a in result.counts.items()} == {
        "a": ((3, 7, 6), "uint8"),
        "b": ((3, 7, 6), "uint8"),
    }
    assert result.potentials["logits"].dtype == np.int32
    np.testing.assert_array_equal(result.logits, result.potentials["logits"][-1] * net.readout.unit / 3)
    for name, counts in result.counts.items():
        assert result.spikes[name] == counts.sum()
        assert result.rates[name] == pytest.approx(counts.mean())
    assert result.spikes_per_sample == sum(a.sum() for a in result.counts.values()) / 7
    assert "7 samples" in repr(result)


def test_counts_beyond_a_byte_are_int16() -> None:
    net = networks.quantized(small(), 1, 300, "loihi2")
    result = simulate(net, X, record=["a"])
    assert result.counts["a"].dtype == np.int16
    assert result.counts["a"].max() <= 300
    np.testing.assert_array_equal(result.counts["a"], simulate(net, X, record=["a"], engine="step").counts["a"])


def test_only_what_is_asked_for_is_kept(net: Graph) -> None:
    assert simulate(net, X).counts == {}
    assert set(simulate(net, X, record=["b"]).counts) == {"b"}
    assert set(simulate(net, X, record="all", engine="step").counts) == {"a", "b"}


def test_members_can_be_recorded_one_by_one(net: Graph) -> None:
    clusters = passes.run(net, [passes.expand_clusters])
    for engine in ("step", "layer"):
        result = simulate(clusters, X, record=["a", "a#1", "a#4"], engine=engine)
        assert result.counts["a#1"].max() <= 1
        assert (result.counts["a#4"] <= result.counts["a#1"]).all()  # the lowest members fire first
        np.testing.assert_array_equal(result.counts["a#1"], result.counts["a"] >= 1)


@given(networks.integer_networks(), st.integers(1, 9), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_lanes_change_nothing(net: Graph, samples: int, lanes: int) -> None:
    x = networks.samples(net, samples)
    expected = simulate(net, x, record="all", engine="step")
    other = simulate(net, x, record="all", engine="step", lanes=lanes)
    np.testing.assert_array_equal(other.logits, expected.logits)
    assert other.spikes == expected.spikes
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(other.counts[name], counts)


def test_no_samples_at_all(net: Graph) -> None:
    for engine in ("layer", "step"):
        assert simulate(net, np.zeros((0, 4)), engine=engine, record="all").logits.shape == (0, 3)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5)), r"has shape \(2, 5\); the network takes \(N, 4\)"),
        (np.zeros(4), "has shape"),
        (np.full((2, 4), np.nan), "NaN"),
        (np.full((2, 4), "a"), "not real numbers"),
        (np.full((2, 4), 1j), "not real numbers"),
        (np.full((2, 4), 3.0), "100 % of the input's values lie outside"),
    ],
)
def test_bad_input_is_refused(net: Graph, x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(net, x)


def test_a_few_values_outside_the_range_are_clipped_with_a_warning(net: Graph) -> None:
    x = np.zeros((100, 4))
    x[0, 0] = 1.5
    with pytest.warns(GanglionWarning, match=r"0.25 % .* outside \[0, 1\]"):
        result = simulate(net, x)
    assert result.clipped == 1 / 400
    x[0, 0] = 1.0
    np.testing.assert_array_equal(result.logits, simulate(net, x).logits)


def test_bad_requests_are_refused(net: Graph) -> None:
    with pytest.raises(InputError, match="no population is called c"):
        simulate(net, X, record=["c"])
    with pytest.raises(InputError, match="unknown engine"):
        simulate(net, X, engine="fast")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="lanes"):
        simulate(net, X, lanes=0)
    with pytest.raises(InputError, match="0 jobs"):
        simulate(net, X, jobs=0)
    with pytest.raises(InputError, match="unknown kernel 'int4'"):
        simulate(net, X, kernel="int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown loops 'c'"):
        simulate(net, X, loops="c")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="has no time yet"):
        simulate(small(), X)


def test_progress_counts_to_the_end(net: Graph) -> None:
    for engine in ("layer", "step"):
        seen: list[tuple[int, int]] = []
        simulate(net, X, engine=engine, progress=lambda done, total, seen=seen: seen.append((done, total)))  # type: ignore[misc]
        assert seen[-1][0] == seen[-1][1]


def test_products_are_exact_at_the_bound() -> None:
    """The largest products that each float type is trusted with, and the first it is not."""
    for high, weight, expected in ((1, 127, np.float32), (2**15, 127, np.float64)):
        op = Dense(name="d", weight=np.full((1, 2000), weight, np.int8), inputs=("x",))
        source = Spikes(shape=(2000,), low=0, high=high)
        assert arithmetic.exact_type(op, source) == expected
        counts = np.full((1, 2000), high)
        counts[0, 0] = 1
        exact = sum(int(c) * weight for c in counts[0])
        if exact < 2**31:
            assert arithmetic.deliver(op, source)(counts)[0, 0] == exact


def test_products_that_no_float_holds_are_refused() -> None:
    op = Dense(name="d", weight=np.full((1, 2), 2**40, np.int64))
    with pytest.raises(InternalError, match="no float type is exact"):
        arithmetic.exact_type(op, Spikes(shape=(2,), low=0, high=2**15))
