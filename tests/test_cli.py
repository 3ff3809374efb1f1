"""The command line, as scripts and people use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ganglion
from ganglion import targets
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
    assert first["operations_per_sample"] > first["spikes_per_sample"] > 0
    for speed in (["--kernel", "float32", "--jobs", "1"], ["--kernel", "float64"], ["--loops", "numpy", "--jobs", "3"]):
        assert main([*arguments, *speed, "--json", str(files / "t.json")]) == 0
        assert json.loads((files / "t.json").read_text(encoding="utf-8")) == first


def test_a_kernel_that_is_not_exact_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Here for the input's codes, which are signed."""
    out = str(files / "n.onnx")
    assert main(["compile", str(files / "model.onnx"), "-o", out, "--steps", "1", "--members", "1"]) == 0
    capsys.readouterr()
    assert main(["simulate", out, "--input", str(files / "X.npy"), "--kernel", "int8"]) == 2
    error = capsys.readouterr().err.replace("\n", " ")
    assert "the kernel int8 is not exact for 'c': its counts or weights do not fit 8 bits" in error


def test_as_many_members_as_levels(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = str(files / "model.onnx"), str(files / "n.onnx")
    arguments = ["compile", model, "-o", out, "--steps", "1", "--input-range", "0", "1", "--members"]
    assert main([*arguments, "levels"]) == 0
    (population,) = ganglion.load(out).populations
    assert isinstance(population, ganglion.ir.GroupNeuron)
    assert population.members == 4
    x = np.load(files / "X.npy")
    result = ganglion.compare(model, out, x)
    assert result.equal
    assert result.distance["float"] is not None
    assert result.distance["float"] < 1e-5
    with pytest.raises(SystemExit):
        main([*arguments, "many"])
    assert "invalid" in capsys.readouterr().err


def test_dump_ir(files: Path) -> None:
    arguments = ["compile", str(files / "model.onnx"), "-o", str(files / "n.onnx"), "--steps", "1", "--members", "1"]
    assert main([*arguments, "--dump-ir", str(files / "ir")]) == 0
    names = [p.name for p in sorted((files / "ir").iterdir())]
    steps = ("import", "compose", "group", "schedule", "quantize", "choose_kernels")
    assert names == [f"{i}-{step}.{end}" for i, step in enumerate(steps) for end in ("onnx", "txt")]


def test_check(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(files / "model.onnx"), "--json", str(files / "c.json")]) == 0
    result = json.loads((files / "c.json").read_text(encoding="utf-8"))
    assert result["ok"]
    assert {n["name"]: n["status"] for n in result["nodes"]}["conv"] == "supported"
    nodes = [helper.make_node("Tanh", ["x"], ["logits"], name="squash")]
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
        ("compile model.onnx -o no/folder/n.onnx --steps 1 --members 1", "there is no folder"),
        ("simulate model.onnx --input X.npy", "not a compiled network"),
        ("simulate net.onnx --input nothing.npy", "cannot read the input"),
        ("simulate net.onnx --input model.onnx", "cannot read the input"),
        ("simulate net.onnx --input Y.npy", "has shape"),
        ("simulate net.onnx --input X.npy --record b", "no population is called b"),
        ("compare model.onnx net.onnx --input X.npy --labels X.npy", "expected 20 integers"),
        ("compile model.onnx -o model.onnx --steps 1 --members 1", "is an input of this command"),
        ("compile model.onnx -o /dev/null --steps 1 --members 1", "not a regular file"),
        ("compile model.onnx -o n.onnx --steps 1 --members 1 --json no/j.json", "there is no folder"),
        ("compile model.onnx -o n.onnx --steps 1 --members 1 --dump-ir X.npy", "not a folder"),
        ("compile net.onnx -o n.onnx --steps 1 --members 1", "is a compiled network"),
        ("simulate net.onnx --input X.npy --json X.npy", "is an input of this command"),
        ("simulate net.onnx --input X.npy --labels one.npy", "expected 20 integers"),
        ("simulate net.onnx --input X.npy --labels column.npy", "expected 20 integers"),
        ("simulate net.onnx --input empty.npy", "holds no samples"),
        ("compare model.onnx net.onnx --input empty.npy", "no samples"),
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
    np.save("one.npy", np.zeros(1, int))
    np.save("column.npy", np.zeros((20, 1), int))
    np.save("empty.npy", np.zeros((0, 1, 8, 8), np.float32))
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

    original = layer.Window.group_neuron
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


def test_a_network_of_another_model_is_noticed(files: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(files / "model.onnx")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 1, 3, 3), np.float32), "w1"))
    onnx.save(model, files / "other.onnx")
    assert main(["compare", str(files / "other.onnx"), str(net), "--input", str(files / "X.npy")]) == 0
    assert "was not compiled from this model" in capsys.readouterr().err


