"""Calibration: histograms in one pass, thresholds from them, and what a model's values are on samples."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.errors import CompileError, InputError, InternalError
from ganglion.frontend import read, run_values
from ganglion.frontend.balancing import squared_errors
from ganglion.frontend.calibration import Method, Observations, observe, thresholds
from ganglion.frontend.histogram import LOWEST, Histogram

from .helpers import Array, build, dyadic

METHODS: tuple[Method, ...] = ("mse", "percentile", "max")

values = st.one_of(
    st.just(0.0),
    st.floats(-4, 4, width=32),
    st.floats(2.0**-20, 2.0**20, width=32),
    st.floats(2.0**-90, 2.0**127, width=32),
    st.integers(0, 9).map(float),
)


@st.composite
def batches(draw: st.DrawFn) -> list[Array]:
    """Batches (n, C, k) of float32, one after another."""
    channels = draw(st.integers(1, 3))
    shapes = draw(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 4)), min_size=1, max_size=4))
    return [
        np.array(draw(st.lists(values, min_size=n * channels * k, max_size=n * channels * k)), np.float32).reshape(
            n, channels, k
        )
        for n, k in shapes
    ]


def of(*parts: Array, bins: int | None = None) -> Histogram:
    histogram = Histogram(parts[0].shape[1], bins)
    for y in parts:
        histogram.add(y)
    return histogram


def flat(parts: list[Array]) -> list[Array]:
    """All values of each channel."""
    return [np.concatenate([p[:, c].ravel() for p in parts]).astype(np.float64) for c in range(parts[0].shape[1])]


def squared_error(y: Array, theta: float, levels: int) -> float:
    y, step = np.maximum(y, 0).astype(np.float64), theta / levels
    return float(((y - step * np.clip(np.floor(y / step + 0.5), 0, levels)) ** 2).sum())


# -- histograms


@settings(deadline=None, max_examples=300)
@given(batches(), st.sampled_from([4, 16, 64]))
def test_every_value_is_in_its_bin(parts: list[Array], bins: int) -> None:
    """However often the range has doubled in between: as if it had been known from the start."""
    histogram = of(*parts, bins=bins)
    for c, y in enumerate(flat(parts)):
        positive = y[y > 0]
        assert histogram.nonpositive[c] == np.sum(y <= 0)
        assert histogram.maximum[c] == positive.max(initial=0)
        assert histogram.dead[c] == (positive.size == 0)
        place = np.floor(np.ldexp(positive, -histogram.unit[c])).astype(int)
        np.testing.assert_array_equal(histogram.counts[c], np.bincount(place, minlength=bins))
        if positive.size:
            top = np.ldexp(1.0, histogram.exponent[c])
            assert positive.max() < top <= max(2 * positive.max(), 2.0**LOWEST), "no resolution is given away"


@settings(deadline=None)
@given(batches())
def test_batches_do_not_matter(parts: list[Array]) -> None:
    joined = np.concatenate([np.concatenate([*p], axis=1) for p in parts], axis=1)[None]
    for field in ("counts", "nonpositive", "maximum", "exponent"):
        np.testing.assert_array_equal(getattr(of(*parts), field), getattr(of(joined), field))


@settings(deadline=None)
@given(batches())
def test_pooled_is_one_channel(parts: list[Array]) -> None:
    pooled, single = of(*parts).pooled(), of(*[p.reshape(len(p), 1, -1) for p in parts])
    for field in ("counts", "nonpositive", "maximum", "exponent"):
        np.testing.assert_array_equal(getattr(pooled, field), getattr(single, field))


def test_wide_layers_have_fewer_bins() -> None:
    assert [Histogram(c).bins for c in (1, 3, 64, 65, 128, 256, 257, 4096)] == [2048] * 3 + [1024] * 2 + [512] * 3


def test_float64_and_ends_of_the_range() -> None:
    y = np.array([[1e300, 5e-324, 1e-40, -1e300]])
    histogram = of(y)
    np.testing.assert_array_equal(histogram.maximum, [1e300, 5e-324, 1e-40, 0])
    np.testing.assert_array_equal(histogram.counts.sum(axis=1), [1, 1, 1, 0])
    for method in ("max", "percentile", "mse"):
        theta = thresholds(histogram, method=method, levels=7, granularity="channel")
        np.testing.assert_array_equal(theta, [1e300, 5e-324, 1e-40, 1e300])


# -- thresholds


@settings(deadline=None, max_examples=300)
@given(batches(), st.sampled_from([12.5, 50, 75, 87.5, 100]), st.sampled_from([16, 256]))
def test_percentile_is_within_one_bin(parts: list[Array], percentile: float, bins: int) -> None:
    histogram = of(*parts, bins=bins)
    per_channel = thresholds(histogram, method="percentile", percentile=percentile, levels=3, granularity="channel")
    layer = thresholds(histogram, method="percentile", percentile=percentile, levels=3)
    assert per_channel.shape == (histogram.channels,)
    assert layer.shape == ()
    everything = [*flat(parts), np.concatenate(flat(parts))]
    widths = np.ldexp(1.0, [*histogram.unit, *histogram.pooled().unit])
    for theta, y, width in zip([*per_channel, layer], everything, widths, strict=True):
        if (y > 0).any():
            assert abs(theta - np.percentile(y[y > 0], percentile, method="inverted_cdf")) <= width
            assert 0 < theta <= y.max()


def distributions() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    n = 20_000
    outliers = np.abs(rng.standard_normal(n))
    outliers[:20] *= 30
    return {
        "half normal": np.abs(rng.standard_normal(n)),
        "rectified normal": np.maximum(rng.standard_normal(n), 0),
        "exponential": rng.exponential(0.01, n),
        "uniform": rng.uniform(0, 3, n),
        "clipped": np.minimum(np.abs(rng.standard_normal(n)) * 5, 6),
        "lognormal": rng.lognormal(0, 2, n),
        "outliers": outliers,
        "two sizes": np.concatenate([rng.uniform(0, 0.1, n), rng.uniform(9, 10, n // 100)]),
    }


@pytest.mark.parametrize("levels", [1, 2, 4, 15, 255, 256, 4096])
@pytest.mark.parametrize("name", distributions())
def test_mse_has_the_least_error(name: str, levels: int) -> None:
    """Measured on the values themselves, not on the histogram."""
    y = distributions()[name].astype(np.float32)
    histogram = of(y[:, None])
    theta = {m: float(thresholds(histogram, method=m, levels=levels, percentile=99.9)) for m in METHODS}
    error = {m: squared_error(y, t, levels) for m, t in theta.items()}
    assert 0 < theta["mse"] <= theta["max"] == y.max()
    candidates = float(y.max()) * np.geomspace(1e-2, 1, 60)
    others = [error["max"], error["percentile"], *(squared_error(y, t, levels) for t in candidates)]
    assert error["mse"] <= 1.01 * min(others)  # 1 %: the values within a bin are known by their number only


@pytest.mark.parametrize(("levels", "tolerance"), [(1, 1e-6), (3, 1e-6), (40, 1e-4), (255, 1e-3), (1000, 1e-2)])
def test_errors_where_steps_are_narrower_than_bins(levels: int, tolerance: float) -> None:
    """Values that are uniform within each bin, as the histogram takes them to be."""
    counts = np.array([[5, 0, 3, 1]]) * 20_000
    y = np.concatenate([i + (np.arange(n) + 0.5) / n for i, n in enumerate(counts[0]) if n])
    theta = np.array([[3.9, 3.0, 1.7, 0.8, 0.3]])
    expected = np.array([squared_error(y, t, levels) for t in theta[0]])
    errors = squared_errors(counts, theta, levels)[0]
    np.testing.assert_allclose(errors[1:] - errors[0], expected[1:] - expected[0], rtol=tolerance)


def test_values_that_are_a_staircase_keep_it() -> None:
    y = np.arange(16, dtype=np.float32) * 0.75
    for method in METHODS:
        assert thresholds(of(y[:, None]), method=method, levels=15, percentile=100) == 11.25


def test_per_channel() -> None:
    """A channel is calibrated as if it were alone; the layer, by all its values."""
    rng = np.random.default_rng(1)
    y = np.abs(rng.standard_normal((50, 3, 200))).astype(np.float32) * np.array([1, 10, 0.1], np.float32)[:, None]
    for method in METHODS:
        theta = thresholds(of(y), method=method, levels=7, granularity="channel", percentile=99)
        alone = [float(thresholds(of(y[:, c : c + 1]), method=method, levels=7, percentile=99)) for c in range(3)]
        np.testing.assert_array_equal(theta, alone)
        layer = thresholds(of(y), method=method, levels=7, percentile=99)
        assert layer == thresholds(of(y.reshape(50, 1, -1)), method=method, levels=7, percentile=99)


@pytest.mark.parametrize("method", METHODS)
def test_what_never_fires(method: Method) -> None:
    y = np.array([[[1.0, 4.0], [0.0, -2.0]]])
    histogram = of(y)
    np.testing.assert_array_equal(histogram.dead, [False, True])
    theta = thresholds(histogram, method=method, levels=4, granularity="channel")
    np.testing.assert_array_equal(theta, thresholds(histogram, method=method, levels=4))
    silent = of(-np.abs(y))
    assert silent.dead.all()
    assert silent.pooled().dead.all()
    assert thresholds(silent, method=method, levels=4) == 1
    np.testing.assert_array_equal(thresholds(silent, method=method, levels=4, granularity="channel"), [1, 1])


def test_options_out_of_range() -> None:
    histogram = of(np.ones((1, 1)))
    with pytest.raises(InputError, match="no calibration method 'kl'"):
        thresholds(histogram, method="kl", levels=4)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="per 'pixel'"):
        thresholds(histogram, levels=4, granularity="pixel")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one level, not 0"):
        thresholds(histogram, levels=0)
    for percentile in (0, 100.5, float("nan")):
        with pytest.raises(InputError, match="the percentile is"):
            thresholds(histogram, levels=4, percentile=percentile)


# -- observe


def network(batch: str = "N") -> ir.Model:
    """x -> Conv a -> Relu r -> Conv b (+ x) s -> Clip c -> Gemm y"""
    return read(
        build(
            """
            a = Conv<pads=[1, 1, 1, 1]>(x, w1, b1)  r = Relu(a)
            b = Conv(r, w2)  s = Add(b, x)  c = Clip(s, low, high)
            f = Flatten(c)  y = Gemm(f, w3)
            """,
            x=f"float[{batch},2,4,3] x",
            y=f"float[{batch},5] y",
            weights={
                "w1": dyadic(3, 2, 3, 3, seed=1),
                "b1": np.array([9, -1, 0.5], np.float32),  # 9: a sample of zeros alone would make the highest value
                "w2": dyadic(2, 3, 1, 1, seed=2),
                "low": np.float32(0),
                "high": np.float32(6),
                "w3": dyadic(24, 5, seed=3),
            },
        )
    )


ACTIVATIONS, LINEAR = ["r", "c"], ["x", "a", "s", "y"]


def samples(n: int) -> Array:
    return np.random.default_rng(n).integers(-8, 9, (n, 2, 4, 3)).astype(np.float32) / 4


def assert_same(a: Observations, b: Observations) -> None:
    assert a.samples == b.samples
    assert list(a.histograms) == list(b.histograms)
    assert list(a.ranges) == list(b.ranges)
    for name in a.histograms:
        np.testing.assert_array_equal(a.histograms[name].counts, b.histograms[name].counts)
        np.testing.assert_array_equal(a.histograms[name].maximum, b.histograms[name].maximum)
    for name in a.ranges:
        np.testing.assert_array_equal(a.ranges[name], b.ranges[name])


@pytest.mark.parametrize("batch", ["N", "4"])
def test_observations_are_exact(batch: str) -> None:
    """The last batch of 4 is padded, and the padding is not seen."""
    x = samples(10)
    seen = observe(network(batch), x, ACTIVATIONS, LINEAR)
    expected = run_values(network(batch), x, ["r", "c", "a", "s", "y"]) | {"x": x}
    assert seen.samples == 10
    assert list(seen.histograms) == ACTIVATIONS
    assert list(seen.ranges) == LINEAR
    for name, histogram in seen.histograms.items():
        y = expected[name]
        np.testing.assert_array_equal(histogram.counts, of(y).counts)
        np.testing.assert_array_equal(histogram.maximum, y.max(axis=(0, 2, 3)))
        np.testing.assert_array_equal(histogram.nonpositive, (y <= 0).sum(axis=(0, 2, 3)))
    for name, (low, high) in seen.ranges.items():
        y = expected[name].reshape(10, expected[name].shape[1], -1)
        assert low.dtype == high.dtype == np.float64
        np.testing.assert_array_equal(low, y.min(axis=(0, 2)))
        np.testing.assert_array_equal(high, y.max(axis=(0, 2)))
    assert seen.histograms["c"].maximum.max() == 6
    assert thresholds(seen.histograms["c"], method="max", levels=8) == 6
    assert seen.histograms["r"].nonpositive.sum() > 0


def test_a_value_may_be_both_and_none_may_be_asked_for() -> None:
    seen = observe(network(), samples(3), ["r"], ["r"])
    np.testing.assert_array_equal(seen.ranges["r"][1], seen.histograms["r"].maximum)
    nothing = observe(network(), samples(3), [], [])
    assert (nothing.samples, dict(nothing.histograms), dict(nothing.ranges)) == (3, {}, {})


def test_progress_and_repetition() -> None:
    told: list[tuple[int, int]] = []
    first = observe(network("4"), samples(10), ACTIVATIONS, LINEAR, progress=lambda *done: told.append(done))
    assert told == [(4, 10), (8, 10), (10, 10)]
    assert_same(first, observe(network(), samples(10), ACTIVATIONS, LINEAR))


def test_any_numbers_do() -> None:
    x = np.random.default_rng(0).integers(0, 3, (6, 2, 4, 3))
    expected = observe(network(), x.astype(np.float32), ACTIVATIONS, LINEAR)
    for dtype in (np.uint8, np.int64, np.float16, np.float64):
        assert_same(observe(network(), x.astype(dtype), ACTIVATIONS, LINEAR), expected)


def test_a_mapped_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    model = read(
        build("p = GlobalAveragePool(x)  y = Relu(p)", x="float[N,2,64,64] x", y="float[N,2,1,1] y"),
    )
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, (500, 2, 64, 64))
    x[:] = np.arange(500)[:, None, None, None] - 99
    x.flush()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    seen = observe(model, mapped, ["y"], ["x", "p"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < mapped.nbytes / 8
    np.testing.assert_array_equal(seen.ranges["x"], [[-99, -99], [400, 400]])
    np.testing.assert_array_equal(seen.ranges["p"], [[-99, -99], [400, 400]])
    np.testing.assert_array_equal(seen.histograms["y"].nonpositive, [100, 100])


def nan_at(index: int) -> Array:
    x = samples(5)
    x[index, 1, 2, 0] = np.nan
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (samples(3)[:, :1], r"shape \(3, 1, 4, 3\); the model takes \(N, 2, 4, 3\)"),
        (samples(3)[0], r"shape \(2, 4, 3\)"),
        (np.float32(1), r"shape \(\)"),
        (samples(3)[:0], "no samples"),
        (samples(3).astype(complex), "not numbers"),
        (np.full((1, 2, 4, 3), "a"), "not numbers"),
        (nan_at(3), "sample 3 holds NaN"),
        (np.full((4, 2, 4, 3), -np.inf), "sample 0 holds NaN"),
        (np.full((6, 2, 4, 3), 1e300), "sample 0 .* too large for float32"),
    ],
)
@pytest.mark.parametrize("batch", ["N", "4"])
def test_unusable_samples(x: Array, message: str, batch: str) -> None:
    with pytest.raises(InputError, match=message):
        observe(network(batch), x, ACTIVATIONS, LINEAR)


def test_integer_inputs_must_fit() -> None:
    model = read(build("f = Cast<to=1>(x)  y = Relu(f)", x="uint8[N,3] x", y="float[N,3] y"))
    assert observe(model, np.array([[1, 2, 255.0]]), ["y"], []).histograms["y"].maximum.tolist() == [1, 2, 255]
    for wrong in (0.5, 256, -1, np.nan):
        with pytest.raises(InputError, match="cannot hold"):
            observe(model, np.full((1, 3), wrong), ["y"], [])


@pytest.mark.parametrize("batch", ["N", "2"])
def test_a_value_that_is_not_finite_is_named(batch: str) -> None:
    model = read(
        build(
            "a = Mul(x, big)  y = Relu(a)",
            x=f"float[{batch},3] x",
            y=f"float[{batch},3] y",
            weights={"big": np.float32(1e30)},
        )
    )
    x = np.ones((5, 3))
    x[3, 1] = -1e30
    with pytest.raises(InputError, match="'a' becomes NaN or infinity in the model's run on sample 3"):
        observe(model, x, ["y"], ["a"])
    assert observe(model, x, ["y"], []).histograms["y"].maximum[0] == np.float32(1e30)  # -infinity is not seen
    with pytest.raises(InputError, match="'y' becomes NaN or infinity in the model's run on sample 3"):
        observe(model, -x, ["y"], [])


def test_values_that_cannot_be_observed() -> None:
    with pytest.raises(InternalError, match="does not have: gone"):
        observe(network(), samples(1), ["r", "gone"], [])
    folded = read(build("s = Constant<value_ints=[6, -1]>()  a = Reshape(x, s)  y = Relu(a)", x="float[N,6,5] x"))
    with pytest.raises(CompileError, match="axis 0 must stay the batch"):
        observe(folded, np.ones((2, 6, 5)), ["y"], [])
