"""`ganglion sweep`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ganglion.cli import main

from .helpers import swept

LINE = "sweep model.onnx --steps 1,2,5 --members 1,4 --input X.npy --input-range 0 1"


@pytest.fixture
def here(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(files)
    monkeypatch.setenv("COLUMNS", "80")
    return files


def test_table_csv_json_and_plot_say_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    outputs = "--labels Y.npy --csv o.csv --json o.json --plot o.svg"
    assert main(f"{LINE} {outputs}".split()) == 0
    wanted = swept(here).as_json()
    result = json.loads((here / "o.json").read_text(encoding="utf-8"))
    lines = list(csv.DictReader((here / "o.csv").read_text(encoding="utf-8").splitlines()))
    shown = capsys.readouterr().out
    assert {k: v for k, v in result.items() if k != "rows"} == {k: v for k, v in wanted.items() if k != "rows"}
    for row, expected, line in zip(result["rows"], wanted["rows"], lines, strict=True):
        assert row | {"seconds": 0} == expected | {"seconds": 0}
        for name, value in row.items():
            assert line[name] == ("" if value is None else str(value))
        assert float(line["ann_accuracy"]) == result["ann_accuracy"]
        assert f"{100 * row['accuracy']:.2f} %" in shown
    assert f"24 samples; the ANN has {100 * result['ann_accuracy']:.2f} %" in shown
    assert "T = 5" in shown
    assert (here / "o.svg").read_bytes().startswith(b"<?xml")


def test_the_store_lies_beside_the_outputs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "results").mkdir()
    assert main(f"{LINE} --json -".split()) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["accuracy"] is None  # JSON and nothing else
    assert len(list((here / "model.sweep").glob("*.npz"))) == 3
    assert main(f"{LINE} --csv results/o.csv".split()) == 0
    assert len(list((here / "results" / "model.sweep").glob("*.npz"))) == 3
    assert main(f"{LINE} --store kept --samples 7".split()) == 0
    assert "7 samples" in capsys.readouterr().out
    assert (here / "kept").is_dir()


def test_options_of_compile(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "sweep plain.onnx --steps 2 --members 4 --input X.npy --json - --calibration X.npy --calibration-method max"
    assert main(line.split()) == 0
    x = np.load("X.npy")
    wanted = swept(
        here, "plain.onnx", steps=(2,), members=(4,), calibration=x, calibration_method="max", input_range=None
    )
    row, expected = json.loads(capsys.readouterr().out)["rows"][0], wanted.as_json()["rows"][0]
    for name in ("agreement", "spikes_per_sample", "operations_per_sample"):
        assert row[name] == expected[name]


def test_a_setting_that_does_not_fit_is_exit_code_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ganglion import targets

    text = (Path(targets.__file__).parent / "loihi2.toml").read_text(encoding="utf-8")
    Path("chip.toml").write_text(text.replace("membrane_bits = 24", "membrane_bits = 18"), encoding="utf-8")
    line = "sweep model.onnx --steps 1,100 --members 1 --input X.npy --input-range 0 1 --target chip.toml --json o.json"
    assert main(line.split()) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "does not fit" in shown
    assert "tau = 1, T = 100: the membrane potential of 'y1' may reach" in shown
    fits, too_long = json.loads(Path("o.json").read_text(encoding="utf-8"))["rows"]
    assert (fits["problem"], too_long["accuracy"]) == ("", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 1 --members 1 --store X.npy/store", "X.npy/store"),
        ("--steps 0", "steps=0: it must be a whole number of at least 1"),
        ("--members 2,4,2", "members: 2 is there twice"),
        ("--plot o.txt", "a plot is a file ending in"),
        ("--plot no/o.svg", "there is no folder no"),
        ("--csv X.npy", "X.npy is an input of this command"),
        ("--csv o.json --json o.json", "o.json is both --json and --csv"),
        ("--store X.npy", "X.npy is an input of this command"),
        ("--store Y.npy", "Y.npy is not a folder"),
        ("--store .", "holds other files"),
        ("--store no/folder", "there is no folder no"),
        ("--labels X.npy", "expected 24 integers"),
        ("--target loihi7", "unknown target 'loihi7'"),
        ("--scheduler nonsense", "no Dask scheduler answers at nonsense"),
    ],
)
def test_mistakes_are_told_before_any_work(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    if "--scheduler" in arguments:
        pytest.importorskip("distributed")
    monkeypatch.setattr("ganglion.sweeps.run.Job", lambda *_: pytest.fail("work began"))
    before = sorted(here.iterdir())
    assert main([*LINE.split(), *arguments.split()]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("words", ["1,x", "1,,2", "", "1.5", "-1"])
def test_wrong_lists(here: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["sweep", "model.onnx", "--input", "X.npy", f"--steps={words}"])
    assert caught.value.code == 2
    assert "is not a whole number; write 1,2,4" in capsys.readouterr().err
