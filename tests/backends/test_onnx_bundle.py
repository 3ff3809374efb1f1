"""The bundle of ONNX models: what is in it, what it overwrites, what it refuses, and running it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.backends import BACKENDS
from ganglion.backends.onnx import check, emit, run, tensors
from ganglion.backends.onnx import step as step_form
from ganglion.backends.onnx import window as window_form
from ganglion.backends.onnx.diagnose import REASONS, SUPPORTED
from ganglion.cli import main
from ganglion.comparison import ONNX_VS_SIMULATOR
from ganglion.errors import CompileError, EngineError, InputError
from ganglion.ir import OPS, Dense, GroupNeuron, Input, Op, Projection, Readout, Stage, Staircase, passes
from ganglion.simulator import simulate

from . import networks

FILES = ["ganglion.json", "run.py", "step.onnx", "window.onnx"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emit(networks.residual(), tmp_path_factory.mktemp("onnx") / "bundle")


def started(bundle: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The bundle's own program, where ganglion cannot be imported."""
    hidden = "import sys, runpy; sys.modules['ganglion'] = None; sys.argv[:] = sys.argv[1:]; "
    code = hidden + "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-W", "error", "-c", code, str(bundle / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


@pytest.mark.parametrize("options", [[], ["--lanes", "2"], ["--form", "window"]], ids=" ".join)
def test_its_program_gives_the_simulators_counts(bundle: Path, options: list[str], tmp_path: Path) -> None:
    graph = networks.residual()
    codes = networks.codes(graph, 5)
    np.save(tmp_path / "codes.npy", codes)
    done = started(bundle, "--input", "codes.npy", "--output", "counts.npz", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "5 samples, 3 time-steps each, 4 populations: counts.npz\n"
    expected = simulate(graph, codes, record="all")
    with np.load(tmp_path / "counts.npz") as got:
        assert set(got.files) == set(expected.counts) | {"logits"}
        for name, counts in (*expected.counts.items(), *expected.potentials.items()):
            np.testing.assert_array_equal(got[name], counts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "none.npy", "--output", "o.npz"], "cannot read none.npy"),
        (["--input", "real.npy", "--output", "o.npz"], "expected integers (N, 4, 4, 4)"),
        (["--input", "high.npy", "--output", "o.npz"], "the input codes 9..9 are not within -8..7"),
        (["--input", "good.npy", "--output", "no/o.npz"], "cannot write no/o.npz"),
        (["--input", "good.npy", "--output", "o.npz", "--lanes", "0"], "--lanes: at least 1"),
    ],
)
def test_its_program_says_what_is_wrong(bundle: Path, options: list[str], message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", np.zeros((2, 4, 4, 4)))
    np.save(tmp_path / "high.npy", np.full((2, 4, 4, 4), 9))
    np.save(tmp_path / "good.npy", np.zeros((2, 4, 4, 4), np.int8))
    done = started(bundle, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o.npz").exists()


def test_what_is_in_it(bundle: Path) -> None:
    assert sorted(p.name for p in bundle.iterdir()) == FILES
    about = json.loads((bundle / "ganglion.json").read_text())
    assert about["ganglion_onnx_bundle"] == 1
    assert about["name"] == "residual/block"
    assert about["readout"]["tensor"] == "logits.potential"
    assert [s["input"] for s in about["state"]][:2] == ["step", "image.sent.1"]
    assert sorted(about["files"]) == FILES[1:]
    for form in ("step", "window"):
        onnx.checker.check_model(str(bundle / f"{form}.onnx"), full_check=True)
    tree = ast.parse((bundle / "run.py").read_text())
    modules = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert not [m for m in modules if m.startswith("ganglion")]


def test_emitting_twice_writes_the_same(bundle: Path, tmp_path: Path) -> None:
    again = emit(networks.residual(), tmp_path / "again")
    for name in FILES:
        assert (again / name).read_bytes() == (bundle / name).read_bytes()


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    ganglion.emit(networks.residual(), "onnx", tmp_path / "a")
    with pytest.raises(InputError, match="holds a bundle of 'residual/block' already"):
        ganglion.emit(networks.mlp(), "onnx", tmp_path / "a")
    ganglion.emit(networks.mlp(), "onnx", tmp_path / "a", overwrite=True)
    assert json.loads((tmp_path / "a/ganglion.json").read_text())["name"] == "mlp"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/step.onnx").write_text("mine")
    with pytest.raises(InputError, match="was not written by ganglion"):
        emit(networks.mlp(), tmp_path / "mine", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "mine"]


def test_a_model_beyond_2_gb_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tensors, "LIMIT", 1000)
    with pytest.raises(InputError, match=r"the step model of 'residual/block' has \d+ bytes .* holds 2 GB"):
        emit(networks.residual(), tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("op", OPS)
def test_every_op_has_an_emitter_or_a_reason(op: type[Op]) -> None:
    assert (op in SUPPORTED) != (op in REASONS)
    assert step_form.RULES.keys() == window_form.RULES.keys()


def test_every_problem_is_found_at_once(tmp_path: Path) -> None:
    one = np.asarray(1.0)
    ops = (
        Input(name="x", shape=(4,), scale=1.0, low=0, high=255),
        Dense(name="real", inputs=("x",), weight=np.ones((4, 4)), origin=("/a/Gemm",)),
        Staircase(name="s", inputs=("real",), step=1.0, levels=2, origin=("/a/Relu",)),
        Dense(name="huge", inputs=("x",), weight=np.full((4, 4), 100, np.int8), exponent=24),
        Dense(name="late", inputs=("x",), weight=np.full((4, 4), 1, np.int8), delay=1),
        Readout(name="r", inputs=("huge", "late"), unit=one, level=1, interval=(0, 2**30)),
    )
    found = check(networks.network("wrong", 0, 1, *ops).rebuild(ops, stage=Stage.COMPOSED))
    assert [str(d) for d in found] == [
        "the ONNX backend takes a quantized network; this one is composed",
        "the network is not scheduled",
        "/a/Gemm: dense has weights that are not integers with an exponent of 0 or more",
        "/a/Relu: staircase becomes a Group Neuron before quantisation",
        f"huge: dense sums up to {400 * 255 << 24}, which does not fit 32 bits",
        "late: dense reaches 'r' with a delay of 1, at another local step than its own",
        "r: readout has potentials in (0, 1073741824), which does not fit 31 bits",
    ]
    with pytest.raises(CompileError, match=r"(?s)cannot become ONNX models:\n.*/a/Gemm.*hint: compile it first"):
        emit(networks.network("wrong", 0, 1, *ops).rebuild(ops, stage=Stage.COMPOSED), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_wide_tables_and_counts_are_refused() -> None:
    graph = networks.mlp()
    population = graph["relu1"]
    assert isinstance(population, GroupNeuron)
    far = replace(population, thresholds=population.thresholds.astype(np.int64) << 20)
    many = replace(
        population,
        thresholds=np.arange(1, 70001, dtype=np.int32), inhibition=np.ones(70000, np.int32),
    )  # fmt: skip
    for wrong, message in ((far, "tables or biases wider than 32 bits"), (many, "sends 0..70000")):
        ops = [wrong if op is population else op for op in graph.ops]
        assert message in " ".join(str(d) for d in check(graph.rebuild(ops)))


def test_the_cluster_form_is_refused() -> None:
    found = check(passes.run(networks.mlp(), [passes.expand_clusters]))
    assert found[0].hint == "emit the network before it is expanded"
    assert any("emit the graded form, which sends the same spikes" in str(d) for d in found)


def test_the_backend_is_known_by_name(tmp_path: Path) -> None:
    backend = BACKENDS["onnx"]
    assert backend.check(networks.mlp()) == []
    path = backend.emit(networks.mlp(), tmp_path / "a b")
    assert f"python '{path / 'run.py'}'" in "\n".join(backend.usage(path))


def test_a_bundle_runs_in_this_process(bundle: Path) -> None:
    graph = networks.residual()
    codes = networks.codes(graph, 4)
    told: list[tuple[int, int]] = []
    ran = run(bundle, codes, form="step", record="d", block=2, progress=lambda done, total: told.append((done, total)))
    assert list(ran.counts) == ["d"]
    np.testing.assert_array_equal(ran.counts["d"], run(graph, codes).counts["d"])
    assert told == [(g, 2 * 3 + 5) for g in range(1, 12)]
    assert ran.seconds >= ran.run_seconds > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "cluster"}, "there is no form 'cluster'"),
        ({"block": 0}, "block=0"),
        ({"record": "none"}, "no population none in 'residual/block'"),
        ({"codes": np.zeros((0, 4, 4, 4), np.int32)}, r"expected integers \(N, 4, 4, 4\)"),
        ({"codes": np.full((1, 4, 4, 4), 8)}, "not within -8..7"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    graph = networks.residual()
    with pytest.raises(InputError, match=message):
        run(graph, arguments.pop("codes", networks.codes(graph, 1)), **arguments)


def test_a_folder_that_is_no_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    codes = networks.codes(networks.residual(), 1)
    with pytest.raises(InputError, match="is not a step-model bundle"):
        run(tmp_path, codes)
    for name in FILES:
        (tmp_path / name).write_bytes((bundle / name).read_bytes())
    (tmp_path / "window.onnx").write_bytes(b"cut off")
    with pytest.raises(EngineError, match="onnxruntime cannot load the window model of 'residual/block'"):
        run(tmp_path, codes)
    with pytest.raises(CompileError, match="cannot become ONNX models"):
        run(networks.mlp().rebuild(networks.mlp().ops, steps=0), codes)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ganglion.save(networks.mlp(), tmp_path / "net.onnx")
    assert main(["emit", str(tmp_path / "net.onnx"), "--backend", "onnx", "-o", str(tmp_path / "b")]) == 0
    assert "step.onnx is one time-step" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == FILES


def test_compare_reports_what_differs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """`compare` sees a difference: one weight of the emitted model is another."""
    from ganglion.comparison.executors import on_onnxruntime
    from ganglion.comparison.result import Comparison
    from ganglion.comparison.run import _against_simulator

    graph = networks.residual()
    x = networks.codes(graph, 3).astype(np.float64)
    result = Comparison(3, "logits")
    _against_simulator(graph, x, result, on_onnxruntime(), lambda done, total: None)
    assert result.equal
    assert set(result.pairs[ONNX_VS_SIMULATOR]) == {"a/relu", "b.relu", "c.relu", "d", "logits"}
    from ganglion.backends import onnx as backend

    def wrong(net: Any, codes: Any, **options: Any) -> Any:
        ops = [replace(op, weight=-op.weight) if isinstance(op, Projection) and op.name == "fc2" else op
               for op in net.ops]  # fmt: skip
        return run(net.rebuild(ops), codes, **options)

    monkeypatch.setattr(backend, "run", wrong)
    _against_simulator(graph, x, result, on_onnxruntime(), lambda done, total: None)
    assert {n for n, a in result.pairs[ONNX_VS_SIMULATOR].items() if a.different} == {"logits"}
