"""A sweep over conversion methods."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.cli import main
from ganglion.methods import METHODS, DualThreshold, method_of
from ganglion.sweeps.settings import comparable, settings_of

from .helpers import measured, swept


def test_every_method_has_its_members() -> None:
    found = {way: [s.members for s in settings_of((2,), None, (way,))] for way in comparable()}
    assert found["gn"] == found["signed-gn"] == [1, 2, 4, 8]
    assert found["h-mt"] == [4, 8]
    assert all(found[way] == [1] for way in found if METHODS[way].one_member)
    given = [(s.method.name, s.members) for s in settings_of((2,), (4, "levels", 16), ("h-mt", "if", "gn"))]
    assert given == [("h-mt", 4), ("if", 1), ("gn", 4), ("gn", "levels"), ("gn", 16)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"methods": ("gn", "lif")}, "there is no method 'lif'"),
        ({"methods": ("gn", "if", "gn")}, "methods: gn is there twice"),
        ({"methods": "gn"}, "methods='gn': a sweep takes several"),
        ({"methods": ()}, "methods: there are none"),
        ({"methods": ("ftbc",)}, "the method 'ftbc' finds the biases of its populations with samples"),
        ({"methods": ("gn", "h-mt"), "members": (9, 16)}, "'h-mt' has 1 to 8 members"),
    ],
)
def test_wrong_methods_are_named(files: Path, words: dict[str, Any], message: str) -> None:
    with pytest.raises(ganglion.InputError) as caught:
        swept(files, **words)
    assert message in str(caught.value)


def test_rows_are_what_compile_gives(files: Path) -> None:
    x, y = np.load(files / "X.npy"), np.load(files / "Y.npy")
    sweep = swept(files, steps=(1, 3), members=(4,), methods="all")
    assert {row.method for row in sweep.rows} == set(comparable()) < set(METHODS)
    for row in sweep.rows:
        net = ganglion.compile(
            files / "model.onnx", steps=row.steps, members=row.members, method=row.method, input_range=(0, 1)
        )  # fmt: skip
        run = ganglion.simulate(net, x)
        assert row.accuracy == np.mean(run.logits.argmax(axis=1) == y)
        assert row.spikes_per_sample == run.spikes_per_sample
        assert row.operations_per_sample == run.operations_per_sample
    # 64 and 12 neurons
    costs = {row.method: row.members_in_all for row in sweep.rows}
    assert (costs["if"], costs["gn"], costs["h-mt"]) == (76, 4 * 76, 4 * 76)
    assert (costs["snm"], costs["signed-gn"]) == (2 * 76, 8 * 76)  # with those that take spikes back


def test_the_default_is_group_neurons_alone(files: Path) -> None:
    assert measured(swept(files)) == measured(swept(files, methods=("gn",)))
    assert {row.method for row in swept(files).rows} == {"gn"}


def test_methods_that_are_the_same_share_a_run(files: Path) -> None:
    """One member of a Group Neuron is the integrate-and-fire neuron; a bias for T makes networks of their own."""
    sweep = swept(files, members=(1,), methods=("gn", "if", "deng-gu"))
    assert sweep.runs == 1 + 3
    assert [(r.accuracy, r.run_steps) for r in sweep.rows[:3]] == [(r.accuracy, r.run_steps) for r in sweep.rows[3:6]]


def test_a_method_calibrates_in_its_own_way_unless_it_is_said(files: Path) -> None:
    x = np.load(files / "X.npy")
    for said in (None, "percentile"):
        sweep = swept(files, "plain.onnx", steps=(2,), methods=("gn", "snm"), calibration=x, calibration_method=said)
        for row in sweep.rows:
            net = ganglion.compile(
                files / "plain.onnx", steps=2, members=row.members, method=row.method, input_range=(0, 1),
                calibration=x, calibration_method=said or method_of(row.method).calibration,
            )  # fmt: skip
            assert row.spikes_per_sample == ganglion.simulate(net, x).spikes_per_sample


def test_what_is_kept_is_of_one_method(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep begun again computes the methods that are new, and no others; parameters count."""
    store = tmp_path / "store"
    swept(files, methods=("gn", "snm"), store=store)
    before = len(list(store.glob("*.npz")))
    first = measured(swept(files, methods=("gn", "snm", "dual-threshold"), store=store))
    added = len(list(store.glob("*.npz"))) - before
    assert added == 5  # one network in blocks of 5 of 24 samples
    swept(files, methods=(DualThreshold(negative=-0.5),), store=store)
    assert len(list(store.glob("*.npz"))) == before + 2 * added
    monkeypatch.setattr("ganglion.sweeps.task.measure", lambda *_: pytest.fail("computed again"))
    assert measured(swept(files, methods=("gn", "snm", "dual-threshold"), store=store)) == first


def test_the_command(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(files)
    line = "sweep model.onnx --input X.npy --labels Y.npy --input-range 0 1 --steps 1,2 --members 2 --methods gn,snm"
    assert main(f"{line} --csv o.csv --json o.json --plot o.svg".split()) == 0
    shown = capsys.readouterr().out
    rows = json.loads((files / "o.json").read_text(encoding="utf-8"))["rows"]
    lines = list(csv.DictReader((files / "o.csv").read_text(encoding="utf-8").splitlines()))
    for row, text in zip(rows, lines, strict=True):
        assert (text["method"], text["members_in_all"]) == (row["method"], str(row["members_in_all"]))
    assert [row["method"] for row in rows] == ["gn", "gn", "snm", "snm"]
    assert all(word in shown for word in ("method", "snm", "152"))
    with pytest.raises(SystemExit) as caught:
        main([*line.split()[:-1], "gn,lif"])
    assert caught.value.code == 2
    assert "there is no method 'lif'" in capsys.readouterr().err


def test_a_line_of_the_plot_for_every_method_and_tau(files: Path) -> None:
    figure: Any = pytest.importorskip("matplotlib.figure")
    axes = figure.Figure().subplots(1, 2)
    swept(files, steps=(1, 2), members=(1, 4), methods=("gn", "snm")).plot(tuple(axes))
    texts = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert texts[:3] == ["gn, 1", "gn, 4", "snm, 1"]
    gn, four, snm, _ann = axes[0].get_lines()
    assert gn.get_color() == four.get_color() != snm.get_color()
    assert gn.get_marker() == snm.get_marker() != four.get_marker()
