"""The command line, as scripts and people use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ganglion
from ganglion.cli import main


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """model.onnx (a small network with QCFS activations, written by hand), X.npy and Y.npy."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(4, 1, 3, 3)) / 3,
        "w2": rng.normal(size=(64, 3)) / 4,
        "theta": np.array(1.0),
        "levels": np.array(4.0),
        "half": np.array(0.5),
        "zero": np.array(0.0),
        "one": np.array(1.0),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], name="conv", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Div", ["c", "theta"], ["d"], name="act/Div"),
        helper.make_node("Clip", ["d", "zero", "one"], ["k"], name="act/Clip"),
        helper.make_node("Mul", ["k", "levels"], ["m"], name="act/Mul"),
        helper.make_node("Add", ["m", "half"], ["h"], name="act/Add"),
        helper.make_node("Floor", ["h"], ["f"], name="act/Floor"),
        helper.make_node("Div", ["f", "levels"], ["q"], name="act/Div_1"),
        helper.make_node("Mul", ["q", "theta"], ["a"], name="act/Mul_1"),
        helper.make_node("Flatten", ["a"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "w2"], ["logits"], name="fc"),
    ]
    write_model(tmp_path / "model.onnx", nodes, weights, ("N", 1, 8, 8), 3)
    np.save(tmp_path / "X.npy", rng.uniform(0, 1, (20, 1, 8, 8)).astype(np.float32))
    np.save(tmp_path / "Y.npy", rng.integers(0, 3, 20))
    return tmp_path


def write_model(path: Path, nodes: Any, weights: dict[str, Any], shape: tuple[Any, ...], classes: int) -> None:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(np.asarray(w, np.float32), name) for name, w in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def net(files: Path) -> Path:
    path = files / "net.onnx"
    range_ = ["--input-range", "0", "1"]
    assert main(["compile", str(files / "model.onnx"), "-o", str(path), "--steps", "2", "--members", "4", *range_]) == 0
    return path


