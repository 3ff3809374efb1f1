"""`make bench`: turns, ratios, workers, what is missing; and all of it on the smallest network."""

from __future__ import annotations

import io
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import bench, network, rounds, tables
from benchmarks.cases import (
    BASE,
    FLOAT,
    GRID,
    GROWTH,
    INT8,
    LAVA,
    LAVA_STOCK,
    LAVAS,
    LAYER,
    NUMPY,
    PEERS,
    QUICK,
    SPIKINGJELLY,
    STEP,
    Case,
    all_cases,
    engines_of,
)
from benchmarks.growth import draw, series
from benchmarks.network import Measured, agreement, script
from benchmarks.worker import Worker, WorkerError

KEYS = ["network", "batch", "steps", "members", "engine", "median_s", "ratio"]
CASE = Case("mlp512", 2, 4)
WORKER = """
import time
import numpy as np
from benchmarks.worker import serve

def prepare(case):
    if case.batch == 13:
        raise ValueError("no batch of thirteen")
    print("something that is no reply")
    if case.batch == 99:
        raise SystemExit("gone")
    return lambda: time.sleep(0.01 * case.batch) or np.full((case.batch, 2), case.steps)

serve(prepare)
"""


def turn(order: list[str], engine: str, seconds: float) -> float:
    order.append(engine)
    return seconds


def test_engines_take_turns() -> None:
    order: list[str] = []
    times = rounds.take_turns({e: partial(turn, order, e, 0.5) for e in "abc"}, budget=60, pause=0)
    assert order == list("abc") * 7
    assert times == {e: [0.5] * 7 for e in "abc"}


def test_three_rounds_whatever_the_budget_and_one_for_the_slow() -> None:
    order: list[str] = []
    times = rounds.take_turns(
        {"a": partial(turn, order, "a", 1), "b": partial(turn, order, "b", 9)}, 0, pause=0, slow=5
    )
    assert order == list("abaa")
    assert times["b"] == [9]


def test_a_ratio_is_that_of_medians_by_steps() -> None:
    times = {FLOAT: [0.2, 0.1, 0.9], INT8: [0.1], LAYER: [0.3, 0.4, 0.5]}
    row = rounds.row(CASE, LAYER, times)
    assert list(row) == KEYS
    assert row == {"network": "mlp512", "batch": 2, "steps": 4, "members": 4, "engine": LAYER} | {
        "median_s": 0.4,
        "ratio": pytest.approx(0.4 / (4 * 0.2)),
    }
    assert rounds.row(CASE, FLOAT, times)["ratio"] is None
    assert rounds.row(CASE, INT8, times)["ratio"] is None
    assert rounds.row(CASE, LAYER, {LAYER: [0.1]})["ratio"] is None


def test_every_case_is_measured_once() -> None:
    cases = all_cases()
    assert len(cases) == len(set(cases))
    assert {*GRID, *(case for panel in GROWTH.values() for case in panel)} <= set(cases)
    assert [c.network for c in cases] == sorted((c.network for c in cases), key=[c.network for c in cases].index)
    assert engines_of(Case("vgg16", 16, 4)) == (FLOAT, INT8, LAYER, NUMPY, STEP, *PEERS)
    assert STEP not in engines_of(Case("vgg16", 64, 4))
    assert engines_of(Case(BASE, 8, 4)) == (FLOAT, LAYER)
    assert QUICK in cases


def test_a_worker_answers_fails_and_dies() -> None:
    with Worker([sys.executable, "-c", WORKER]) as worker:
        assert worker.logits(Case("x", 2, 3)) == [[3, 3], [3, 3]]
        assert 0.02 <= worker.run(Case("x", 2, 3)) < 2
        assert 1 < worker.peak_mb < 2000
        with pytest.raises(WorkerError, match="no batch of thirteen"):
            worker.run(Case("x", 13, 1))
        assert worker.logits(Case("x", 1, 1)) == [[1, 1]]
        with pytest.raises(WorkerError, match="died: gone"):
            worker.run(Case("x", 99, 1))
        with pytest.raises(WorkerError, match="died: gone"):
            worker.run(Case("x", 1, 1))
    assert worker.process.returncode is not None


