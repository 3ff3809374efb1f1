"""The bundle: what is in it, what it overwrites, what it refuses."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganglion.backends import BACKENDS
from ganglion.backends.lava import emit, run
from ganglion.backends.lava.blocks import BLOCKS
from ganglion.backends.lava.diagnose import REASONS, SUPPORTED, check
from ganglion.backends.lava.names import identifiers
from ganglion.errors import CompileError, InputError
from ganglion.ir import OPS, Dense, Graph, Input, Op, Readout, Sparse, Stage, Staircase

from . import networks

Golden = Callable[[str, str], None]


def tiny() -> Graph:
    """A delay that is shared, and names that are not Python's."""
    graph = networks.residual()
    ops = [replace(op, name=rename(op.name), inputs=tuple(map(rename, op.inputs))) for op in graph.ops]
    return graph.rebuild(ops, name='a "quoted" \\ name\n"""')


def rename(name: str) -> str:
    return {"late": "a_relu_late1", "d": "class", "fc": "2nd fc", "skip": "W"}.get(name, name)


@pytest.mark.parametrize(
    ("make", "name"), [(tiny, "lava_network.py.txt"), (networks.pools, "lava_network_pools.py.txt")]
)
def test_the_program_reads_like_this(make: Callable[[], Graph], name: str, golden: Golden, tmp_path: Path) -> None:
    text = (emit(make(), tmp_path / "bundle") / "network.py").read_text()
    ast.parse(text)
    golden(name, text)


def test_without_lava_it_says_what_to_install(tmp_path: Path) -> None:
    program = emit(tiny(), tmp_path / "bundle") / "network.py"
    command = [sys.executable, "-S", str(program), "--input", "x", "--output", "y"]  # -S: without any packages
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"error: {sys.executable} cannot run this network: it has no lava-nc\n")
    assert "pip install lava-nc==0.10.0 'numpy<2'" in done.stderr


def test_it_needs_nothing_of_ganglion(tmp_path: Path) -> None:
    bundle = emit(tiny(), tmp_path / "bundle")
    for path in bundle.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [m for m in modules if m.split(".")[0] == "ganglion"], path
    assert sorted(p.name for p in bundle.iterdir()) == ["ganglion.json", "ganglion_lava", "network.py", "weights.npz"]


