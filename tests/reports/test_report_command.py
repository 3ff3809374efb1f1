"""`ganglion report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganglion.cli import main

from .test_page import held

LINE = "report net.onnx --model model.onnx --input X.npy -o r.html"


def test_the_page_the_json_and_what_is_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{LINE} --labels Y.npy --sweep-steps 1,2 --sweep-members 1,levels --json r.json".split()) == 0
    summary = json.loads(Path("r.json").read_text(encoding="utf-8"))
    page = held(Path("r.html").read_text(encoding="utf-8"))
    shown = capsys.readouterr().out
    assert summary["output"] == "r.html"
    assert f"r.html: 24 samples, accuracy {100 * summary['network_accuracy']:.2f} %" in shown
    assert summary["verdict"] in shown
    assert page["summary"]["network_accuracy"] == pytest.approx(summary["network_accuracy"], rel=1e-3)
    assert [(r["steps"], r["members"]) for r in page["sweep"]["rows"]] == [
        (1, 1), (2, 1), (1, "levels"), (2, "levels"),
    ]  # fmt: skip


def test_json_on_standard_output_is_all_there_is(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{LINE} --no-sweep --samples 5 --json -".split()) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["samples"] == 5
    assert not summary["labelled"]
    assert held(Path("r.html").read_text(encoding="utf-8"))["sweep"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-o X.npy", "X.npy is an input of this command"),
        ("-o no/r.html", "there is no folder no"),
        ("-o .", "not a regular file"),
        ("--model missing.onnx", "missing.onnx"),
        ("--input missing.npy", "cannot read the input missing.npy"),
        ("--labels X.npy", "expected 24 integers"),
        ("--labels missing.npy", "cannot read the labels missing.npy"),
        ("--json r.html", "r.html is both"),
        ("--no-sweep --sweep-steps 1", "without a sweep there are no other T and tau"),
        ("--sweep-members 0", "members=0"),
        ("--target missing.toml", "missing.toml"),
    ],
)
def test_mistakes_are_exit_code_2(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    before = sorted(files.iterdir())
    assert main([*LINE.split(), *arguments.split()]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert message in told
    assert "Traceback" not in told
    assert sorted(files.iterdir()) == before


def test_a_broken_network_is_told(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.onnx").write_bytes(Path("net.onnx").read_bytes()[:100])
    assert main(LINE.split()) == 2
    assert "net.onnx" in capsys.readouterr().err
