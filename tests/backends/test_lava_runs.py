"""Lava equals the reference: every count of every population at every step, in both forms."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ganglion import simulator
from ganglion.backends.lava import LavaRun, emit, run
from ganglion.ir import Array, Conv2d, Graph, MaxPool, OneToOne, Projection, Sparse
from tests import networks as compiled

from . import networks
from .reference import simulate

Form = Literal["graded", "cluster"]
pytestmark = pytest.mark.lava


def different(lava: LavaRun, expected: dict[str, Array]) -> dict[str, int]:
    """How many values differ, by population; every expected array must be there, whole."""
    got = {**lava.counts, **lava.potentials}
    assert {k: v.shape for k, v in got.items()} == {k: v.shape for k, v in expected.items()}
    return {name: int((got[name] != expected[name]).sum()) for name in expected}


@pytest.mark.parametrize("form", ["graded", "cluster"])
@pytest.mark.parametrize("make", [networks.mlp, networks.convolutions, networks.residual, networks.pools])
def test_every_count_at_every_step(make: Callable[[], Graph], form: Form, tmp_path: Path, lava_python: Path) -> None:
    graph = make()
    codes = networks.codes(graph, samples=3)
    expected = simulate(graph, codes)
    for name, values in expected.items():
        assert len(np.unique(values)) > 1, f"{name} is silent, or always the same: the test says nothing"

    lava = run(emit(graph, tmp_path / "bundle"), codes, form=form, timeout=120)

    assert different(lava, expected) == dict.fromkeys(expected, 0)


@pytest.mark.parametrize("make", [networks.residual, networks.pools])
def test_samples_do_not_touch_each_other(make: Callable[[], Graph], tmp_path: Path, lava_python: Path) -> None:
    graph = make()
    codes = networks.codes(graph, samples=2)
    together = run(emit(graph, tmp_path / "bundle"), codes, form="cluster", timeout=120)
    alone = run(tmp_path / "bundle", codes[1:], form="cluster", timeout=120)
    for name, counts in alone.counts.items():
        np.testing.assert_array_equal(counts[:, 0], together.counts[name][:, 1])


@pytest.mark.parametrize(
    ("module", "reset"),
    [
        ("neurons/__init__.py", "        if t == 0:\n            self.peak[:] = 0\n"),
        ("model.py", "            self.v[:] = 0\n"),
    ],
)
def test_a_window_that_does_not_reset_makes_a_difference(
    module: str, reset: str, tmp_path: Path, lava_python: Path
) -> None:
    """Of a max-pool: first its peaks, then its membranes."""
    graph = networks.pools()
    codes = networks.codes(graph, samples=2)
    library = emit(graph, tmp_path / "bundle") / "ganglion_lava" / module
    text = library.read_text()
    assert text.count(reset) == 1
    library.write_text(text.replace(reset, "            pass\n" if "v[:]" in reset else ""))

    lava = run(tmp_path / "bundle", codes, record=["p"], timeout=120)

    wrong = lava.counts["p"] != simulate(graph, codes)["p"]
    assert not wrong[:, 0].any()  # the first sample has nothing before it
    assert wrong[:, 1].any()


@pytest.mark.parametrize("wrong", [networks.residual(delay=2), networks.residual(level=2), networks.residual(level=4)])
def test_a_wrong_delay_or_level_makes_a_difference(wrong: Graph, tmp_path: Path, lava_python: Path) -> None:
    right = networks.residual()
    codes = networks.codes(right, samples=2)

    lava = run(emit(wrong, tmp_path / "bundle"), codes, timeout=120)

    assert different(lava, simulate(right, codes))["c.relu"] > 0
    assert not any(different(lava, simulate(wrong, codes)).values())  # Lava does as it is told


FEATURES: dict[str, Callable[[Graph], bool]] = {
    "max-pool": lambda g: bool(g.of(MaxPool)),
    "sparse": lambda g: bool(g.of(Sparse)),
    "take": lambda g: any(p.take is not None for p in (*g.of(Conv2d), *g.of(OneToOne))),
    "placed": lambda g: any(p.channels for p in g.of(Projection)),
    "upsample": lambda g: any(p.upsample != (1, 1) for p in g.of(Conv2d)),
}


def lively(graph: Graph) -> bool:
    """Whether every population sends different counts, so that equality says something."""
    counts = simulator.simulate(graph, compiled.samples(graph, 3), record="all").counts.values()
    return len(counts) > 1 and all(c.std() > 0.1 for c in counts)


@pytest.mark.parametrize("feature", FEATURES)
@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking would take many runs
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=st.data())
def test_compiled_networks_equal_the_simulator(
    feature: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, lava_python: Path
) -> None:
    """What the compiler makes, several samples back to back, against the step engine."""
    graph = data.draw(compiled.integer_networks(steps=3).filter(FEATURES[feature]).filter(lively))
    x = compiled.samples(graph, 3)
    expected = simulator.simulate(graph, x, engine="step", record="all")
    bundle = emit(graph, tmp_path_factory.mktemp("drawn") / "bundle")
    for form in ("graded", "cluster"):
        lava = run(bundle, graph.input.encode(x)[0], form=form, timeout=120)
        assert not any(different(lava, {**expected.counts, **expected.potentials}).values()), form


def test_resnet20(tmp_path: Path, lava_python: Path) -> None:
    graph = networks.resnet20(steps=2, members=4)
    codes = networks.codes(graph, samples=2)
    expected = simulate(graph, codes)
    assert all(values.any() for values in expected.values())

    lava = run(emit(graph, tmp_path / "bundle"), codes, timeout=240)

    assert different(lava, expected) == dict.fromkeys(expected, 0)


def test_recording_and_types(tmp_path: Path, lava_python: Path) -> None:
    graph = networks.residual()
    codes = networks.codes(graph, samples=2)
    seen: list[tuple[int, int]] = []

    lava = run(
        emit(graph, tmp_path / "bundle"), codes, record=["d", "a/relu"], timeout=120, progress=lambda *s: seen.append(s)
    )

    assert {name: (a.dtype.name, a.shape) for name, a in lava.counts.items()} == {
        "d": ("uint8", (3, 2, 4, 4, 4)),
        "a/relu": ("uint8", (3, 2, 4, 4, 4)),
    }
    assert lava.potentials["logits"].dtype == np.int32
    assert lava.steps == 2 * 3 + 5
    assert seen == [(3, 11), (6, 11)]
    assert 0 < lava.run_seconds < lava.seconds


def test_by_hand(tmp_path: Path, lava_python: Path) -> None:
    """Without ganglion: the program and a file of codes."""
    graph = networks.residual()
    codes = networks.codes(graph, samples=2)
    np.save(tmp_path / "codes.npy", codes.astype(np.int8))
    program = emit(graph, tmp_path / "bundle") / "network.py"
    command = [str(lava_python), str(program), "--input", "codes.npy", "--output", "counts.npz"]

    options = ["--samples", "1", "--record", "b.relu,d", "--form", "cluster"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    with np.load(tmp_path / "counts.npz") as output:
        assert sorted(output.files) == ["b.relu", "d", "logits"]
        np.testing.assert_array_equal(output["d"], simulate(graph, codes[:1])["d"])


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (np.zeros((1, 4, 4, 3), np.int32), [], "expected integers (N, 4, 4, 4), got int32 (1, 4, 4, 3)"),
        (np.zeros((1, 4, 4, 4)), [], "expected integers"),
        (np.full((1, 4, 4, 4), 8), [], "codes 8..8 are not within -8..7"),
        (np.zeros((0, 4, 4, 4), np.int32), [], "no samples"),
        (np.zeros((1, 4, 4, 4), np.int32), ["--record", "e"], "no population e; there are: a/relu, b.relu, c.relu, d"),
    ],
)
def test_by_hand_with_bad_input(
    codes: Array, options: list[str], message: str, tmp_path: Path, lava_python: Path
) -> None:
    np.save(tmp_path / "codes.npy", codes)
    program = emit(networks.residual(), tmp_path / "bundle") / "network.py"
    command = [str(lava_python), str(program), "--input", "codes.npy", "--output", "counts.npz", *options]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "counts.npz").exists()
