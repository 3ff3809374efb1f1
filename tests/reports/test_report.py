"""`report` measures what other functions measure, and writes its page whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion import CompileError, GanglionWarning, InputError
from ganglion.ledger import ledger_of
from ganglion.reports.recording import firing_of, raster_of

from .test_page import held


def reported(**options: Any) -> tuple[ganglion.Report, Any]:
    """The report of the files in the current folder, and the data in its page."""
    x, y = np.load("X.npy"), np.load("Y.npy")
    made = ganglion.report("net.onnx", "model.onnx", x, y, path="r.html", **options)
    return made, held(Path("r.html").read_text(encoding="utf-8"))


def test_the_figures_are_those_of_the_other_functions(files: Path) -> None:
    made, page = reported(steps=(1, 3), members=(1, 4))
    x, y = np.load("X.npy"), np.load("Y.npy")
    net = ganglion.load("net.onnx")
    run = ganglion.simulate(net, x)
    s = made.summary
    assert (s.steps, s.members, s.samples, s.labelled) == (2, 4, 24, True)
    assert s.network_accuracy == np.mean(run.logits.argmax(1) == y)
    assert s.spikes_per_sample == run.spikes_per_sample
    assert s.operations_per_sample == run.operations_per_sample
    ledger = ledger_of("model.onnx", net, x, y)
    assert s.source_accuracy == ledger.accuracy["onnxruntime"]
    assert (s.verdict, s.advice, s.first_offender) == (ledger.summary, ledger.advice, ledger.first_offender)
    assert [e["name"] for e in page["ledger"]["populations"]] == [e.name for e in ledger.entries]
    swept = ganglion.sweep("model.onnx", x, y, steps=(1, 3), members=(1, 4), input_range=(0, 1))
    for row, wanted in zip(page["sweep"]["rows"], swept.rows, strict=True):
        assert (row["steps"], row["members"]) == (wanted.steps, wanted.members)
        assert row["accuracy"] == pytest.approx(wanted.accuracy, rel=1e-3)
        assert row["spikes_per_sample"] == pytest.approx(wanted.spikes_per_sample, rel=1e-3)
    assert json.loads(json.dumps(made.as_json()))["output"] == "r.html"


def test_the_networks_own_setting_is_among_the_others(files: Path) -> None:
    net = ganglion.compile("model.onnx", steps=3, members=2, input_range=(0, 1))
    ganglion.report(net, "model.onnx", np.load("X.npy"), path="r.html")
    rows = held(Path("r.html").read_text(encoding="utf-8"))["sweep"]["rows"]
    assert [(r["steps"], r["members"]) for r in rows] == [(t, m) for m in (1, 4, 2) for t in (1, 2, 3, 4, 8)]


def test_members_by_levels_are_swept_as_levels(files: Path) -> None:
    net = ganglion.compile("model.onnx", steps=1, members="levels", input_range=(0, 1))
    made = ganglion.report(net, "model.onnx", np.load("X.npy"), path="r.html", steps=(1,))
    assert made.summary.members is None
    rows = held(Path("r.html").read_text(encoding="utf-8"))["sweep"]["rows"]
    assert [r["members"] for r in rows] == [1, 4, "levels"]
    same = ("agreement", "spikes_per_sample", "operations_per_sample")
    assert [rows[2][key] for key in same] == [rows[1][key] for key in same]  # the model has L = 4


def test_without_labels_the_source_is_the_measure(files: Path) -> None:
    x = np.load("X.npy")
    made = ganglion.report("net.onnx", onnx.load("model.onnx"), x, path="r.html", sweep=False, samples=9)
    assert not made.summary.labelled
    assert made.summary.source_accuracy == 1
    assert made.summary.samples == 9
    page = held(Path("r.html").read_text(encoding="utf-8"))
    assert page["sweep"] is None
    assert page["firing"] == []


def test_a_calibrated_network_says_so_and_keeps_its_thresholds(files: Path) -> None:
    x = np.load("X.npy")
    net = ganglion.compile("plain.onnx", steps=2, members=8, calibration=x)
    ganglion.report(net, "plain.onnx", x, path="r.html", steps=(2,), members=(8, 1))
    page = held(Path("r.html").read_text(encoding="utf-8"))
    assert any("calibrated for this network's own T" in note for note in page["notes"])
    run = ganglion.simulate(net, x)
    assert page["sweep"]["rows"][0]["spikes_per_sample"] == pytest.approx(run.spikes_per_sample, rel=1e-3)
    theta = [op.scale * op.members for op in net.of(ganglion.ir.GroupNeuron)]
    pages = [dict(p["facts"]) for p in page["populations"] if p["kind"] == "group neuron"]
    assert [float(f["value of a spike θ/τ"]) * 8 for f in pages] == pytest.approx(theta, rel=1e-3)


def test_the_raster_holds_the_spikes_of_its_neurons(files: Path) -> None:
    net, x = ganglion.load("net.onnx"), np.load("X.npy")[:3]
    raster, run = raster_of(net, x), ganglion.simulate(ganglion.load("net.onnx"), x, record="all")
    for name, counts in run.counts.items():
        flat = np.moveaxis(counts, 1, 0).reshape(3, net.steps, -1)
        assert (raster.counts[name] == flat[..., raster.neurons[name]]).all()
        assert (raster.totals[name] == flat.sum(axis=2)).all()
    assert list(raster.classes) == run.logits.argmax(1).tolist()


def test_firing_rates_are_of_the_same_neurons_in_both_networks(files: Path) -> None:
    net, x = ganglion.load("net.onnx"), np.load("X.npy")[:2]
    plain = ganglion.compile("model.onnx", steps=2, members=1, input_range=(0, 1))
    for name, found in firing_of(net, plain, x).items():
        group, alone = (
            ganglion.simulate(n, x, record="all").counts[name].mean(axis=0).reshape(2, -1) / tau
            for n, tau in ((net, 4), (plain, 1))
        )
        assert found.group == pytest.approx(group.mean())
        assert found.plain == pytest.approx(alone.mean())
        known = set(zip(alone.ravel().tolist(), group.ravel().tolist(), strict=True)) - {(0.0, 0.0)}
        assert {(a, b) for a, b in found.pairs.tolist()} <= known
        assert len(found.pairs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "no/r.html"}, "there is no folder no"),
        ({"path": "."}, "it exists and is not a regular file"),
        ({"samples": 0}, "samples=0"),
        ({"steps": (0,)}, "steps=0"),
        ({"members": (2, 2)}, "2 is there twice"),
        ({"sweep": False, "steps": (1,)}, "without a sweep"),
        ({"jobs": 0}, "jobs=0"),
        ({"x": np.zeros((4, 1, 8, 7))}, "the network takes (N, 1, 8, 8)"),
        ({"x": np.zeros((0, 1, 8, 8))}, "no samples"),
        ({"x": np.full((4, 1, 8, 8), np.nan)}, "NaN"),
        ({"x": np.full((4, 1, 8, 8), 3.0)}, "lie outside"),
        ({"labels": np.arange(3)}, "expected 24 integers"),
        ({"labels": np.full(24, 3)}, "the label of sample 0 is 3, but 'model' has 3 classes"),
        ({"target": "loihi1"}, "compiled for 'loihi2'"),
        ({"net": "model.onnx"}, "model.onnx"),
    ],
)
def test_mistakes_are_told_before_any_work(
    files: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("ganglion.ledger.ledger_of", lambda *_, **__: pytest.fail("work began"))
    before = sorted(files.iterdir())
    given = {"net": "net.onnx", "model": "model.onnx", "x": np.load("X.npy"), "path": "r.html", **changes}
    with pytest.raises(InputError) as caught:
        ganglion.report(**given)
    assert message in str(caught.value)
    assert sorted(files.iterdir()) == before


def test_a_float_network_has_no_report(files: Path) -> None:
    net = ganglion.compile("model.onnx", steps=2, members=4, target=None)
    with pytest.raises(InputError, match="a report is of a quantised network"):
        ganglion.report(net, "model.onnx", np.load("X.npy"), path="r.html")


def test_a_model_that_changed_is_told(files: Path) -> None:
    model = onnx.load("model.onnx")
    model.doc_string = "touched"
    onnx.save(model, "model.onnx")
    with pytest.warns(GanglionWarning, match="not compiled from model.onnx"):
        reported(sweep=False)
    notes = held(Path("r.html").read_text(encoding="utf-8"))["notes"]
    assert any("not compiled from model.onnx" in note for note in notes)


def test_what_fails_leaves_the_old_page(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("r.html").write_text("old", encoding="utf-8")

    def fail(*_: Any, **__: Any) -> None:
        raise CompileError("no")

    monkeypatch.setattr("ganglion.reports.run.swept", fail)
    before = sorted(files.iterdir())
    with pytest.raises(CompileError):
        reported()
    assert Path("r.html").read_text(encoding="utf-8") == "old"
    assert sorted(files.iterdir()) == before


def test_progress_is_told_to_its_end(files: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    reported(
        steps=(1,), members=(1,), progress=lambda what, done, total: told.setdefault(what, []).append((done, total))
    )
    assert {"ledger", "simulating"} < set(told)
    for steps in told.values():
        assert steps[-1][0] == steps[-1][1]