def test_a_worker_that_hangs_is_stopped() -> None:
    begin = time.monotonic()
    with Worker([sys.executable, "-c", WORKER], limit=1) as worker, pytest.raises(WorkerError, match="longer than 1 s"):
        worker.run(Case("x", 6000, 1))
    assert time.monotonic() - begin < 30


def test_our_engines_have_to_agree_to_the_bit() -> None:
    logits = {FLOAT: [[1.0, 0.0]], LAYER: [[2.0, 0.0]], STEP: [[2.0, 0.0]], SPIKINGJELLY: [[1.0, 1.0]]}
    assert agreement(logits) == pytest.approx({FLOAT: 1, LAYER: 1, STEP: 1, SPIKINGJELLY: np.sqrt(0.5)})
    with pytest.raises(AssertionError, match="'step' and the layer engine"):
        agreement(logits | {STEP: [[2.0, 1e-9]]})


def test_missing_peers_are_named(tmp_path: Path) -> None:
    python, reason = bench.find_peers(tmp_path / ".venv-peers" / "bin" / "python")
    assert python is None
    assert "there is no .venv-peers; `make bench` builds it" in reason
    broken = tmp_path / ".venv-peers" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    python, reason = bench.find_peers(broken)
    assert python is None
    assert "No module named torch" in reason
    assert network.command(SPIKINGJELLY, tmp_path, None) is None


def test_a_peer_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PAUSE", 0)
    measured = Measured()
    with (
        Worker([sys.executable, "-c", WORKER]) as ours,
        Worker([sys.executable, "-c", "raise ValueError('no')"]) as peer,
    ):
        workers = {LAYER: ours, SPIKINGJELLY: peer}
        network.measure_case(GRID[0], workers, measured, budget=0)
    assert list(measured.times[GRID[0]]) == [LAYER]
    assert list(workers) == [LAYER]
    assert measured.missing == ["spikingjelly, from batch 1, T = 1 on: died: ValueError: no"]


@pytest.fixture
def report() -> dict[str, Any]:
    """Invented figures for all cases."""
    result: dict[str, Any] = {"machine": "a machine", "rows": [], "runs": [], "networks": {}, "missing": ["x: y"]}
    for name in dict.fromkeys(case.network for case in all_cases()):
        cases = [case for case in all_cases() if case.network == name]
        made = {"steps": 4, "members": 4, "seconds": 9.87, "peak_mb": 1234.5, "file_mb": 131.4, "neurons": 1_234_567}
        measured = Measured(compiled=[made])
        for case in cases:
            seconds = 0.0123 * case.batch * case.steps
            measured.times[case] = {e: [seconds * (i + 1)] for i, e in enumerate(engines_of(case))}
            measured.agreement[case] = dict.fromkeys(engines_of(case), 0.99)
        measured.peaks = dict.fromkeys(engines_of(cases[0]), 321.0)
        if name == BASE:
            steps = {LAYER: [0.0005, 0.0006, 0.0004], LAVA: [0.04, 0.05, 0.03], LAVA_STOCK: [0.4, 0.6, 0.5]}
            measured.lava = {"batch": 16, "step_s": steps, "runs": {}}
            measured.times[Case(BASE, 1, 4)] |= {engine: [4 * s for s in steps[engine]] for engine in LAVAS}
        bench.add(result, name, cases, measured)
    return result


