"""`ganglion inspect` and `compile --dump-ir`, as scripts and people use them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.cli import main
from ganglion.inspection import FORMATS
from ganglion.ir import GroupNeuron
from tests.inspection.helpers import small_stages, write_plain_model


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.onnx, b.onnx (another bias, one step more), clusters.onnx and plain.onnx in the current folder."""
    *_, net, clusters = small_stages()
    ganglion.save(net, tmp_path / "a.onnx")
    first = net.of(GroupNeuron)[0]
    ops = [replace(first, bias=np.arange(6, dtype=np.int32)) if op is first else op for op in net.ops]
    ganglion.save(net.rebuild(ops, steps=3), tmp_path / "b.onnx")
    ganglion.save(clusters, tmp_path / "clusters.onnx")
    write_plain_model(tmp_path / "plain.onnx")
    (tmp_path / "text.txt").write_text("no model", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("source", ["a.onnx", "clusters.onnx", "plain.onnx"])
def test_every_format_of_networks_and_models(
    files: Path, source: str, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", source, "--format", format, "-o", "out"]) == 0
    assert capsys.readouterr().out == ""
    expected = ganglion.inspect(files / source, format)  # type: ignore[call-overload]
    written = (files / "out").read_bytes()
    if format == "onnx":
        assert onnx.load_model_from_string(written) == onnx.load_model_from_string(expected)
        assert written == (files / source).read_bytes() or source == "plain.onnx"
        return
    assert written.decode().rstrip() == expected.rstrip()
    assert main(["inspect", source, "--format", format]) == 0
    assert capsys.readouterr().out.rstrip() == expected.rstrip()


def test_json_beside_another_format(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a.onnx", "--format", "dot", "-o", "a.dot", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "ganglion.inspect"
    assert (files / "a.dot").read_text(encoding="utf-8").startswith("digraph")
    assert main(["inspect", "a.onnx", "--json", "a.json"]) == 0
    assert capsys.readouterr().out.strip() == ganglion.inspect("a.onnx")
    assert json.loads(Path("a.json").read_text(encoding="utf-8"))["stage"] == "quantized"


def test_one_population(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a.onnx", "--cluster", "b"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("group-neuron b\n")
    assert "3 inputs" in text
    assert main(["inspect", "a.onnx", "--cluster", "b", "-o", "b.txt", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["name"], data["members"]) == ("b", ["b#1", "b#2", "b#3"])
    assert (files / "b.txt").read_text(encoding="utf-8").rstrip() == text.rstrip()
    assert main(["inspect", "clusters.onnx", "--cluster", "b#2", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["inhibited_by"] == "b#inhibition"


@pytest.mark.parametrize("words", [["a.onnx", "--diff", "b.onnx"], ["--diff", "a.onnx", "b.onnx"]])
def test_two_networks(files: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", *words]) == 1
    text = capsys.readouterr().out
    assert "steps: 2 -> 3" in text
    assert "%a\n    bias: nothing -> int32 6, 0 to 5\n" in text
    assert main(["inspect", *words, "--json", "-"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in data["changed"]] == ["a"]
    assert main(["inspect", *words, "--format", "json", "-o", "d.json"]) == 1
    assert json.loads((files / "d.json").read_text(encoding="utf-8")) == data


def test_equal_networks_are_exit_code_0(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a.onnx", "--diff", "a.onnx"]) == 0
    assert capsys.readouterr().out == "equal\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "there is nothing to inspect"),
        ("nothing.onnx", "cannot read nothing.onnx"),
        ("text.txt", "text.txt is not an ONNX file"),
        ("a.onnx --format onnx", "give -o FILE.onnx"),
        ("a.onnx --format dot -o a.onnx", "is an input of this command"),
        ("a.onnx --format dot -o no/a.dot", "there is no folder"),
        ("a.onnx --format dot -o x --json x", "is both --output and --json"),
        ("a.onnx --cluster c", "has no population 'c'"),
        ("a.onnx --cluster fc2", "it feeds b"),
        ("a.onnx --cluster a --format html", "--cluster gives text or JSON, not html"),
        ("a.onnx --diff b.onnx --format dot", "--diff gives text or JSON, not dot"),
        ("--diff a.onnx", "--diff compares two networks, got 1"),
        ("a.onnx --diff b.onnx clusters.onnx", "--diff compares two networks, got 3"),
        ("a.onnx --diff b.onnx -o b.onnx", "is an input of this command"),
        ("a.onnx --diff nothing.onnx", "cannot read nothing.onnx"),
        ("a.onnx --drop LRN", "'network' is a network: it has no nodes to drop"),
        ("plain.onnx --output-name other", "other"),
    ],
)
def test_a_mistake_is_exit_code_2_and_writes_nothing(
    files: Path, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p.name: p.read_bytes() for p in files.iterdir()}
    assert main(["inspect", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert message in captured.err.replace("\n", " ")
    assert captured.out == ""
    assert {p.name: p.read_bytes() for p in files.iterdir()} == before


def test_a_cluster_and_a_difference_at_once(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["inspect", "a.onnx", "--cluster", "a", "--diff", "b.onnx"])
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_dump_of_a_calibrated_model(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("X.npy", np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
    command = ["compile", "plain.onnx", "-o", "n.onnx", "--steps", "2", "--members", "3", "--calibration", "X.npy"]
    assert main([*command, "--dump-ir", "ir"]) == 0
    steps = ("import", "compose", "group", "schedule", "quantize", "choose_kernels")
    expected = {f"{i}-{step}.{end}" for i, step in enumerate(steps) for end in ("txt", "onnx")}
    assert {p.name for p in Path("ir").iterdir()} == expected
    capsys.readouterr()
    for text in Path("ir").glob("*.txt"):
        assert main(["inspect", str(text.with_suffix(".onnx"))]) == 0
        assert capsys.readouterr().out == text.read_text(encoding="utf-8")
    assert main(["inspect", "n.onnx", "--diff", "ir/5-choose_kernels.onnx"]) == 0
    assert main(["inspect", "ir/3-schedule.onnx", "--cluster", "r"]) == 0
    grouped = ganglion.load("ir/2-group.onnx")
    assert all(op.thresholds.dtype == np.float64 for op in grouped.of(GroupNeuron))
    assert main([*command, "--dump-ir", "ir"]) == 0  # an older dump is replaced
    Path("ir/mine.txt").write_text("mine", encoding="utf-8")
    assert main([*command, "--dump-ir", "ir"]) == 2
    assert "holds 'mine.txt'" in capsys.readouterr().err
    assert Path("ir/mine.txt").read_text(encoding="utf-8") == "mine"
    assert {p.name for p in Path("ir").iterdir()} == {*expected, "mine.txt"}


def test_a_network_is_not_written_among_a_dump(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ir").mkdir()
    command = ["compile", "plain.onnx", "-o", "ir/n.onnx", "--steps", "2", "--members", "3", "--dump-ir", "ir"]
    assert main(command) == 2
    assert "ir/n.onnx would lie among the files of --dump-ir" in capsys.readouterr().err
