"""A sweep of networks that are corrected from samples."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion import tuning
from ganglion.cli import main
from ganglion.ir import fingerprint
from ganglion.methods import METHODS
from ganglion.sweeps import blocks

from .helpers import measured, swept

SETTINGS: dict[str, Any] = {"steps": (1, 2), "members": (2,), "methods": ("gn", "ftbc")}


@pytest.fixture
def few() -> Any:
    """Samples to optimise on: not those that are swept."""
    return np.random.default_rng(7).uniform(0, 1, (16, 1, 8, 8)).astype(np.float32)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many networks were optimised, and how many blocks measured."""
    calls = {"optimised": 0, "measured": 0}
    optimise, measure = tuning.optimise, blocks.measure

    def optimising(*args: Any, **words: Any) -> Any:
        calls["optimised"] += 1
        return optimise(*args, **words)

    def measuring(*args: Any) -> Any:
        calls["measured"] += 1
        return measure(*args)

    monkeypatch.setattr("ganglion.tuning.optimise", optimising)
    monkeypatch.setattr("ganglion.sweeps.task.measure", measuring)
    return calls


def test_rows_are_what_compile_gives(files: Path, few: Any) -> None:
    x, y = np.load(files / "X.npy"), np.load(files / "Y.npy")
    sweep = swept(files, steps=(1, 3), members=(4,), methods="all", optimize=few)
    assert {row.method for row in sweep.rows} == set(METHODS)
    for row in sweep.rows:
        net = ganglion.compile(
            files / "model.onnx", steps=row.steps, members=row.members, method=row.method, input_range=(0, 1),
            optimize=few,
        )  # fmt: skip
        run = ganglion.simulate(net, x)
        right = run.logits.argmax(axis=1) == y
        assert row.accuracy == np.mean(right)
        np.testing.assert_array_equal(row.right, right)
        assert row.spikes_per_sample == run.spikes_per_sample
        assert row.operations_per_sample == run.operations_per_sample
        assert row.optimized == len(few)
    plain = swept(files, steps=(1, 3), members=(4,))
    assert {row.optimized for row in plain.rows} == {0}
    assert measured(plain) != measured(sweep)[:2]


def test_what_was_found_is_kept_for_these_samples_alone(files: Path, few: Any, work: dict[str, int]) -> None:
    """Other samples, and no corrections are found; nor results, but of a network that is the same bit by bit."""
    store = files / "store"
    first = swept(files, store=store, optimize=few, **SETTINGS)
    assert work == {"optimised": 4, "measured": 4 * 5}  # T by T: corrections are for a window's length
    assert measured(swept(files, store=store, optimize=few.copy(), **SETTINGS)) == measured(first)
    assert work == {"optimised": 4, "measured": 4 * 5}
    other = few.copy()
    other[3, 0, 2, 2] = 1 - other[3, 0, 2, 2]
    again = swept(files, store=store, optimize=other, **SETTINGS)
    assert work["optimised"] == 8
    known, new = (networks(files, given) for given in (few, other))
    assert work["measured"] == (4 + len(new - known)) * 5
    assert new - known
    assert measured(again) == measured(swept(files, optimize=other, **SETTINGS))


def networks(folder: Path, given: Any) -> set[str]:
    """The fingerprints of all networks of `SETTINGS` that are corrected on `given`."""
    return {
        fingerprint(
            ganglion.compile(
                folder / "model.onnx", steps=t, members=2, method=way, optimize=given, input_range=(0, 1)
            )
        )
        for t in SETTINGS["steps"]
        for way in SETTINGS["methods"]
    }  # fmt: skip


@pytest.mark.parametrize("change", ["model", "input_range", "version"])
def test_corrections_of_another_network_are_not_found(
    files: Path, few: Any, work: dict[str, int], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    store, options = files / "store", {**SETTINGS, "methods": ("gn",)}
    swept(files, store=store, optimize=few, **options)
    before = work["optimised"]
    if change == "model":
        swept(files, "plain.onnx", store=store, optimize=few, calibration=few, **options)
    elif change == "input_range":
        swept(files, store=store, optimize=few, **options, input_range=(0, 2))
    else:
        monkeypatch.setattr("ganglion.sweeps.run.__version__", "99")
        swept(files, store=store, optimize=few, **options)
    assert work["optimised"] == 2 * before


@pytest.mark.parametrize("damage", ["cut", "not a record", "a list"])
def test_damaged_corrections_are_found_again(files: Path, few: Any, work: dict[str, int], damage: str) -> None:
    store, options = files / "store", {**SETTINGS, "steps": (2,), "methods": ("gn",)}
    first = swept(files, store=store, optimize=few, **options)
    (path,) = store.glob("*.corrections.json")
    text = path.read_text(encoding="utf-8")
    if damage == "cut":
        text = text[: len(text) // 2]
    elif damage == "not a record":
        text = json.dumps(json.loads(text) | {"corrections": "[]"})
    else:
        text = "[1]"
    path.write_text(text, encoding="utf-8")
    with pytest.warns(ganglion.GanglionWarning, match="is damaged: computed again"):
        assert measured(swept(files, store=store, optimize=few, **options)) == measured(first)
    assert work["optimised"] == 2
    swept(files, store=store, optimize=few, **options)  # mended
    assert work == {"optimised": 2, "measured": 5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((3, 2, 5, 5)), "the samples to optimise on have shape (3, 2, 5, 5); the network takes (N, 1, 8, 8)"),
        (np.full((3, 1, 8, 8), np.nan), "the samples to optimise on hold NaN or infinity"),
        (np.zeros((0, 1, 8, 8)), "there are no samples to optimise on"),
        (np.full((3, 1, 8, 8), 9.0), "lie outside [0, 1]"),
    ],
)
def test_samples_that_cannot_be_used(files: Path, work: dict[str, int], given: Any, message: str) -> None:
    with pytest.raises(ganglion.InputError) as caught:
        swept(files, optimize=given, **SETTINGS)
    assert message in str(caught.value)
    assert work["measured"] == 0


def test_the_command(
    files: Path, few: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    np.save("few.npy", few)
    line = "sweep model.onnx --input X.npy --labels Y.npy --input-range 0 1 --steps 2 --members 2"
    assert main(f"{line} --methods gn,ftbc --optimize few.npy --csv o.csv --json o.json".split()) == 0
    assert "optimised on 16 samples: 24 samples" in " ".join(capsys.readouterr().out.split())
    rows = json.loads((files / "o.json").read_text(encoding="utf-8"))["rows"]
    lines = list(csv.DictReader((files / "o.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["method"], row["optimized"]) for row in rows] == [("gn", 16), ("ftbc", 16)]
    assert [row["optimized"] for row in lines] == ["16", "16"]
    assert "right" not in rows[0]
    assert main(f"{line} --methods all".split()) == 0  # those that need no samples
    assert "ftbc" not in capsys.readouterr().out
    assert main(f"{line} --methods ftbc".split()) == 2
    assert "give --optimize X.npy" in " ".join(capsys.readouterr().err.split())
    assert main(f"{line} --optimize few.npy --csv few.npy".split()) == 2
    assert "few.npy is an input of this command" in capsys.readouterr().err