def test_compile_and_inspect(files: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = ganglion.load(net)
    assert (graph.steps, graph.members, graph.target) == (2, 4, "loihi2")
    capsys.readouterr()
    assert main(["inspect", str(net)]) == 0
    assert capsys.readouterr().out.strip() == str(graph)
    assert main(["inspect", str(net), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [op["name"] for op in data["ops"]] == [op.name for op in graph.ops]
    assert data["stage"] == "quantized"
    assert main(["inspect", str(files / "model.onnx")]) == 0
    assert "staircase" in capsys.readouterr().out


def test_the_exact_forms_that_scripts_rely_on(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = str(files / "model.onnx"), str(files / "out.json")
    assert main(["compile", model, "-o", str(files / "n.onnx"), "--steps", "2", "--members", "4"]) == 0
    assert "--input-range" in capsys.readouterr().out  # the default input codes are not silent
    x, y = str(files / "X.npy"), str(files / "Y.npy")
    assert main(["compare", model, str(files / "n.onnx"), "--input", x, "--labels", y, "--json", out]) == 0
    result = json.loads(Path(out).read_text(encoding="utf-8"))
    assert set(result["accuracy"]) == {"onnxruntime", "float", "simulator", "lava"}
    assert result["accuracy"]["lava"] is None
    assert 0 <= result["accuracy"]["simulator"] <= 1
    assert result["engines"]["simulator_step_vs_layer"]["compared"] == 20 * 2 * 64
    assert result["engines"]["simulator_step_vs_layer"]["different"] == 0
    (population,) = result["populations"]
    assert population["name"] == "act"
    assert population["compared"] == 20 * 2 * 64
    assert population["different"] == 0
    assert 0 < population["rate"] <= 4
    capsys.readouterr()
    assert main(["compare", model, str(files / "n.onnx"), "--input", x, "--samples", "3", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 3  # JSON and nothing else


def test_simulate(files: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = files / "run.npz"
    arguments = ["simulate", str(net), "--input", str(files / "X.npy"), "--labels", str(files / "Y.npy")]
    assert main([*arguments, "--record", "all", "-o", str(run), "--json", str(files / "s.json")]) == 0
    assert "accuracy" in capsys.readouterr().out
    with np.load(run) as data:
        assert data["act"].shape == (2, 20, 4, 4, 4)
        assert data["logits"].shape == (20, 3)
        assert data["logits.potential"].shape == (2, 20, 3)
    first = json.loads((files / "s.json").read_text(encoding="utf-8"))
    assert main([*arguments, "--engine", "step", "--json", str(files / "t.json")]) == 0
    assert json.loads((files / "t.json").read_text(encoding="utf-8")) == first


def test_dump_ir(files: Path) -> None:
    arguments = ["compile", str(files / "model.onnx"), "-o", str(files / "n.onnx"), "--steps", "1", "--members", "1"]
    assert main([*arguments, "--dump-ir", str(files / "ir")]) == 0
    names = [p.name for p in sorted((files / "ir").iterdir())]
    assert names == ["0-import.txt", "1-compose.txt", "2-group.txt", "3-schedule.txt", "4-quantize.txt"]


def test_check(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(files / "model.onnx"), "--json", str(files / "c.json")]) == 0
    result = json.loads((files / "c.json").read_text(encoding="utf-8"))
    assert result["ok"]
    assert {n["name"]: n["status"] for n in result["nodes"]}["conv"] == "supported"
    nodes = [helper.make_node("Sigmoid", ["x"], ["logits"], name="squash")]
    write_model(files / "bad.onnx", nodes, {}, ("N", 3), 3)
    assert main(["check", str(files / "bad.onnx")]) == 1
    assert "squash" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("compile nothing.onnx -o n.onnx --steps 1 --members 1", "nothing.onnx"),
        ("compile X.npy -o n.onnx --steps 1 --members 1", "X.npy"),
        ("compile model.onnx -o n.onnx --steps 0 --members 1", "at least 1"),
        ("compile model.onnx -o n.onnx --steps 1 --members 1 --target loihi7", "unknown target 'loihi7'"),
        ("compile model.onnx -o n.onnx --steps 1 --members 1 --target X.toml", "X.toml"),
        ("compile model.onnx -o n.onnx --steps 1 --members 1 --input-range 1 0", "input"),
        ("compile model.onnx -o no/folder/n.onnx --steps 1 --members 1", "cannot write"),
        ("simulate model.onnx --input X.npy", "not a compiled network"),
        ("simulate net.onnx --input nothing.npy", "cannot read the input"),
        ("simulate net.onnx --input model.onnx", "cannot read the input"),
        ("simulate net.onnx --input Y.npy", "has shape"),
        ("simulate net.onnx --input X.npy --record b", "no population is called b"),
        ("compare model.onnx net.onnx --input X.npy --labels X.npy", "expected 20 integers"),
        ("compare model.onnx net.onnx --input X.npy --samples 0", "no samples"),
        ("compare net.onnx net.onnx --input X.npy", "net.onnx"),
        ("inspect X.npy", "X.npy"),
        ("emit net.onnx -o bundle --backend cuda", "unknown backend 'cuda'"),
    ],
)
def test_a_users_mistake_is_exit_code_2_and_no_traceback(
    files: Path,
    net: Path,
    arguments: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    capsys.readouterr()
    before = sorted(files.iterdir())
    assert main(arguments.split()) == 2
    captured = capsys.readouterr()
    assert message in captured.err.replace("\n", " ")
    assert "Traceback" not in captured.err
    assert sorted(files.iterdir()) == before  # nothing half-written


def test_a_failed_compile_keeps_the_old_network(files: Path, net: Path) -> None:
    before = net.read_bytes()
    assert main(["compile", str(files / "X.npy"), "-o", str(net), "--steps", "1", "--members", "1"]) == 2
    assert net.read_bytes() == before


def test_a_difference_is_exit_code_1(files: Path, net: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from ganglion.simulator import layer

    original = layer.LayerEngine.group_neuron
    monkeypatch.setitem(layer.RULES, ganglion.ir.GroupNeuron, lambda self, op: original(self, op) * 0)
    assert main(["compare", str(files / "model.onnx"), str(net), "--input", str(files / "X.npy")]) == 1
    out = capsys.readouterr().out.replace("\n", " ")
    assert "first difference in act: sample 0, step 0" in out


def test_doctor(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["doctor", "--json", str(tmp_path / "d.json")]) == 0
    found = {f["name"]: f["ok"] for f in json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))["findings"]}
    assert found["numpy"] is True
    assert "lava" in found
    assert "onnxruntime" in capsys.readouterr().out


def test_a_warning_is_shown_as_one_line(files: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.load(files / "X.npy")
    x[0, 0, 0, 0] = 2
    np.save(files / "X.npy", x)
    assert main(["simulate", str(net), "--input", str(files / "X.npy")]) == 0
    assert "warning: 0.0781 % of the input's values" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["fly"], ["compile", "model.onnx"]])
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