def test_names_that_look_like_markup(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = files / "q[" / "red]"
    folder.mkdir(parents=True)
    output = str(folder / "n [x].onnx")
    assert main(["compile", str(files / "model.onnx"), "-o", output, "--steps", "1", "--members", "1"]) == 0
    assert main(["emit", output, "-o", str(folder / "b [y]")]) == 0
    out = capsys.readouterr().out
    assert "n [x].onnx" in out
    assert "b [y]/network.py'" in out  # quoted for the shell


def test_output_that_nobody_reads_any_more(files: Path, net: Path) -> None:
    command = f"{sys.executable} -m ganglion.cli inspect {net} --format json | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"steps": 2.0}, "steps=2.0"),
        ({"steps": True}, "steps=True"),
        ({"members": "4"}, "members='4'"),
        ({"members": 0}, "members=0"),
        ({"input_range": 1}, "input_range=1"),
        ({"input_range": "01"}, "input_range='01'"),
        ({"input_range": (0, 1, 2)}, "input_range"),
    ],
)
def test_wrong_arguments_are_named(files: Path, words: dict[str, Any], message: str) -> None:
    with pytest.raises(ganglion.InputError, match=re.escape(message)):
        ganglion.compile(files / "model.onnx", **{"steps": 1, "members": 1, **words})


def test_numpy_integers_become_plain_ones(files: Path, tmp_path: Path) -> None:
    net = ganglion.compile(files / "model.onnx", steps=np.int64(2), members=np.int32(4))  # type: ignore[arg-type]
    assert type(net.steps) is int
    ganglion.save(net, tmp_path / "n.onnx")


def test_a_link_is_followed_and_kept(files: Path, net: Path) -> None:
    link = files / "link.onnx"
    link.symlink_to(net)
    graph = ganglion.load(net)
    ganglion.save(graph.rebuild(graph.ops, name="renamed"), link)
    assert link.is_symlink()
    assert ganglion.load(net).name == "renamed"


def test_only_quantised_networks_have_clusters(files: Path, net: Path) -> None:
    assert len(ganglion.expand_clusters(net).clusters()) == 1
    real = ganglion.compile(files / "model.onnx", steps=1, members=1, target=None)
    with pytest.raises(ganglion.InputError, match="only a quantised network"):
        ganglion.expand_clusters(real)


def test_a_target_of_ones_own(files: Path) -> None:
    text = (Path(targets.__file__).parent / "loihi2.toml").read_text(encoding="utf-8")
    good, bad = files / "chip.toml", files / "bad.toml"
    good.write_text(text.replace('name = "loihi2"', 'name = "chip"'), encoding="utf-8")
    bad.write_text(text.replace("weight_bits = 8 ", 'weight_bits = "8" '), encoding="utf-8")
    assert ganglion.compile(files / "model.onnx", steps=1, members=1, target=good).target == "chip"
    with pytest.raises(ganglion.InputError, match=r"bad\.toml: weight_bits = '8'"):
        ganglion.compile(files / "model.onnx", steps=1, members=1, target=bad)


def test_logits_have_the_shape_of_the_models_output(files: Path) -> None:
    """An all-convolutional head ends in a 1x1 map that is flattened."""
    weights = {"w": np.ones((5, 1, 8, 8)), "t": np.array(1.0), "z": np.array(0.0), "l": np.array(4.0)}
    nodes = [
        helper.make_node("Mul", ["x", "l"], ["m"]),
        helper.make_node("Round", ["m"], ["r"]),
        helper.make_node("Clip", ["r", "z", "l"], ["k"]),
        helper.make_node("Conv", ["k", "w"], ["c"]),
        helper.make_node("Flatten", ["c"], ["logits"]),
    ]
    write_model(files / "head.onnx", nodes, weights, ("N", 1, 8, 8), 5)
    net = ganglion.compile(files / "head.onnx", steps=2, members=4)
    x = np.load(files / "X.npy")
    assert ganglion.simulate(net, x).logits.shape == (20, 5)
    assert ganglion.compare(files / "head.onnx", net, x).equal