def test_names_become_identifiers_without_clashes(tmp_path: Path) -> None:
    text = (emit(tiny(), tmp_path / "bundle") / "network.py").read_text()
    (build,) = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    assigned = [n.targets[0].id for n in build.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
    assert len(assigned) == len(set(assigned))
    delays = 4
    assert len(assigned) == len(tiny().ops) + delays + 2  # and N and W


def test_the_parts_of_a_wide_weight_have_names_of_their_own() -> None:
    names = ["conv", "conv#low", "conv_low", "MaxPool", "Sparse", "requirements"]
    assert list(identifiers(names).values()) == [
        "conv", "conv_low", "conv_low_2", "MaxPool_2", "Sparse_2", "requirements_2",
    ]  # fmt: skip


def test_the_weights_are_the_networks(tmp_path: Path) -> None:
    graph = networks.residual()
    with np.load(emit(graph, tmp_path / "bundle") / "weights.npz") as arrays:
        np.testing.assert_array_equal(arrays["a_conv.weight"], graph["a/conv"].weight)  # type: ignore[attr-defined]
        assert arrays["a_conv.weight"].dtype == np.int8


def test_emitting_twice_writes_the_same(tmp_path: Path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    first = contents(emit(tiny(), tmp_path / "a"))
    assert contents(emit(tiny(), tmp_path / "b")) == first
    assert contents(emit(tiny(), tmp_path / "a", overwrite=True)) == first  # over itself
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]  # nothing left beside them


def test_a_bundle_is_replaced_only_when_asked(tmp_path: Path) -> None:
    before = (emit(tiny(), tmp_path / "a") / "ganglion.json").read_text()
    with pytest.raises(InputError, match=r"(?s)holds a bundle of .* already"):
        emit(networks.mlp(), tmp_path / "a")
    assert (tmp_path / "a/ganglion.json").read_text() == before
    emit(networks.mlp(), tmp_path / "a", overwrite=True)
    assert json.loads((tmp_path / "a/ganglion.json").read_text())["name"] == "mlp"


def test_foreign_files_in_a_bundle_are_never_deleted(tmp_path: Path) -> None:
    notes = emit(tiny(), tmp_path / "a") / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(InputError, match=r"files that are not the bundle's: notes\.txt"):
        emit(networks.mlp(), tmp_path / "a", overwrite=True)
    assert notes.read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_never_touched(overwrite: bool, tmp_path: Path) -> None:
    foreign = tmp_path / "home"
    foreign.mkdir()
    (foreign / "network.py").write_text("mine")
    with pytest.raises(InputError, match="was not written by ganglion"):
        emit(networks.mlp(), foreign, overwrite=overwrite)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        emit(networks.mlp(), tmp_path / "file", overwrite=overwrite)
    assert (foreign / "network.py").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "home"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert (emit(networks.mlp(), tmp_path) / "network.py").exists()


def test_the_backend_is_known_by_name(tmp_path: Path) -> None:
    assert BACKENDS["lava"].name == "lava"
    assert BACKENDS["lava"].check(networks.mlp()) == []
    assert (BACKENDS["lava"].emit(networks.mlp(), tmp_path / "a") / "network.py").exists()


@pytest.mark.parametrize("op", OPS)
def test_every_op_has_a_block_or_a_reason(op: type[Op]) -> None:
    assert (op in BLOCKS) != (op in REASONS)
    assert (op in BLOCKS) == (op in SUPPORTED)


def test_every_problem_is_found_at_once(tmp_path: Path) -> None:
    ops = (
        Input(name="x", shape=(4,), scale=1.0, low=0, high=255),
        Dense(name="real", inputs=("x",), weight=np.ones((4, 4)), origin=("/a/Gemm",)),
        Staircase(name="s", inputs=("real",), step=1.0, levels=2, origin=("/a/Relu",)),
        Dense(name="wide", inputs=("x",), weight=np.full((4, 4), 300), exponent=1),
        Sparse(
            name="few",
            inputs=("x",),
            weight=np.array([128]),
            index=np.array([1]),
            pointer=np.array([0, 1]),
            shape=(1,),
            offset=3,
            channels=4,
        ),
        Dense(name="huge", inputs=("x",), weight=np.full((4, 4), 100, np.int8), exponent=24),
        Readout(name="r", inputs=("wide", "huge"), unit=np.asarray(1.0), interval=(0, 2**23)),
    )
    graph = Graph(ops=ops, stage=Stage.COMPOSED)
    found = [str(d) for d in check(graph)]
    assert found == [
        "Lava takes a quantized network; this one is composed",
        "the network is not scheduled",
        "/a/Gemm: dense has weights that are not 8-bit integers with an exponent of 0 or more",
        "/a/Relu: staircase becomes a Group Neuron before quantisation",
        "wide: dense has weights that are not 8-bit integers with an exponent of 0 or more",
        "few: sparse has weights that are not 8-bit integers with an exponent of 0 or more",
        f"huge: dense sums up to {4 * 100 * 255 << 24}, which does not fit the 32 bits of Lava's accumulators",
        "r: readout has potentials in (0, 8388608), which does not fit 24 bits",
    ]
    with pytest.raises(CompileError) as caught:
        emit(graph, tmp_path / "a")
    assert all(problem in str(caught.value) for problem in found)
    assert not (tmp_path / "a").exists()


def test_a_projection_must_read_a_population() -> None:
    ops = (
        Input(name="x", shape=(4,), scale=1.0, low=0, high=255),
        Dense(name="one", inputs=("x",), weight=np.ones((4, 4), np.int8)),
        Dense(name="two", inputs=("one",), weight=np.ones((4, 4), np.int8)),
        Readout(name="r", inputs=("two",), unit=np.asarray(1.0), level=1),
    )
    assert [str(d) for d in check(Graph(ops=ops, stage=Stage.QUANTIZED, steps=1))] == [
        "two: dense does not read a population"
    ]


@pytest.mark.parametrize(
    ("options", "codes", "message"),
    [
        ({"form": "analog"}, np.zeros((1, 2, 3, 4), int), "there is no form 'analog'"),
        ({}, np.zeros((1, 2, 3, 4)), r"the input codes are float64 \(1, 2, 3, 4\); expected integers \(N, 2, 3, 4\)"),
        ({}, np.zeros((2, 3, 4), int), r"expected integers \(N, 2, 3, 4\)"),
        ({}, np.zeros((0, 2, 3, 4), int), "expected integers"),
        ({}, np.full((1, 2, 3, 4), 32768), r"32768\.\.32768 are not within -300\.\.32767"),
        ({"record": ["relu9", "relu1"]}, np.zeros((1, 2, 3, 4), int), "no population relu9 in 'mlp'"),
    ],
)
def test_bad_arguments_of_a_run(options: dict[str, Any], codes: Any, message: str, tmp_path: Path) -> None:
    bundle = emit(networks.mlp(), tmp_path / "a")
    with pytest.raises(InputError, match=message):
        run(bundle, codes, **options)


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a Lava bundle"):
        run(tmp_path, np.zeros((1, 2, 3, 4), int))
    (tmp_path / "ganglion.json").write_text('{"ganglion_lava_bundle": 99}')
    with pytest.raises(InputError, match="is not a Lava bundle of version 2"):
        run(tmp_path, np.zeros((1, 2, 3, 4), int))


def test_populations_are_listed_in_order(tmp_path: Path) -> None:
    about = json.loads((emit(networks.pools(), tmp_path / "a") / "ganglion.json").read_text())
    assert about["populations"] == ["p", "a", "b", "c", "d", "e"]  # max-pools too
    assert about["readout"] == "logits"
