"""The bundle for SANA-FE: what is in it, what it refuses, which neurons lie where."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ganglion
from ganglion.backends import BACKENDS, lava, sanafe
from ganglion.backends.sanafe import diagnose
from ganglion.backends.sanafe.architecture import chip
from ganglion.backends.sanafe.placement import in_order
from ganglion.backends.sanafe.synapses import total
from ganglion.errors import CompileError, InputError
from ganglion.ir import OPS, Dense, Graph, GroupNeuron, MaxPool, Membrane, Op, Projection, Readout, size
from ganglion.ir.slices import first_populations

from . import networks
from .reference import simulate

Golden = Callable[[str, str], None]


def changed(graph: Graph, name: str, **fields: Any) -> Graph:
    """`graph` with other fields of one op, not verified."""
    return graph.rebuild([replace(op, **fields) if op.name == name else op for op in graph.ops])


@pytest.mark.parametrize("file", ["arch.yaml", "network.yaml", "run.py", "ganglion.json"])
def test_the_files_read_like_this(file: str, golden: Golden, tmp_path: Path) -> None:
    graph = replace(networks.plain(), name='a "quoted" \\ name\n"""')
    text = (sanafe.emit(graph, tmp_path / "bundle") / file).read_text()
    if file == "ganglion.json":
        bundle = json.loads(text)
        del bundle["files"]  # checksums
        text = json.dumps(bundle, indent=1) + "\n"
    if file == "run.py":
        ast.parse(text)
    golden(f"sanafe_{file}.txt", text)


def test_it_needs_nothing_of_ganglion(tmp_path: Path) -> None:
    bundle = sanafe.emit(networks.mlp(), tmp_path / "bundle")
    for path in bundle.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [m for m in modules if m.split(".")[0] == "ganglion"], path
    names = ["arch.yaml", "ganglion.json", "ganglion_sanafe", "network.yaml", "run.py", "weights.npz"]
    assert sorted(p.name for p in bundle.iterdir()) == names


def test_without_sanafe_it_says_what_to_install(tmp_path: Path) -> None:
    program = sanafe.emit(networks.mlp(), tmp_path / "bundle") / "run.py"
    command = [sys.executable, "-S", str(program), "--input", "x", "--output", "y"]  # -S: without any packages
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {sys.executable} cannot run this network: it has no sanafe\n")
    assert "pip install sanafe==2.2.9 numpy" in done.stderr
    assert "Traceback" not in done.stderr


def test_emitting_twice_writes_the_same(tmp_path: Path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    first = contents(sanafe.emit(networks.residual(), tmp_path / "a"))
    assert contents(sanafe.emit(networks.residual(), tmp_path / "a", overwrite=True)) == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]  # nothing left beside it


@pytest.mark.parametrize("op", OPS)
def test_every_op_is_supported_or_has_a_reason(op: type[Op]) -> None:
    assert (op in diagnose.SUPPORTED) != (op in diagnose.REASONS)


