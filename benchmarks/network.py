"""One network from its weights to its times: export, compile, start the engines, let them take turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ganglion.errors import EngineError

from .cases import BASE, BATCH, LAVAS, LAYER, OURS, PEERS, Case, engines_of
from .rounds import take_turns
from .worker import ROOT, Worker, WorkerError

LAYER_CALLS = 21  # of the layer engine in one of its turns beside Lava


@dataclass(kw_only=True)
class Measured:
    """What is known of one network.

    times      seconds by case and engine, one entry a round
    agreement  by case and engine: the least cosine, over the images, of its logits with the layer engine's
    compiled   what every compilation took (prepare.py)
    peaks      by engine, the largest resident memory of its process, in MB
    lava       beside Lava (`measure_lava`): "batch", the layer engine's; "step_s", by engine, the seconds of one step
               of one sample, one entry a round; "runs", what peers/lava_cpu.py says of each engine
    missing    what could not be measured, and why
    """

    times: dict[Case, dict[str, list[float]]] = field(default_factory=dict)
    agreement: dict[Case, dict[str, float]] = field(default_factory=dict)
    compiled: list[dict[str, Any]] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    lava: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def measure_network(
    cases: Sequence[Case],
    folder: Path,
    peers: Path | None,
    *,
    leave_out: Collection[str] = (),
    lava: bool,
    budget: float,
    log: Console,
) -> Measured:
    """Measure all `cases`, which are of one network, with all engines but `leave_out`; files go to `folder`."""
    name, measured = cases[0].network, Measured()
    log.print(f"{name}: export", highlight=False)
    script("benchmarks.prepare", "export", name, str(folder))
    for steps, members in dict.fromkeys((case.steps, case.members) for case in cases):
        log.print(f"{name}: compile for T = {steps}, tau = {members}", highlight=False)
        measured.compiled.append(script("benchmarks.prepare", "compile", str(folder), str(steps), str(members)))
    engines = dict.fromkeys(engine for case in cases for engine in engines_of(case))
    with ExitStack() as stack:
        workers = {
            engine: stack.enter_context(Worker(found))
            for engine in engines
            if engine not in leave_out and (found := command(engine, folder, peers))
        }
        for case in cases:
            log.print(f"{name}: batch {case.batch}, T = {case.steps}, tau = {case.members}", highlight=False)
            measure_case(case, workers, measured, budget)
        if lava and name == BASE:
            measure_lava(cases, folder, workers[LAYER], measured, budget, log)
        measured.peaks = {engine: worker.peak_mb for engine, worker in workers.items()}
    return measured


def command(engine: str, folder: Path, peers: Path | None) -> list[str] | None:
    """What starts the worker of an engine; None where its environment is missing."""
    if engine in PEERS:
        return [str(peers), "-m", "benchmarks.peers.group_neuron", str(folder), PEERS[engine]] if peers else None
    return [sys.executable, "-m", "benchmarks.engines", engine, str(folder)]


def measure_case(case: Case, workers: dict[str, Worker], measured: Measured, budget: float) -> None:
    """The first turn warms up, and shows that all compute the same. A peer that fails is out for good."""
    logits = {}
    for engine in [engine for engine in engines_of(case) if engine in workers]:
        try:
            logits[engine] = workers[engine].logits(case)
        except WorkerError as error:
            if engine in OURS:
                raise
            measured.missing.append(f"{engine}, from batch {case.batch}, T = {case.steps} on: {error}")
            with workers.pop(engine):
                pass
    measured.agreement[case] = agreement(logits)
    measured.times[case] = take_turns({engine: partial(workers[engine].run, case) for engine in logits}, budget)


def agreement(logits: Mapping[str, Any]) -> dict[str, float]:
    """The least cosine of each engine's logits with the layer engine's. Our own have to be equal to the bit."""
    ours = np.asarray(logits[LAYER])
    result = {}
    for engine, theirs in logits.items():
        if engine in OURS and not np.array_equal(ours, theirs):
            raise AssertionError(f"the engine '{engine}' and the layer engine give different logits")
        products = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
        result[engine] = float(products.min())
    return result


def measure_lava(
    cases: Sequence[Case], folder: Path, layer: Worker, measured: Measured, budget: float, log: Console
) -> None:
    """Lava, with our connection processes and with its own, in turns with the layer engine.

    All levels of the pipeline are busy, on a sample each, so that T time-steps are what one image costs: they count as
    the engine's time at batch 1. An engine that fails is named as missing.
    """
    case = max((case for case in cases if case.batch == 1), key=lambda case: case.steps, default=None)
    if case is None:
        return
    log.print(f"{case.network}: Lava, T = {case.steps}, tau = {case.members}", highlight=False)
    runs: dict[str, Any] = {}
    for engine in LAVAS:  # the first turn warms up, and shows that all compute the same
        try:
            runs[engine] = lava_run(engine, folder, case)
        except EngineError as error:
            measured.missing.append(str(error))
    if not runs:
        return
    beside = case._replace(batch=BATCH)
    layer.logits(beside)
    turns = {LAYER: partial(layer_step, layer, beside)}
    turns |= {engine: partial(lava_step, engine, folder, case) for engine in runs}
    try:
        times = take_turns(turns, budget)
    except EngineError as error:
        measured.missing.append(str(error))
        return
    measured.lava = {"batch": beside.batch, "step_s": times, "runs": runs}
    for engine in runs:
        measured.times[case][engine] = [case.steps * seconds for seconds in times[engine]]


def layer_step(layer: Worker, case: Case) -> float:
    """Seconds of one step of one sample: the median of so many calls that a moment's load does not decide, as it does
    not decide a run of Lava's."""
    return statistics.median(layer.run(case) for _ in range(LAYER_CALLS)) / (case.batch * case.steps)


def lava_step(engine: str, folder: Path, case: Case) -> float:
    """Seconds of one time-step; see `lava_run`."""
    return float(lava_run(engine, folder, case)["step_s"])


def lava_run(engine: str, folder: Path, case: Case) -> dict[str, Any]:
    """What peers/lava_cpu.py says. Raises EngineError where Lava is missing, fails, or computes something else."""
    said: dict[str, Any] = script("benchmarks.peers.lava_cpu", engine, str(folder), str(case.steps), str(case.members))
    if "missing" in said:
        raise EngineError(f"{engine}: {said['missing']}")
    return said


def script(module: str, *arguments: str) -> Any:
    """What a module prints, as JSON, in a process that inherits no memory."""
    run = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{run.stderr}")
    return json.loads(run.stdout.strip().splitlines()[-1]) if run.stdout.strip() else None