def test_what_is_written_and_printed(report: dict[str, Any], tmp_path: Path) -> None:
    bench.write(report, tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert all(list(row) == KEYS for row in rows)
    assert [row for row in rows if row["engine"] in LAVAS] == [
        {"network": BASE, "batch": 1, "steps": 4, "members": 4, "engine": engine}
        | {"median_s": pytest.approx(4 * step), "ratio": pytest.approx(step / 0.0492)}
        for engine, step in ((LAVA, 0.04), (LAVA_STOCK, 0.5))
    ]
    details = json.loads((tmp_path / "details.json").read_text(encoding="utf-8"))
    assert details["networks"][BASE]["peak_mb"][LAYER] == 321
    assert "<svg" in (tmp_path / "growth.svg").read_text(encoding="utf-8")
    console = Console(width=bench.WIDTH, file=io.StringIO())
    with console.capture() as capture:
        bench.show(report, console)
    text = capture.get()
    assert all(len(line) <= bench.WIDTH for line in text.splitlines())
    cells = [line.split() for line in text.splitlines()]
    assert ["vgg16_224", "4", "1", "49.2", "98.4", "148", "0.75", "197", "1.00"] in cells
    assert ["4", "64", "3149", "6298", "9446", "0.75", "12595", "1.00", "15744", "1.25", "1.7", "2.0", "2.3"] in cells
    assert ["vgg16_224", "1,234,567", "9.9", "1234", "131", "321", "321", "0.75"] in cells
    assert "layer, growth with members, ms: 1:" in text
    words = " ".join(text.split())
    assert (
        "layer, batch 16: 0.50; Lava with our connections: 40.0, 80 times that; Lava with Lava's own: 500, 1000"
        in words
    )
    assert "Missing: x: y" in text


def test_a_plot_of_half_the_cases(report: dict[str, Any], tmp_path: Path) -> None:
    rows = [row for row in report["rows"] if row["network"] == BASE and row["batch"] == 16]
    found = series(rows, GROWTH["steps"], "steps")
    assert [x for x, _ in found[LAYER]] == [1, 2, 4, 8, 16]
    assert found[FLOAT][2] == pytest.approx((4, 4 * 1000 * 0.0123 * 16 * 4))
    draw(rows, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("mlp512")
    script("benchmarks.prepare", "export", "mlp512", str(folder))
    return folder


@pytest.mark.torch
def test_a_network_is_measured(monkeypatch: pytest.MonkeyPatch, exported: Path, tmp_path: Path) -> None:
    case = Case("mlp512", 1, 4)  # all engines but the step engine and SpikingJelly
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    real = network.script
    monkeypatch.setattr(network, "script", lambda *a: None if a[1] == "export" else real(*a))
    monkeypatch.setattr(rounds, "MOST", 3)
    log = Console(file=io.StringIO())
    measured = network.measure_network([case], tmp_path, None, leave_out=[STEP], lava=False, budget=0, log=log)
    engines = [FLOAT, INT8, LAYER, NUMPY]
    assert {engine: len(seconds) for engine, seconds in measured.times[case].items()} == dict.fromkeys(engines, 3)
    assert min(measured.agreement[case].values()) > 0.9
    assert measured.compiled[0]["neurons"] == 512
    assert set(measured.peaks) == set(engines)
    assert not measured.missing
    assert tables.speed([rounds.row(case, e, t) for e, t in [(LAYER, measured.times[case])]]).row_count == 1


@pytest.mark.torch
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("engine", PEERS)
def test_spikingjelly_computes_the_same_network(exported: Path, engine: str, steps: int) -> None:
    import ganglion

    python, reason = bench.find_peers(bench.PEERS)
    if python is None:
        pytest.skip(f"SPIKINGJELLY IS NOT CHECKED: {reason}")
    case = Case("mlp512", 8, steps)
    found = network.command(engine, exported, python)
    assert found is not None
    with Worker(found) as worker:
        theirs = np.array(worker.logits(case))
    net = ganglion.compile(exported / "qcfs.onnx", steps=steps, members=case.members, target=None)
    ours = ganglion.simulate(net, np.load(exported / "x.npy")[: case.batch]).logits
    assert np.abs(ours - theirs).max() < 1e-2 * np.abs(ours).max()  # a float32 tie may fall the other way