def test_every_problem_is_found_at_once(tmp_path: Path) -> None:
    graph = networks.pools()
    negative, by_step = np.array([-100]), np.zeros(3, np.int32)
    graph = changed(graph, "a", negative=negative, excitation=-negative, interval=(-(2**23) - 1, 0))
    graph = changed(graph, "d", bias_by_step=by_step)
    graph = changed(changed(graph, "e", level=6), "d/full", exponent=26)
    found = [str(d) for d in sanafe.check(graph)]
    assert found == [
        "/p/MaxPool: max-pool sends how much a maximum grew, several spikes at once and also negative ones; SANA-FE's "
        "neurons send one spike or none",
        "/a/Relu: group-neuron has potentials in (-8388609, 0), which does not fit 24 bits",
        "/a/Relu: group-neuron has members that take spikes back only while there are some to take back; SANA-FE's "
        "neurons see their potential alone",
        "/c/MaxPool: max-pool sends how much a maximum grew, several spikes at once and also negative ones; SANA-FE's "
        "neurons send one spike or none",
        "d/full: one-to-one has weights of 34 bits; SANA-FE takes 32",
        "/d/Relu: group-neuron has a bias of its own at each step; SANA-FE's neurons have one for all",
        "fc/d: dense reaches 'e' 1 steps early, outside its window",
        "out: one-to-one reaches 'logits' 1 steps late, outside its window",
    ]
    with pytest.raises(CompileError) as caught:
        sanafe.emit(graph, tmp_path / "a")
    assert all(problem in str(caught.value) for problem in found)
    assert "use average pools" in str(caught.value)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        (
            "late",
            {"delay": 6},
            "late: dense waits 6 steps beside its own; SANA-FE's dendrites keep spikes for at most 5",
        ),
        ("relu1", {"thresholds": np.array([1, 2**23])}, "/relu1/Relu: group-neuron has thresholds up to 8388608"),
        (
            "relu1",
            {"thresholds": np.arange(1, 1026), "inhibition": np.ones(1025, np.int32)},
            "/relu1/Relu: group-neuron has clusters of 1025 members; a core has 1024 compartments",
        ),
        ("conv1", {"weight": np.ones((5, 3, 2, 3))}, "conv1: conv2d has weights that are not integers"),
    ],
)
def test_what_does_not_fit(name: str, fields: dict[str, Any], message: str) -> None:
    assert any(str(d).startswith(message) for d in sanafe.check(changed(networks.plain(), name, **fields)))


def test_what_sanafe_has_no_memory_for() -> None:
    graph = networks.resnet20(members=4)
    (found,) = sanafe.check(graph)
    assert f"{total(graph):,} synapses in cluster form" in found.message
    assert "the first 1 fit (--populations 1)" in found.hint
    assert sanafe.check(first_populations(graph, 2))
    assert not sanafe.check(first_populations(graph, 1))


def test_the_synapses_are_counted_as_they_are_written(tmp_path: Path) -> None:
    graph = networks.plain()
    bundle = sanafe.emit(graph, tmp_path / "bundle")
    about = json.loads((bundle / "ganglion.json").read_text())
    members = {m["label"]: len(m["groups"]) for m in about["membranes"]}
    count = sum(m["neurons"] * len(m["groups"]) ** 2 for m in about["membranes"] if not m["readout"])
    with np.load(bundle / "weights.npz") as arrays:
        for p in about["projections"]:
            there = arrays[f"{p['key']}.weight"].size
            if p["kind"] == "conv2d":  # one weight for every place of the result
                target = next(m for m in about["membranes"] if m["label"] == p["target"])
                there *= target["neurons"] // target["shape"][0]
            count += there * members.get(p["source"], 0) * members[p["target"]]
    (reaching_some,) = (op for op in graph.of(Dense) if op.channels)  # a list, which leaves zeros out
    left_out = int((reaching_some.weight == 0).sum()) * members["p7_relu7"]
    assert count == total(graph) - left_out


@given(data=st.data())
def test_every_neuron_lies_on_one_core_with_its_cluster(data: st.DataObject) -> None:
    graph = data.draw(st.sampled_from([networks.mlp(), networks.convolutions(), networks.residual()]))
    most = max(op.members for op in graph.of(GroupNeuron))
    sizes = replace(chip(), compartments=data.draw(st.integers(most, 300)))
    shares = in_order(graph, sizes)
    used: Counter[int] = Counter()
    for op in graph.of(Membrane):
        mine = [s for s in shares if s.population == op.name]
        neurons = [i for s in mine for i in range(s.first, s.last + 1)]
        assert neurons == list(range(size(graph.typeof(op.name).shape)))
        for s in mine:
            used[s.core] += (s.last - s.first + 1) * getattr(op, "members", 1)
    assert max(used.values()) <= sizes.compartments
    assert sorted(used) == list(range(len(used)))


