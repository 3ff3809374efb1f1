"""The plots show the numbers that they are given, in axes of their own or of the user's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.ledger import Attribution, Entry, Ledger
from ganglion.sweeps import Row, Sweep
from tests.networks import samples

from .networks import residual

matplotlib: Any = pytest.importorskip("matplotlib")
plot: Any = ganglion.plot  # the types of what axes hold are too wide to ask


@pytest.fixture(autouse=True)
def without_a_screen() -> Iterator[None]:
    matplotlib.use("agg")
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def make_ledger(**changes: Any) -> Ledger:
    def entry(rung: str, name: str, relative: float, local: float | None = None) -> Entry:
        return Entry(
            name=name, rung=rung, absolute_error=0.0, relative_error=relative, cosine=1.0, sqnr_db=None, clipped=None,
            dead=0.0, saturated=None, rate=None, headroom_bits=None, local_error=local,
        )  # fmt: skip

    fields: dict[str, Any] = {
        "samples": 10,
        "labelled": True,
        "rungs": ("source", "float", "int", "lava"),
        "populations": ("p", "q"),
        "accuracy": {"source": 1.0, "float": 0.95, "int": 0.9},
        "loss": 1.5,
        "entries": [
            entry("source", "p", 0.0),
            entry("source", "q", 0.0),
            entry("float", "p", 0.125, 0.125),
            entry("float", "q", 0.0),
            entry("int", "p", 1e-6),
            entry("int", "q", 2.0, 0.5),
        ],
        "attributions": [
            Attribution(rung="float", population="input", loss=-1.0),
            Attribution(rung="float", population="q", loss=1.0),
            Attribution(rung="int", population="q", loss=0.5),
            Attribution(rung="int", population="readout", loss=1.0),
        ],
        "first_offender": ("int", "q"),
        "summary": "",
        "advice": "",
        "points": {"p": np.array([[0.0, 0.0], [1.0, 0.5], [2.0, 2.0], [2.0, 2.0]])},
    }
    return Ledger(**fields | changes)


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_a_network_by_level() -> None:
    net = residual(steps=3, members=2)
    ax = plot.graph(net)
    assert ax.get_title(loc="left") == "drawn: T = 3, τ = 2"
    shown = texts(ax)
    assert {"x", "a", "b", "c", "logits"} <= set(shown)
    assert {"1x4x4   input", "2x4x4   τ = 2", "1x4x4   τ = 2", "3   readout"} <= set(shown)
    assert [t for t in shown if t.startswith("+")] == ["+1"]  # a -> c, beside b
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "2", "3", "4"]
    places = {t.get_text(): t.get_position()[1] for t in ax.texts}
    assert [places[name] for name in ("x", "a", "b", "c", "logits")] == [0, 1, 2, 3, 4]
    bottom, top = ax.get_ylim()
    assert bottom > top  # the input is above


def test_a_clustered_network_looks_the_same() -> None:
    net = residual(steps=3, members=2)
    clusters = ganglion.expand_clusters(net)
    assert texts(plot.graph(clusters)) == texts(plot.graph(net))


def test_populations_of_one_level_lie_side_by_side() -> None:
    from ganglion.plot.networks import Place, arranged, connections

    net = residual(steps=1, members=1, branches=True)
    edges = connections(net)
    assert edges == {("x", "a"): 0, ("a", "b"): 0, ("a", "d"): 0, ("b", "c"): 0, ("d", "c"): 0, ("c", "logits"): 0}
    places = arranged(net, list(edges))
    assert {places["b"], places["d"]} == {Place(-0.5, 2), Place(0.5, 2)}
    assert places["c"] == Place(0, 3)


def test_a_network_without_levels_is_refused() -> None:
    with pytest.raises(ganglion.InputError, match="'drawn' is at stage grouped; it has no levels yet"):
        plot.graph(residual(steps=0, members=2))


@pytest.mark.parametrize("quantity", ["rates", "spikes", "operations"])
def test_rates(quantity: Any) -> None:
    net = residual(steps=3, members=2)
    run = ganglion.simulate(net, samples(net, 4))
    ax = plot.rates(run, quantity=quantity)
    wanted = {
        "rates": run.rates,
        "spikes": {name: n / 4 for name, n in run.spikes.items()},
        "operations": {name: n / 4 for name, n in run.operations.items()},
    }[quantity]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(wanted)
    assert [bar.get_width() for bar in ax.patches] == list(wanted.values())
    assert any(wanted.values())
    unit = {"rates": "spikes per neuron and time-step", "spikes": "spikes per sample"}
    assert ax.get_xlabel() == unit.get(quantity, "synaptic operations per sample")


def test_what_rates_refuses() -> None:
    net = residual(steps=3, members=2)
    run = ganglion.simulate(net, samples(net, 4))
    with pytest.raises(ganglion.InputError, match="unknown quantity 'joules'") as caught:
        plot.rates(run, quantity="joules")
    assert caught.value.hint == "rates, spikes, operations"
    with pytest.raises(ganglion.InputError, match="no samples"):
        plot.rates(ganglion.simulate(net, samples(net, 0)))


def test_a_raster_shows_every_count() -> None:
    net = residual(steps=3, members=2)
    run = ganglion.simulate(net, samples(net, 4), record=["a"])
    ax = plot.raster(run, "a", 2)
    (image,) = ax.images
    shown = np.asarray(image.get_array())
    np.testing.assert_array_equal(shown, run.counts["a"][:, 2].reshape(3, 32).T)
    assert len(np.unique(shown)) > 1
    colours = image.cmap(image.norm(np.unique(shown)))
    assert len({tuple(c) for c in colours}) == len(colours)
    assert tuple(image.cmap(image.norm(0))) == (1, 1, 1, 1)
    with pytest.raises(ganglion.InputError, match="'b' was not recorded; recorded: a") as caught:
        plot.raster(run, "b")
    assert "record=" in caught.value.hint
    for sample in (-1, 4):
        with pytest.raises(ganglion.InputError, match="there is no sample"):
            plot.raster(run, "a", sample)


def test_values_against_activations() -> None:
    ax = plot.rate_against_activation(np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 1.0]]), name="p")
    (points,) = ax.collections
    assert sorted(map(tuple, np.asarray(points.get_offsets()))) == [(0, 0), (1, 1), (2, 1)]
    frequent = np.asarray(points.get_array())[np.asarray(points.get_offsets())[:, 0] == 1]
    assert list(frequent) == [2]
    assert ax.get_title(loc="left") == "p, 41 % away"  # 1 / sqrt(6)
    (diagonal,) = ax.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 2]
    with pytest.raises(ganglion.InputError, match="one each"):
        plot.rate_against_activation(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.004, "< 0.01"), (0.0123, "0.012"), (7.25, "7.2"), (99.7, "100"), (1234.0, "1234")],
)
def test_percentages(value: float, shown: str) -> None:
    ax = plot.rate_against_activation(np.array([100.0]), np.array([100 + value]))
    assert ax.get_title(loc="left") == f"{shown} % away"


def test_many_values_are_counted_in_cells() -> None:
    x = np.random.default_rng(0).uniform(0, 1, 10_000)
    ax = plot.rate_against_activation(x, x)
    (image,) = ax.images
    counts = np.ma.filled(image.get_array(), 0)
    assert counts.sum() == 10_000
    assert np.trace(counts) == 10_000  # on the diagonal, all of them
    assert ax.get_title(loc="left") == "0 % away"


def test_distributions() -> None:
    ax = plot.distributions({"ANN": np.array([0.0, 1.0, 1.0, 2.0]), "SNN": np.array([0.0, 0.0, 2.0, 2.0])}, bins=3)
    ann, snn = ax.patches
    np.testing.assert_allclose(ann.get_data().values, [0.25, 0.5, 0.25])
    np.testing.assert_allclose(snn.get_data().values, [0.5, 0.125, 0.5])  # the middle: where the axis begins
    np.testing.assert_allclose(snn.get_data().edges, [-0.5, 0.5, 1.5, 2.5])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ANN", "SNN"]
    with pytest.raises(ganglion.InputError, match="no values"):
        plot.distributions({})
    assert plot.distributions({"zeros": np.zeros(5)}).patches


def test_a_ledger_as_a_heat_map() -> None:
    ax = plot.ledger(make_ledger())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["float", "int"]  # no source, nothing of Lava
    assert [label.get_text() for label in ax.get_yticklabels()] == ["p", "q"]
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shown, [[12.5, 0.01], [0.01, 200]])
    assert texts(ax) == ["12", "< 0.01", "0", "200"]
    (frame,) = ax.patches
    assert frame.get_xy() == (0.5, 0.5)
    local = plot.ledger(make_ledger(first_offender=None), quantity="local_error")
    np.testing.assert_allclose(np.ma.filled(local.images[0].get_array(), np.nan), [[12.5, np.nan], [np.nan, 50]])
    assert not local.patches
    with pytest.raises(ganglion.InputError, match="unknown quantity"):
        plot.ledger(make_ledger(), quantity="cosine")
    with pytest.raises(ganglion.InputError, match="no relative error of any population"):
        plot.ledger(make_ledger(entries=[]))


def test_attributions_add_up_to_the_loss() -> None:
    ax = plot.attributions(make_ledger())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["input", "q", "readout"]
    bars = [(round(bar.get_y() + 0.31), bar.get_x(), bar.get_width()) for bar in ax.patches if bar.get_width()]
    assert sorted(bars) == [(0, 0, -1.0), (1, 0, 1.0), (1, 1.0, 0.5), (2, 0, 1.0)]
    assert sum(width for _, _, width in bars) == 1.5
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["float", "int"]
    assert ax.get_title(loc="left") == "1.50 points lost on 10 samples"
    nothing = plot.attributions(make_ledger(attributions=[], labelled=False))
    assert [label.get_text() for label in nothing.get_yticklabels()] == ["nothing is lost"]
    assert nothing.get_xlabel() == "points of agreement with the source lost"


def test_points_of_a_ledger() -> None:
    ax = plot.scatter(make_ledger(), "p")
    assert len(ax.collections[0].get_offsets()) == 3
    assert ax.get_title(loc="left").startswith("p, 17 % away")
    with pytest.raises(ganglion.InputError, match="no values of a population 'q'") as caught:
        plot.scatter(make_ledger(), "q")
    assert caught.value.hint == "the ledger has p"


def test_a_sweep() -> None:
    rows = [
        Row(steps=t, members=1, accuracy=t / 8, agreement=t / 16, operations_per_sample=10.0 * t) for t in (4, 1, 2)
    ]
    sweep = Sweep(model="net", target="loihi2", samples=10, ann_accuracy=0.5, runs=1, rows=rows)
    line, ann = plot.sweep(sweep).get_lines()
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([1, 2, 4], [0.125, 0.25, 0.5])
    assert set(ann.get_ydata()) == {0.5}
    line, _ = plot.sweep(sweep, against="operations").get_lines()
    assert list(line.get_xdata()) == [10, 20, 40]
    with pytest.raises(ganglion.InputError, match="cannot draw against 'time'"):
        plot.sweep(sweep, against="time")


def test_all_draw_where_they_are_told(tmp_path: Path) -> None:
    net = residual(steps=3, members=2)
    run = ganglion.simulate(net, samples(net, 4), record="all")
    ledger = make_ledger()
    draw: list[Any] = [
        lambda ax: plot.graph(net, ax),
        lambda ax: plot.rates(run, ax),
        lambda ax: plot.raster(run, "a", 0, ax),
        lambda ax: plot.rate_against_activation(np.arange(3), np.arange(3), ax),
        lambda ax: plot.distributions({"a": np.arange(3)}, ax),
        lambda ax: plot.ledger(ledger, ax),
        lambda ax: plot.attributions(ledger, ax),
        lambda ax: plot.scatter(ledger, "p", ax),
    ]
    figure = matplotlib.figure.Figure(figsize=(24, 12), layout="constrained")
    before = dict(matplotlib.rcParams)
    for function, ax in zip(draw, figure.subplots(2, 4).ravel(), strict=True):
        assert function(ax) is ax
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.pyplot.get_fignums() == []
    with pytest.raises(ganglion.InputError, match="a plot is a file ending in"):
        plot.save(figure.axes[0], tmp_path / "a.txt")


def test_a_mesh_shows_every_core_and_link() -> None:
    from ganglion.mapping.mesh import colours, mesh_of

    net = residual(steps=3, members=2)
    mapping = ganglion.map(net, "loihi2", form="cluster", x=samples(net, 4))
    ax = plot.mesh(mapping)
    assert ax.get_title(loc="left") == f"drawn on loihi2, cluster form: {mapping.core_count} cores"
    lines, *squares = ax.collections
    mesh = mesh_of(mapping)
    assert len(lines.get_segments()) == len(mesh.links)
    shown = {c.get_label(): c for c in squares}
    assert {name: len(c.get_paths()) for name, c in shown.items()} == {
        "free": len(mesh.free),
        **{layer.name: layer.cores for layer in mapping.layers},
    }
    for name, colour in colours(mapping).items():
        assert matplotlib.colors.to_hex(shown[name].get_facecolor()[0]) == colour
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [layer.name for layer in mapping.layers]
    assert f"chip 1: {mapping.core_count} of 120 cores" in texts(ax)
    busy = [width for width, m in zip(lines.get_linewidths(), mesh.messages, strict=True) if m == mesh.messages.max()]
    assert min(busy) == max(lines.get_linewidths())


def test_what_is_not_placed_has_no_mesh() -> None:
    net = residual(steps=3, members=2)
    with pytest.raises(ganglion.InputError, match="'drawn' is not placed on loihi1") as caught:
        plot.mesh(replace(ganglion.map(net, "loihi1", form="cluster"), placement=None))
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_files(kind: str, tmp_path: Path) -> None:
    first, again = (plot.save(plot.graph(residual(steps=2, members=2)), tmp_path / f"{name}.{kind}") for name in "ab")
    assert first.read_bytes() == again.read_bytes()
    assert len(first.read_bytes()) > 5000
    with pytest.raises(ganglion.InputError, match="there is no folder"):
        plot.save(plot.graph(residual(steps=2, members=2)), tmp_path / "no" / first.name)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ganglion.InputError, match="needs the package matplotlib") as caught:
        plot.attributions(make_ledger())
    assert caught.value.hint == "pip install 'ganglion[plot]'"


def test_importing_ganglion_does_not_load_matplotlib() -> None:
    code = "import sys, ganglion; ganglion.plot.rates; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
