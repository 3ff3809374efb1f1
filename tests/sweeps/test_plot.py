"""The picture shows the rows."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ganglion
from ganglion import Sweep
from ganglion.sweeps import Row
from ganglion.sweeps.settings import Members

figure_module: Any = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def sweep() -> Sweep:
    taus: tuple[Members, ...] = (1, "levels")
    rows = [
        Row(steps=t, members=m, accuracy=a, agreement=a / 2, operations_per_sample=1e4 * t * (i + 1))
        for i, m in enumerate(taus)
        for t, a in ((4, 0.9), (1, 0.5 + i / 4), (2, 0.75))
    ]  # fmt: skip
    rows.append(Row(steps=8, members=1, problem="too long"))
    return Sweep(model="net", target="loihi2", samples=1000, ann_accuracy=0.95, runs=2, rows=rows)


def test_lines_are_rows_in_the_order_of_steps(sweep: Sweep) -> None:
    axes = figure_module.Figure().subplots(1, 2)
    assert sweep.plot(tuple(axes)) is axes[0].figure
    for panel, places in ((axes[0], [[1, 2, 4]] * 2), (axes[1], [[1e4, 2e4, 4e4], [2e4, 4e4, 8e4]])):
        one, levels, ann = panel.get_lines()
        assert [list(line.get_xdata()) for line in (one, levels)] == places
        assert list(one.get_ydata()) == [0.5, 0.75, 0.9]
        assert list(levels.get_ydata()) == [0.75, 0.75, 0.9]
        assert set(ann.get_ydata()) == {0.95}
        assert ann.get_linestyle() == "--"
    assert [axes[0].get_xscale(), axes[1].get_xscale()] == ["log", "log"]
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == ["1", "L", "ANN, 95.0 %"]


def test_without_labels_it_shows_the_agreement(sweep: Sweep) -> None:
    unknown = replace(sweep, ann_accuracy=None, rows=[replace(row, accuracy=None) for row in sweep.rows])
    axes = figure_module.Figure().subplots(1, 2)
    unknown.plot(tuple(axes))
    assert [list(line.get_ydata()) for line in axes[0].get_lines()] == [[0.25, 0.375, 0.45], [0.375, 0.375, 0.45]]
    assert axes[0].get_ylabel() == "agreement with the ANN"


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_files(sweep: Sweep, tmp_path: Path, kind: str) -> None:
    first, again = tmp_path / f"a.{kind}", tmp_path / f"b.{kind.upper()}"
    sweep.plot(first)
    sweep.plot(str(again))
    assert first.read_bytes() == again.read_bytes()
    assert len(first.read_bytes()) > 5000
    with pytest.raises(ganglion.InputError, match="there is no folder"):
        sweep.plot(tmp_path / "no" / first.name)


def test_what_cannot_be_drawn(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ganglion.InputError, match=r"a plot is a file ending in \.svg, \.png, \.pdf"):
        sweep.plot(tmp_path / "plot.txt")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ganglion.InputError, match="needs the package matplotlib"):
        sweep.plot(tmp_path / "plot.png")
