"""SANA-FE equals the simulator: every count of every population at every step, and the readout's potentials."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ganglion
from ganglion import simulator
from ganglion.backends.sanafe import SanafeRun, check, emit, run
from ganglion.errors import EngineError
from ganglion.ir import Array, Graph, GroupNeuron, Projection
from tests import networks as compiled

from . import networks
from .reference import simulate

pytestmark = [pytest.mark.sanafe, pytest.mark.xdist_group("sanafe")]


def different(ran: SanafeRun, expected: dict[str, Array]) -> dict[str, int]:
    """How many values differ, by population; every expected array must be there, whole."""
    got = {**ran.counts, **ran.potentials}
    assert {k: v.shape for k, v in got.items()} == {k: v.shape for k, v in expected.items()}
    return {name: int((got[name] != expected[name]).sum()) for name in expected}


@pytest.mark.parametrize("make", [networks.mlp, networks.convolutions, networks.residual, networks.plain])
def test_every_count_at_every_step(make: Callable[[], Graph], tmp_path: Path, sanafe_python: Path) -> None:
    graph = make()
    codes = networks.codes(graph, samples=3)
    expected = simulate(graph, codes)
    for name, values in expected.items():
        assert len(np.unique(values)) > 1, f"{name} is silent, or always the same: the test says nothing"

    ran = run(emit(graph, tmp_path / "bundle"), codes, timeout=120)

    assert different(ran, expected) == dict.fromkeys(expected, 0)
    assert (ran.energy > 0).all()
    assert (ran.latency > 0).all()
    np.testing.assert_allclose(sum(ran.parts.values()), ran.energy)
    assert ran.steps == 3 * (graph.steps + graph.depth - 1)


@pytest.mark.parametrize("count", [1, 3])
def test_a_slice(count: int, tmp_path: Path, sanafe_python: Path) -> None:
    graph = networks.residual()
    codes = networks.codes(graph, samples=2)
    whole = simulate(graph, codes)

    ran = run(ganglion.emit(graph, "sanafe", tmp_path / "bundle", populations=count), codes, timeout=120)

    expected = {op.name: whole[op.name] for op in graph.populations[:count]}
    assert different(ran, expected) == dict.fromkeys(expected, 0)
    assert not ran.potentials


def test_samples_do_not_touch_each_other(tmp_path: Path, sanafe_python: Path) -> None:
    graph = networks.residual()
    codes = networks.codes(graph, samples=2)
    together = run(emit(graph, tmp_path / "bundle"), codes, timeout=120)
    alone = run(tmp_path / "bundle", codes[1:], timeout=120)
    for name, counts in alone.counts.items():
        np.testing.assert_array_equal(counts[:, 0], together.counts[name][:, 1])
    assert alone.energy[0] == pytest.approx(together.energy[1], rel=1e-12)
    assert alone.latency[0] == pytest.approx(together.latency[1], rel=1e-9)


def test_a_spoiled_threshold_is_noticed(tmp_path: Path, sanafe_python: Path) -> None:
    graph = networks.residual()
    codes = networks.codes(graph, samples=2)
    listed = emit(graph, tmp_path / "bundle") / "network.yaml"
    before, group, after = listed.read_text().partition("- name: p2_b_relu_m2 ")
    first = "- 0..15: [threshold: "
    assert after.index(first) < after.index("- name:")
    listed.write_text(before + group + after.replace(first, first + "1", 1))

    wrong = different(run(tmp_path / "bundle", codes, timeout=120), simulate(graph, codes))

    assert wrong["a/relu"] == 0
    assert wrong["b.relu"] > 0


def test_energy_is_that_of_the_spikes(tmp_path: Path, sanafe_python: Path) -> None:
    """Two dense layers on one core: every spike is one message, and one operation at each of its synapses."""
    graph = networks.mlp()
    codes = networks.codes(graph, samples=3)
    ran = run(emit(graph, tmp_path / "bundle"), codes, timeout=120)
    assert ran.cores == 1
    sent = {name: counts.sum(axis=(0, 2), dtype=int) for name, counts in ran.counts.items()}
    fan_out = {"relu1": 9 + 4, "relu2": 5 + 1}  # to the next layer's members, and to its own cluster's
    operations = sum(sent[name] * fan_out[name] for name in sent)
    np.testing.assert_allclose(ran.parts["synapse"], 35.5e-12 * operations)
    np.testing.assert_allclose(ran.parts["network"], 111e-12 * sum(sent.values()))
    compartments = 12 * 4 + 9 + 5
    steps = graph.steps + graph.depth - 1
    least = 51.2e-12 * compartments * steps + 69.3e-12 * sum(sent.values())
    assert (ran.parts["soma"] > least).all()
    assert (ran.parts["soma"] <= least + 21.6e-12 * compartments * steps).all()


def lively(graph: Graph) -> bool:
    """Whether every population sends different counts, so that equality says something."""
    counts = simulator.simulate(graph, compiled.samples(graph, 3), record="all").counts.values()
    return len(counts) > 1 and all(c.std() > 0.1 for c in counts)


@pytest.mark.parametrize("delays", [False, True])
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=st.data())
def test_compiled_networks_equal_the_simulator(
    delays: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, sanafe_python: Path
) -> None:
    """What the compiler makes, against the step engine."""
    fitting = compiled.integer_networks(steps=3).filter(lambda g: not check(g))
    graph = data.draw(fitting.filter(lambda g: any(p.delay for p in g.of(Projection)) == delays).filter(lively))
    x = compiled.samples(graph, 3)
    expected = simulator.simulate(graph, x, engine="step", record="all")
    ran = run(emit(graph, tmp_path_factory.mktemp("drawn") / "bundle"), graph.input.encode(x)[0], timeout=120)
    assert not any(different(ran, {**expected.counts, **expected.potentials}).values())


def test_by_hand(tmp_path: Path, sanafe_python: Path) -> None:
    """Without ganglion: the program and a file of codes; SANA-FE's own file of the whole network."""
    graph = networks.residual()
    codes = networks.codes(graph, samples=2)
    np.save(tmp_path / "codes.npy", codes.astype(np.int8))
    program = emit(graph, tmp_path / "bundle") / "run.py"
    command = [str(sanafe_python), str(program), "--input", "codes.npy", "--output", "counts.npz"]
    command += ["--samples", "1", "--save-network", "whole.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["step", "per", "done"]
    assert "weight" in (tmp_path / "whole.yaml").read_text()
    with np.load(tmp_path / "counts.npz") as output:
        assert "sanafe:energy_total" in output.files
        np.testing.assert_array_equal(output["d"], simulate(graph, codes[:1])["d"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "codes.npy", "counts.npz", "whole.yaml"]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((1, 4, 4, 3), np.int32), "expected integers (N, 4, 4, 4), got int32 (1, 4, 4, 3)"),
        (np.full((1, 4, 4, 4), 8), "codes 8..8 are not within -8..7"),
        (np.zeros((0, 4, 4, 4), np.int32), "no samples"),
    ],
)
def test_by_hand_with_bad_input(codes: Array, message: str, tmp_path: Path, sanafe_python: Path) -> None:
    np.save(tmp_path / "codes.npy", codes)
    program = emit(networks.residual(), tmp_path / "bundle") / "run.py"
    command = [str(sanafe_python), str(program), "--input", "codes.npy", "--output", "counts.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "counts.npz").exists()


def test_what_sanafe_refuses_is_told(tmp_path: Path, sanafe_python: Path) -> None:
    listed = emit(networks.mlp(), tmp_path / "bundle") / "network.yaml"
    listed.write_text(listed.read_text().replace("[core: 0.0]", "[core: 7.0]", 1))
    with pytest.raises(
        EngineError, match=r"(?s)the SANA-FE run of 'mlp' failed \(exit code 1\).*error: SANA-FE failed"
    ):
        run(tmp_path / "bundle", networks.codes(networks.mlp(), 1), timeout=60)


def test_the_time_limit(tmp_path: Path, sanafe_python: Path) -> None:
    bundle = emit(networks.mlp(), tmp_path / "bundle")
    begin = time.monotonic()
    with pytest.raises(EngineError, match=r"the SANA-FE run of 'mlp' passed its limit of 2 s, \d+ s after step"):
        run(bundle, networks.codes(networks.mlp(), 100_000), timeout=2)
    assert time.monotonic() - begin < 12
    mine = [
        folder
        for folder in Path("/proc").glob("[0-9]*")
        if int(folder.name) != os.getpid() and str(bundle).encode() in (folder / "cmdline").read_bytes()
    ]
    assert not mine


def test_a_python_without_sanafe(tmp_path: Path) -> None:
    bundle = emit(networks.mlp(), tmp_path / "bundle")
    with pytest.raises(EngineError, match=r"no Python with SANA-FE was found:\s+/nowhere/python \(asked for\)"):
        run(bundle, networks.codes(networks.mlp(), 1), python="/nowhere/python")


def test_members_are_explicit(tmp_path: Path) -> None:
    """One group per member, with the thresholds of the network half a unit lower."""
    graph = networks.mlp()
    text = (emit(graph, tmp_path / "bundle") / "network.yaml").read_text()
    relu = graph.of(GroupNeuron)[0]
    for k, threshold in enumerate(relu.thresholds, 1):
        assert f"- name: p1_relu1_m{k} " in text
        assert f"- 0..11: [threshold: {threshold - 1}.5]" in text
