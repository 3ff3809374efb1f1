"""A sweep gives what its settings give one by one, with less work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion import targets
from ganglion.frontend import levels
from ganglion.ir import Graph, passes
from ganglion.sweeps import run as sweep_run
from ganglion.sweeps.blocks import cut, measure
from tests.networks import integer_networks, samples

from .helpers import measured, swept


@settings(max_examples=40, deadline=None)
@given(integer_networks(steps=5), st.integers(1, 4))
def test_the_first_steps_of_a_window_are_the_shorter_window(graph: Graph, steps: int) -> None:
    x = samples(graph, 6)
    long, short = measure(graph, x, None), measure(graph.rebuild(graph.ops, steps=steps), x, None)
    for whole, part in (
        (long.classes, short.classes),
        (long.spikes, short.spikes),
        (long.operations, short.operations),
    ):
        np.testing.assert_array_equal(whole[:steps], part)
        assert whole.dtype == part.dtype


def test_rows_are_what_the_commands_give_one_by_one(files: Path) -> None:
    x, y = np.load(files / "X.npy"), np.load(files / "Y.npy")
    sweep = swept(files, members=(1, 4, "levels"))
    assert sweep.runs == 2  # tau = 4 is L here: its network is that of "levels"
    assert [(r.members, r.steps) for r in sweep.rows] == [(m, t) for m in (1, 4, "levels") for t in (1, 2, 5)]
    for row in sweep.rows:
        assert row.run_steps == 5
        net = ganglion.compile(files / "model.onnx", steps=row.steps, members=row.members, input_range=(0, 1))
        run = ganglion.simulate(net, x)
        result = ganglion.compare(files / "model.onnx", net, x, labels=y)
        assert row.accuracy == result.accuracy["simulator"]
        assert row.agreement == result.agreement["simulator"]
        assert sweep.ann_accuracy == result.accuracy["onnxruntime"]
        assert row.spikes_per_sample == run.spikes_per_sample
    assert len({row.operations_per_sample for row in sweep.rows[:6]}) == 6


def test_the_cut_into_blocks_is_not_seen(files: Path) -> None:
    assert measured(swept(files, block=24)) == measured(swept(files, block=1)) == measured(swept(files, block=None))


def small_chip(bits: int) -> targets.Target:
    return replace(targets.load("loihi2"), membrane_bits=bits)


def test_networks_that_differ_run_for_themselves(files: Path) -> None:
    """The potentials of longer windows need coarser units where a membrane has 20 bits."""
    sweep = swept(files, steps=(1, 3, 8, 5, 32), target=small_chip(20))
    assert [row.run_steps for row in sweep.rows] == [5, 5, 8, 5, 32] * 2
    assert sweep.runs == 6
    for t in (8, 32):
        alone = measured(swept(files, steps=(t,), target=small_chip(20)))
        assert alone == [row for row in measured(sweep) if row.steps == t]


def test_the_model_is_imported_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _counted(monkeypatch, passes, "compose")
    swept(files)
    assert len(calls) == 1


@pytest.mark.parametrize(("method", "imports"), [("mse", 6), ("max", 2)])
def test_calibrated_networks(files: Path, monkeypatch: pytest.MonkeyPatch, method: Any, imports: int) -> None:
    """The model runs on the calibration's samples once, though thresholds depend on tau, and some on T."""
    x = np.load(files / "X.npy")
    options = {"calibration": x, "calibration_method": method}
    observed, composed = _counted(monkeypatch, levels, "observe"), _counted(monkeypatch, passes, "compose")
    sweep = swept(files, "plain.onnx", **options)
    assert (len(observed), len(composed)) == (1, imports)
    assert sweep.runs == imports
    for row in sweep.rows:
        assert row.members != "levels"
        net = ganglion.compile(
            files / "plain.onnx", steps=row.steps, members=row.members, input_range=(0, 1), calibration=x,
            calibration_method=method,
        )  # fmt: skip
        run = ganglion.simulate(net, x)
        assert row.spikes_per_sample == run.spikes_per_sample
        assert row.accuracy == np.mean(run.logits.argmax(axis=1) == np.load(files / "Y.npy"))


