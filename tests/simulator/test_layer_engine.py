"""The layer engine: no kernel, no inner loop, no number of threads, no size of a block changes a bit."""

from __future__ import annotations

import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganglion.errors import CompileError, InputError
from ganglion.ir import Conv2d, Dense, Graph, Projection, Spikes, linear, passes
from ganglion.ir.exact import MATRIX_KERNELS, PAIRS, is_matrix, prove
from ganglion.simulator import Loops, blocks, layout, simulate, synapses
from ganglion.simulator.arithmetic import sent_type
from ganglion.simulator.crew import Crew
from ganglion.simulator.kernels import delivery, inner_loops, loops, projections, winograd
from ganglion.simulator.kernels.products import ByteProduct, FloatProduct, saturates
from ganglion.simulator.kernels.projections import Windows
from ganglion.simulator.kernels.winograd import Winograd
from tests import networks
from tests.ir.test_quantize import small

LOOPS: tuple[Loops, ...] = get_args(Loops)


def assert_equal(a: Any, b: Any) -> None:
    """Two runs agree in everything."""
    np.testing.assert_array_equal(a.logits, b.logits)
    assert a.spikes == b.spikes
    assert a.operations == b.operations
    for held in ("counts", "potentials", "spikes_by_step", "operations_by_step"):
        assert getattr(a, held).keys() == getattr(b, held).keys()
        for name, values in getattr(a, held).items():
            np.testing.assert_array_equal(values, getattr(b, held)[name])
            assert values.dtype == getattr(b, held)[name].dtype