def test_tiles_are_as_many_as_the_cores_need(tmp_path: Path) -> None:
    bundle = sanafe.emit(networks.convolutions(), tmp_path / "bundle")
    about = json.loads((bundle / "ganglion.json").read_text())
    assert 4 * (about["tiles"] - 1) < about["cores"] <= 4 * about["tiles"]
    assert f"tile[0..{about['tiles'] - 1}]" in (bundle / "arch.yaml").read_text()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_slice_sends_the_same_spikes(count: int) -> None:
    whole = networks.residual()
    part = first_populations(whole, count)
    codes = networks.codes(whole, 2)
    expected, got = simulate(whole, codes), simulate(part, codes)
    assert list(got) == [op.name for op in whole.populations[:count]]
    for name, counts in got.items():
        np.testing.assert_array_equal(counts, expected[name])
    read = {name for op in part.of(Membrane) for name in op.inputs}
    assert {op.name for op in part.of(Projection)} == read
    assert not part.of(Readout)
    assert not sanafe.check(part)


def test_a_slice_before_a_max_pool(tmp_path: Path) -> None:
    graph = networks.pools()
    order = [op.name for op in graph.populations]
    assert order[0] == "p"
    swapped = sorted(graph.ops, key=lambda op: op.name not in ("image", "a/conv", "a"))
    bundle = ganglion.emit(graph.rebuild(swapped), "sanafe", tmp_path / "bundle", populations=1)
    assert [m["name"] for m in json.loads((bundle / "ganglion.json").read_text())["membranes"]] == ["a"]
    assert graph.of(MaxPool)


@pytest.mark.parametrize("count", [0, 5])
def test_slices_that_there_are_not(count: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"at least 1|no slice of 5 populations: 'residual/block' has 4"):
        ganglion.emit(networks.residual(), "sanafe", tmp_path / "bundle", populations=count)
    assert not (tmp_path / "bundle").exists()


def test_lava_takes_no_slice(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="0 ops of kind readout"):
        ganglion.emit(networks.residual(), "lava", tmp_path / "bundle", populations=1)


def test_stages(tmp_path: Path) -> None:
    clustered = ganglion.expand_clusters(networks.mlp())
    (found,) = sanafe.check(clustered)
    assert (found.message, found.hint) == (
        "SANA-FE takes a quantized network; this one is clustered",
        "emit the network before it is expanded",
    )
    assert (
        sanafe.check(networks.mlp().rebuild(networks.mlp().ops, steps=0))[0].message == "the network is not scheduled"
    )


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((1, 2, 3, 4)), r"the input codes are float64 \(1, 2, 3, 4\); expected integers \(N, 2, 3, 4\)"),
        (np.zeros((2, 3, 4), int), r"expected integers \(N, 2, 3, 4\)"),
        (np.zeros((0, 2, 3, 4), int), "expected integers"),
        (np.full((1, 2, 3, 4), 32768), r"32768\.\.32768 are not within -300\.\.32767"),
    ],
)
def test_bad_arguments_of_a_run(codes: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        sanafe.run(sanafe.emit(networks.mlp(), tmp_path / "a"), codes)


def test_a_folder_that_is_no_bundle_for_sanafe(tmp_path: Path) -> None:
    codes = np.zeros((1, 2, 3, 4), int)
    with pytest.raises(InputError, match="is not a SANA-FE bundle"):
        sanafe.run(tmp_path, codes)
    with pytest.raises(InputError, match="is not a SANA-FE bundle of version 2"):
        sanafe.run(lava.emit(networks.mlp(), tmp_path / "lava"), codes)
    assert BACKENDS["sanafe"].check(networks.mlp()) == []
    bundle = sanafe.emit(networks.mlp(), tmp_path / "mlp")
    assert "run.py --input codes.npy" in "\n".join(BACKENDS["sanafe"].usage(bundle))