@pytest.mark.parametrize(
    "words", [[], ["fly"], ["compile", "model.onnx"], ["simulate", "n", "--input", "x", "--samples", "-3"]]
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_layers_that_need_a_relay_population(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two padded convolutions in a row: each is fine, together they have no small form."""
    weights = {"w1": np.ones((4, 1, 3, 3)), "b1": np.ones(4), "w2": np.ones((200, 4, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c", "w2"], ["d"], name="second", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["d"], ["logits"], name="pool"),
    ]
    write_model(files / "deep.onnx", nodes, weights, ("N", 1, 64, 64), 200)
    assert main(["check", str(files / "deep.onnx"), "--json", str(files / "c.json")]) == 0
    found = {n["name"]: n for n in json.loads((files / "c.json").read_text(encoding="utf-8"))["nodes"]}
    assert found["second"]["status"] == "changed"
    assert "--calibration" in found["second"]["note"]
    capsys.readouterr()
    arguments = ["compile", str(files / "deep.onnx"), "-o", str(files / "n.onnx"), "--steps", "1", "--members", "4"]
    assert main(arguments) == 2
    assert "first, second" in capsys.readouterr().err
    x = np.random.default_rng(0).random((2, 1, 64, 64), np.float32)
    np.save(files / "deep.npy", x)
    assert main([*arguments, "--calibration", str(files / "deep.npy")]) == 0
    assert "a relay population of" in capsys.readouterr().out
    result = ganglion.compare(files / "deep.onnx", files / "n.onnx", x)
    assert result.equal
    distance = result.distance["simulator"]
    assert distance is not None
    assert distance < 0.02


def test_a_plain_network_is_calibrated(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    weights = {"w1": rng.normal(size=(16, 64)), "w2": rng.normal(size=(5, 16))}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Gemm", ["f", "w1"], ["g"], transB=1),
        helper.make_node("Relu", ["g"], ["r"], name="act"),
        helper.make_node("Gemm", ["r", "w2"], ["s"], transB=1),
        helper.make_node("Softmax", ["s"], ["logits"], name="soft"),
    ]
    write_model(files / "plain.onnx", nodes, weights, ("N", 1, 8, 8), 5)
    arguments = ["compile", str(files / "plain.onnx"), "-o", str(files / "n.onnx"), "--steps", "4", "--members", "8"]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "act: 1 activation has no levels: a plain ReLU" in message
    assert "--calibration" in message
    x = np.random.default_rng(2).random((40, 1, 8, 8), np.float32)
    np.save(files / "plain.npy", x)
    method, granularity = "--calibration-method", "--calibration-granularity"
    for extra in ([], [method, "max"], [method, "percentile", granularity, "layer"]):
        assert main([*arguments, "--calibration", str(files / "plain.npy"), *extra]) == 0
        result = ganglion.compare(files / "plain.onnx", files / "n.onnx", x)  # with the thresholds in the file
        assert result.equal
        distances = (result.distance["float"], result.distance["simulator"])
        assert all(d is not None and d < 0.1 for d in distances)
    assert "Softmax after 's' dropped" in capsys.readouterr().out


def test_dropped_nodes_and_outputs_chosen_by_name(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = {"w": np.random.default_rng(0).normal(size=(5, 64))}
    nodes = [
        helper.make_node("LRN", ["x"], ["n"], name="norm", size=1),
        helper.make_node("Flatten", ["n"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["logits"], transB=1),
        helper.make_node("Neg", ["logits"], ["other"]),
    ]
    write_model(files / "lrn.onnx", nodes, weights, ("N", 1, 8, 8), 5)
    model = onnx.load(files / "lrn.onnx")
    model.graph.output.append(helper.make_tensor_value_info("other", 1, ["N", 5]))
    onnx.save(model, files / "lrn.onnx")
    assert main(["check", str(files / "lrn.onnx"), "--json", "-"]) == 1
    assert "--output-name logits" in capsys.readouterr().out
    chosen = ["--drop", "LRN", "--output-name", "other"]
    assert main(["check", str(files / "lrn.onnx"), *chosen, "--json", str(files / "c.json")]) == 0
    found = {n["name"]: n for n in json.loads((files / "c.json").read_text(encoding="utf-8"))["nodes"]}
    assert found["norm"] == {"name": "norm", "op_type": "LRN", "status": "changed", "note": "dropped, as asked"}
    arguments = ["compile", str(files / "lrn.onnx"), "-o", str(files / "n.onnx"), "--steps", "1", "--members", "1"]
    assert main([*arguments, *chosen, "--input-range", "0", "1"]) == 0
    x = np.load(files / "X.npy")
    distance = ganglion.compare(files / "lrn.onnx", files / "n.onnx", x).distance["simulator"]
    assert distance is not None
    assert distance < 0.02


def test_methods(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every method is listed, and compiles by its name; what it was made with stands in the network's file."""
    out = files / "methods.json"
    assert main(["methods", "--json", str(out)]) == 0
    assert "signed-gn" in capsys.readouterr().out
    listed = json.loads(out.read_text())
    assert {"gn", "if", "deng-gu", "dual-threshold", "signed-gn", "h-mt"} <= {m["name"] for m in listed}
    for method in listed:
        assert method.keys() >= {"name", "source", "training", "neuron", "cluster"}
        given = ["--members", "1" if method["one_member"] else "3", "--method", method["name"]]
        given += ["--optimize", str(files / "X.npy")] if method["samples"] else []
        command = ["compile", str(files / "model.onnx"), "-o", str(files / "n.onnx"), "--input-range", "0", "1"]
        assert main([*command, "--steps", "2", *given]) == 0
        assert json.loads(ganglion.load(files / "n.onnx").method)["name"] == method["name"]
        capsys.readouterr()


def test_members_of_a_method(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "compile",
        str(files / "model.onnx"),
        "-o",
        str(files / "n.onnx"),
        "--steps",
        "2",
        "--input-range",
        "0",
        "1",
    ]
    assert main([*command, "--method", "if"]) == 0
    assert ganglion.load(files / "n.onnx").members == 1
    for method, members, message in [
        ("if", "4", "has one member"),
        ("h-mt", "9", "1 to 8"),
        ("h-mt", "levels", "1 to 8"),
    ]:
        assert main([*command, "--method", method, "--members", members]) == 2
        assert message in capsys.readouterr().err
    assert main(command) == 2
    assert "needs a number of members" in capsys.readouterr().err