@given(
    networks.integer_networks(),
    st.integers(1, 7),
    st.sampled_from([None, *MATRIX_KERNELS]),
    st.sampled_from(LOOPS),
    st.integers(1, 3),
    st.sampled_from([1, 1 << 10, 1 << 22]),
    st.sampled_from([1, 1 << 10, 1 << 21]),
)
@settings(max_examples=120, deadline=None)
def test_every_way_to_compute_gives_the_step_engines_counts(
    net: Graph, samples: int, kernel: Any, inner: Any, jobs: int, block: int, tile: int
) -> None:
    x = networks.samples(net, samples)
    expected = simulate(net, x, record="all", engine="step", lanes=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        patch.setattr(synapses, "TILE_BYTES", tile)
        for module in (synapses, blocks):
            patch.setattr(module, "TILE_PRODUCTS", 1)
        if kernel == "int8":  # not for signed codes of the input, for example
            sources = [(op, net.typeof(op.inputs[0])) for op in net.of(Projection) if is_matrix(op)]
            assume(not any(prove(op, source).problem(kernel) for op, source in sources if isinstance(source, Spikes)))
        run = simulate(net, x, record="all", kernel=kernel, loops=inner, jobs=jobs)
    assert_equal(run, expected)


@given(networks.imported(), st.sampled_from([16, 17, 40, 300]), st.sampled_from(LOOPS))
@settings(max_examples=20, deadline=None)
def test_many_members(graph: Graph, members: int, inner: Any) -> None:
    """Where thresholds are searched, and where counts need more than a byte."""
    try:
        net = networks.quantized(graph, 2, members, "loihi2")
    except CompileError:  # thresholds too fine for the target's integers
        assume(False)
    x = networks.samples(net, 3)
    assert_equal(simulate(net, x, record="all", loops=inner), simulate(net, x, record="all", engine="step"))


@given(networks.imported())
@settings(max_examples=30, deadline=None)
def test_synaptic_operations_are_those_of_every_single_synapse(graph: Graph) -> None:
    net = networks.quantized(graph, 2, 3, "loihi2")
    for op in net.of(Projection):
        shape = net.typeof(op.inputs[0]).shape
        synapse = linear.to_sparse(replace(op, weight=np.ones(op.weight.shape)), shape)
        single = np.bincount(synapse.index, minlength=int(np.prod(shape))).reshape(shape)
        np.testing.assert_array_equal(np.broadcast_to(op.fan_out(shape), shape), single)
    x = networks.samples(net, 2)
    names = [net.input.name, *(op.name for op in net.populations)]
    run = simulate(net, x, record=names)
    for name in names:
        counts = run.counts[name].astype(np.int64)
        sent = np.abs(counts) if name != net.input.name else (counts != 0).astype(np.int64)
        shape = net.typeof(name).shape
        fan_out = sum(
            np.broadcast_to(op.fan_out(shape), shape) for op in net.consumers(name) if isinstance(op, Projection)
        )
        assert run.operations[name] == (sent * fan_out).sum()


def exact(op: Projection, counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What arrives for `counts` (B, *shape), in 64-bit integers: (B, *out)."""
    return linear.apply(op, counts.astype(np.int64), op.weight.astype(np.int64))


def delivered(op: Projection, source: Spikes, counts: np.ndarray[Any, Any], kernel: Any, inner: Any) -> Any:
    deliver = delivery(op, source, inner_loops(inner), kernel)
    values = np.ascontiguousarray(layout.channels_last(counts, source.shape)[:, None])
    out = op.map_shape(source.shape)
    return layout.channels_first(deliver(deliver.seen(values), 0, layout.extent(out)[0])[:, 0], out)


def row(*weights: int) -> Dense:
    return Dense(name="fc", inputs=("x",), weight=np.array([weights], np.int32))


# Sums that reach the largest number below a kernel's limit, and the limit itself.
@pytest.mark.parametrize("inner", LOOPS)
@pytest.mark.parametrize(("kernel", "limit"), [("float32", 1 << 24), ("float64", 1 << 53)])
def test_products_are_exact_up_to_the_bound(kernel: Any, limit: int, inner: Any) -> None:
    high = 3 if limit < 1 << 31 else 1
    most = min((limit - 1) // high, (1 << 31) - 1)
    op = row(most // 2, -(most - most // 2))
    source = Spikes(shape=(2,), low=0, high=high)
    assert prove(op, source).bound <= limit - 1
    for counts in ([high, 0], [0, high], [high, high], [high - 1, high]):
        x = np.array([counts], np.uint8)
        np.testing.assert_array_equal(delivered(op, source, x, kernel, inner), exact(op, x))
    if kernel == "float32":
        beyond = row(1 << 23, 1 << 23)
        with pytest.raises(InputError, match=r"float32 is not exact for 'fc': its sums may reach 16777216"):
            delivered(beyond, Spikes(shape=(2,), low=0, high=1), x[:, :2], kernel, inner)


def test_beyond_the_bound_a_product_is_wrong() -> None:
    """So the bound is needed, and tight."""
    weight = np.array([[[1 << 24], [1]]], np.int32)
    counts = np.ones((1, 1, 2))
    assert FloatProduct(weight, np.float32)(counts.astype(np.float32))[0, 0, 0] != (1 << 24) + 1
    assert FloatProduct(weight, np.float64)(counts)[0, 0, 0] == (1 << 24) + 1


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 64, 255])
@pytest.mark.parametrize("weight", [127, -128])
def test_bytes_at_their_largest(depth: int, weight: int) -> None:
    """Pairs of products that 16 bits do not hold: the kernel is exact, or is known not to be and not taken."""
    op = Dense(name="fc", weight=np.full((5, depth), weight, np.int8))
    source = Spikes(shape=(depth,), low=0, high=255)
    counts = np.full((3, depth), 255, np.uint8)
    assert not prove(op, source).pairs_fit
    np.testing.assert_array_equal(delivered(op, source, counts, None, None), exact(op, counts))
    if not saturates():
        np.testing.assert_array_equal(delivered(op, source, counts, "int8", None), exact(op, counts))
    few = replace(source, high=127)  # 2 * 127 * 128 < 2^15: on any processor
    assert prove(op, few).pairs_fit
    np.testing.assert_array_equal(delivered(op, few, counts // 2, "int8", None), exact(op, counts // 2))


def test_where_pairs_saturate_another_kernel_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "saturates", lambda: True)
    op = Dense(name="fc", weight=np.full((1, 4), 100, np.int8))
    wide, narrow = (Spikes(shape=(4,), low=0, high=high) for high in (200, 127))
    assert isinstance(delivery(op, wide, inner_loops(), None).product, FloatProduct)  # type: ignore[attr-defined]
    assert isinstance(delivery(op, narrow, inner_loops(), None).product, ByteProduct)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"int8 is not exact for 'fc': sums of two products may reach 51200"):
        delivery(op, wide, inner_loops(), "int8")
    assert prove(op, narrow).pairs < PAIRS < prove(op, wide).pairs


@given(
    st.integers(32, 35),
    st.integers(32, 35),
    st.tuples(st.integers(2, 7), st.integers(2, 7)),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.sampled_from([(0, 1), (0, 4), (0, 31), (0, 32), (-3, 5), (-40, 10)]),
    st.sampled_from([1, 2, 100]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_minimal_filtering_gives_the_same_sums(
    fan_in: int, out: int, sides: Any, pads: Any, counts: tuple[int, int], rows: int, seed: int
) -> None:
    """Any pads and sides, counts of either sign, some rows at a time, of several samples and steps."""
    rng = np.random.default_rng(seed)
    source = Spikes(shape=(fan_in, *sides), low=counts[0], high=counts[1])
    op = Conv2d(name="c", weight=rng.integers(-128, 128, (out, fan_in, 3, 3)).astype(np.int8), pads=pads)
    assume(sides[0] + pads[0] + pads[2] >= 3 <= sides[1] + pads[1] + pads[3])
    deliver = delivery(op, source, inner_loops("numpy"), "float32")
    _, height, width = op.map_shape(source.shape)
    paying = 16 * -(-height // 2) * -(-width // 2) < 9 * height * width
    assert isinstance(deliver.way, Winograd) == paying  # type: ignore[attr-defined]
    sent = rng.integers(counts[0], counts[1] + 1, (2, 3, *source.shape)).astype(sent_type(source))
    values = np.ascontiguousarray(layout.channels_last(sent, source.shape))
    seen = deliver.seen(values)
    parts = [deliver(seen, first, min(rows, height - first)) for first in range(0, height, rows)]
    arrived = layout.channels_first(np.concatenate(parts, axis=2), (out, height, width))
    np.testing.assert_array_equal(arrived.reshape(6, out, height, width), exact(op, sent.reshape(6, *source.shape)))


def heavy(weight: int, fan_in: int = 32) -> Conv2d:
    """All weights alike but the corners', which are 0: sums are then far from those of the transformed kernels."""
    kernel = np.full((32, fan_in, 3, 3), weight, np.int32)
    kernel[:, :, ::2, ::2] = 0
    return Conv2d(name="c", weight=kernel, pads=(1, 1, 1, 1))


@pytest.mark.parametrize("low", [0, -3])
def test_minimal_filtering_is_exact_up_to_its_bound(low: int) -> None:
    """The heaviest weights that it takes, on counts that reach the bound where they can, and one more."""
    source = Spikes(shape=(32, 6, 6), low=low, high=3)
    most = (
        next(w for w in range(1, 1 << 20) if not winograd.is_exact(winograd.transformed(heavy(w).weight), low, 3)) - 1
    )
    assert most > 1000
    rng = np.random.default_rng(0)
    for weight, way in ((most, Winograd), (most + 1, Windows)):
        for op in (heavy(weight), replace(heavy(weight), weight=-heavy(weight).weight)):
            deliver = delivery(op, source, inner_loops("numpy"), "float32")
            assert isinstance(deliver.way, way)  # type: ignore[attr-defined]
            for counts in (
                np.full((1, *source.shape), 3),
                np.full((1, *source.shape), 3) * (np.indices((6, 6)).sum(0) % 2),
                rng.choice([low, 3], (8, *source.shape)),
            ):
                sent = counts.astype(sent_type(source))
                np.testing.assert_array_equal(delivered(op, source, sent, "float32", "numpy"), exact(op, sent))


def test_the_bound_of_minimal_filtering_is_what_the_counts_can_reach() -> None:
    """By the definition: every transformed product, with the counts that make it largest."""
    rng = np.random.default_rng(3)
    weight = rng.integers(-5, 6, (2, 1, 3, 3))
    kernels = winograd.transformed(weight)
    B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    for low, high in ((0, 2), (-2, 1)):
        reach = np.zeros((4, 4))
        for i, j in np.ndindex(4, 4):
            factors = np.outer(B[i], B[j])  # of the sixteen counts
            up = np.where(factors > 0, high, low)
            reach[i, j] = max(abs((factors * up).sum()), abs((factors * np.where(factors > 0, low, high)).sum()))
        products = 4 * np.abs(kernels[:, :, 0]) * reach[..., None]
        most = max(products[a : a + 3, b : b + 3].sum((0, 1)).max() for a in (0, 1) for b in (0, 1))
        assert most <= winograd.bound(kernels, low, high) <= most * (1 if low == 0 else 4 / 3)


def test_beyond_its_bound_minimal_filtering_is_wrong() -> None:
    weight = np.zeros((32, 32, 3, 3), np.int64)
    weight[:, :, 0, :2] = ((1 << 24) // 32 // 2, 1)
    source = Spikes(shape=(32, 4, 4), low=0, high=1)
    op = Conv2d(name="c", weight=weight, pads=(1, 1, 1, 1))
    assert prove(op, source).bound < 1 << 25
    kernels = winograd.transformed(weight)
    assert not winograd.is_exact(kernels, 0, 1)
    counts = np.random.default_rng(0).integers(0, 2, (4, *source.shape)).astype(np.uint8)
    seen = np.ascontiguousarray(layout.channels_last(counts, source.shape)[:, None])
    arrived = layout.channels_first(Winograd(kernels, (1, 1), 4, 0, 1)(seen, 0, 4)[:, 0], (32, 4, 4))
    assert (arrived != exact(op, counts)).any()


@pytest.mark.parametrize(
    "change",
    [
        {"strides": (2, 2)},
        {"dilations": (2, 2)},
        {"weight": np.ones((32, 32, 1, 3), np.int8)},
        {"weight": np.ones((31, 32, 3, 3), np.int8)},
        {"weight": np.ones((64, 32, 3, 3), np.int8), "groups": 2},
    ],
)
def test_other_convolutions_are_gathered(change: dict[str, Any]) -> None:
    op = Conv2d(name="c", weight=np.ones((32, 32, 3, 3), np.int8), pads=(1, 1, 1, 1))
    source = Spikes(shape=(32 * change.get("groups", 1), 8, 8), low=0, high=4)
    other = replace(op, **change)
    sent = np.random.default_rng(0).integers(0, 5, (2, *source.shape)).astype(np.uint8)
    assert isinstance(delivery(op, replace(source, shape=(32, 8, 8)), inner_loops(), "float32").way, Winograd)  # type: ignore[attr-defined]
    assert isinstance(delivery(other, source, inner_loops(), "float32").way, Windows)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(delivered(other, source, sent, "float32", "numpy"), exact(other, sent))


def test_counts_or_weights_beyond_a_byte_are_no_bytes() -> None:
    op = Dense(name="fc", weight=np.array([[1, 2]], np.int8))
    for low, high, ok in ((0, 255, True), (0, 256, False), (-1, 100, False)):
        assert (prove(op, Spikes(shape=(2,), low=low, high=high)).problem("int8") == "") is ok
    wide = replace(op, weight=np.array([[1, 128]], np.int16))
    assert "do not fit 8 bits" in prove(wide, Spikes(shape=(2,), low=0, high=3)).problem("int8")


@pytest.mark.parametrize("inner", LOOPS)
@pytest.mark.parametrize("kernel", MATRIX_KERNELS)
@pytest.mark.parametrize("height", [4, 5, 7])
def test_a_composed_average_pool_is_added_up_first(kernel: Any, inner: Any, height: int) -> None:
    rng = np.random.default_rng(height)
    once = rng.integers(-128, 128, (3, 2, 3, 3)).astype(np.int8)
    op = Conv2d(
        name="c", weight=once.repeat(2, 2).repeat(2, 3), strides=(2, 2), pads=(2, 2, 2 + height % 2, 2 + height % 2)
    )
    assert linear.repeated(op) == 2
    source = Spikes(shape=(2, height, height), low=0, high=4)
    assert delivery(op, source, inner_loops(inner), kernel).block == 2  # type: ignore[attr-defined]
    counts = rng.integers(0, 5, (3, *source.shape)).astype(np.uint8)
    np.testing.assert_array_equal(delivered(op, source, counts, kernel, inner), exact(op, counts))
    many = replace(source, high=100)  # 4 * 100 is no byte: then nothing is added up for bytes
    assert (delivery(op, many, inner_loops(inner), kernel).block == 1) == (kernel == "int8")  # type: ignore[attr-defined]
    counts = rng.integers(0, 101, (3, *source.shape)).astype(np.uint8)
    np.testing.assert_array_equal(delivered(op, many, counts, kernel, inner), exact(op, counts))
    spoiled = once.repeat(2, 2).repeat(2, 3)
    spoiled[0, 0, 0, 0] ^= 1
    assert linear.repeated(replace(op, weight=spoiled)) == 1


def test_the_kernel_and_its_bound_are_kept_and_verified() -> None:
    net = networks.quantized(small(), 2, 4, "loihi2")
    for op in net.of(Projection):
        source = net.typeof(op.inputs[0])
        assert isinstance(source, Spikes)
        assert (op.kernel, op.bound) == ("int8" if is_matrix(op) else "int32", prove(op, source).bound)
        assert f"kernel={op.kernel}, bound={op.bound}" in str(net)
    victim = net.of(Dense)[0]
    for wrong in (
        replace(victim, bound=victim.bound - 1),
        replace(victim, kernel="int32"),
        replace(victim, kernel="float16"),
    ):
        spoiled = net.rebuild([wrong if op is victim else op for op in net.ops])
        with pytest.raises(Exception, match="kernels_are_exact"):
            passes.run(spoiled, [])


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "find_spec", lambda name: None)
    inner_loops.cache_clear()
    try:
        assert inner_loops().__name__.endswith("arrays")
        with pytest.raises(InputError, match="numba is not installed"):
            inner_loops("numba")
    finally:
        inner_loops.cache_clear()


@pytest.mark.parametrize(
    ("samples", "most", "jobs"), [(0, 4, 2), (1, 4, 2), (7, 4, 2), (16, 4, 3), (5, 1, 8), (64, 9, 2)]
)
def test_blocks_hold_every_sample_once(samples: int, most: int, jobs: int) -> None:
    parts = blocks.blocks(samples, most, jobs)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(samples))
    sizes = {part.stop - part.start for part in parts}
    assert all(1 <= size <= most for size in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_memory_does_not_grow_with_the_samples() -> None:
    net = networks.quantized(small(), 3, 4, "loihi2")
    rng = np.random.default_rng(0)

    def peak(n: int) -> int:
        x = rng.uniform(0, 1, (n, 4))
        tracemalloc.start()
        simulate(net, x, jobs=2)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most - n * 3 * 8 * 2  # the logits, and their copy

    simulate(net, rng.uniform(0, 1, (8, 4)))
    few, many = peak(400_000), peak(1_600_000)
    assert many < 1.2 * few


def test_a_crew_does_everything_once_and_stops_at_an_error() -> None:
    done: list[int] = []
    with Crew(3) as crew:
        crew.each(done.append, range(100))
        assert sorted(done) == list(range(100))
        reached = threading.Event()

        def task(item: int) -> None:
            if item == 3:
                reached.set()
                raise ValueError("three")
            if item > 3:
                assert reached.wait(60)
                time.sleep(0.001)
            done.append(item)

        done.clear()
        with pytest.raises(ValueError, match="three"):
            crew.each(task, range(1000))
        assert len(done) < 100


def test_loops_run_where_nothing_can_be_kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = pytest.importorskip("ganglion.simulator.kernels.cache")

    class Nowhere:
        def __init__(self, function: Any) -> None:
            raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(cache, "SharedCache", Nowhere)
    assert cache.compile_shared(lambda a: a + 1)(2) == 3


def test_one_process_at_a_time_uses_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba writes the index before the code: a process that looks in between would be given another's code."""
    cache = pytest.importorskip("ganglion.simulator.kernels.cache")
    caching = pytest.importorskip("numba.core.caching")
    filelock = pytest.importorskip("filelock")
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    held: dict[str, bool] = {}

    def watched(name: str) -> Any:
        original = getattr(caching.IndexDataCacheFile, name)

        def call(self: Any, *arguments: Any) -> Any:
            try:
                with filelock.FileLock(Path(self._cache_path) / "loops.lock", timeout=0):
                    held[name] = False
            except filelock.Timeout:
                held[name] = held.get(name, True)
            return original(self, *arguments)

        return call

    for name in ("_load_index", "_load_data", "_save_index", "_save_data"):
        monkeypatch.setattr(caching.IndexDataCacheFile, name, watched(name))

    def function(a: int) -> int:
        return a + 1

    first, second = cache.compile_shared(function), cache.compile_shared(function)
    assert first(1) == second(1) == 2
    assert not first.stats.cache_hits
    assert second.stats.cache_hits  # the second one was read, not compiled
    assert held == dict.fromkeys(("_load_index", "_load_data", "_save_index", "_save_data"), True)