def _counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    calls: list[Any] = []
    original = getattr(module, name)

    def counting(*args: Any, **words: Any) -> Any:
        calls.append(args)
        return original(*args, **words)

    counting.__name__ = name
    monkeypatch.setattr(module, name, counting)
    return calls


def test_what_the_target_cannot_hold_is_a_row_of_its_own(files: Path) -> None:
    fits, too_long = swept(files, steps=(1, 100), members=(1,), target=small_chip(18)).rows
    assert fits.accuracy is not None
    assert (too_long.accuracy, too_long.seconds) == (None, None)
    assert "membrane potential" in too_long.problem
    assert "\n" not in too_long.problem
    with pytest.raises(ganglion.CompileError, match="membrane potential"):
        swept(files, steps=(100,), members=(1,), target=small_chip(18))


def test_without_labels(files: Path) -> None:
    sweep = ganglion.sweep(files / "model.onnx", np.load(files / "X.npy"), steps=(1,), members=(4,), input_range=(0, 1))
    assert sweep.ann_accuracy is None
    (row,) = sweep.rows
    assert (row.accuracy, row.agreement) == (None, swept(files, steps=(1,), members=(4,)).rows[0].agreement)


def test_progress_ends_at_the_end(files: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    swept(files, progress=lambda what, done, total: told.setdefault(what, []).append((done, total)))
    assert set(told) == {"onnxruntime", "simulating"}
    done = [d for d, _ in told["simulating"]]
    assert done == sorted(done)
    assert told["simulating"][-1] == (6 * 24, 6 * 24)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"steps": (1, 0)}, "steps=0"),
        ({"steps": (1, 2, 1)}, "steps: 1 is there twice"),
        ({"members": ("levels", 2, "levels")}, "members: levels is there twice"),
        ({"members": ("L",)}, "members='L'"),
        ({"steps": 4}, "steps=4: a sweep takes several"),
        ({"steps": ()}, "steps: there are none"),
        ({"target": None}, "needs a target"),
        ({"jobs": 0}, "jobs=0"),
        ({"block": 0.5}, "block=0.5"),
        ({"labels": np.zeros(3, int)}, "expected 24 integers"),
        ({"members": (2, "levels"), "calibration": np.zeros((1, 1, 8, 8))}, 'members="levels"'),
        ({"input_range": (0, 0.25)}, "--input-range 0.0"),
    ],
)
def test_wrong_arguments_are_named(
    files: Path, words: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_run, "run_here", lambda *_: pytest.fail("work began"))
    given = {"labels": np.load(files / "Y.npy"), "input_range": (0, 1), **words}
    with pytest.raises(ganglion.InputError) as caught:
        ganglion.sweep(files / "model.onnx", np.load(files / "X.npy"), **given)
    assert message in str(caught.value)


def test_a_few_values_outside_the_range_are_told_once(files: Path) -> None:
    x = np.load(files / "X.npy")
    x[3, 0, 0, 0] = 1.5  # 1 of 24 * 64, but 1 of 64 in a block of one sample
    options: dict[str, Any] = {"steps": (1, 2), "members": (1, 2), "input_range": (0, 1), "block": 1}
    with pytest.warns(ganglion.GanglionWarning, match="outside") as caught:
        clipped = ganglion.sweep(files / "model.onnx", x, **options)
    assert len(caught) == 1
    x[3, 0, 0, 0] = 1.0
    assert measured(clipped) == measured(ganglion.sweep(files / "model.onnx", x, **options))


def test_blocks_know_their_samples(files: Path) -> None:
    net = ganglion.compile(files / "model.onnx", steps=1, members=1, input_range=(0, 1))
    x = np.load(files / "X.npy")
    blocks = list(cut(net.input, x, 10))
    assert [(b.first, b.stop) for b in blocks] == [(0, 10), (10, 20), (20, 24)]
    x[12] += np.float32(1e-7)
    again = list(cut(net.input, x, 10))
    assert [a == b for a, b in zip(again, blocks, strict=True)] == [True, False, True]
