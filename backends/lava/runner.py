"""Running a bundle: another interpreter, a process group of its own, a time limit, and nothing left behind."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from ganglion.errors import EngineError, InputError
from ganglion.ir import Array

from .bundle import PROGRAM
from .bundle import about as about_bundle
from .cleanup import kill_group, remove_segments, terminated_as_exit
from .interpreter import clean_environment, find_python

FORMS = ("graded", "cluster")
RUN_VARIABLE = "GANGLION_LAVA_RUN"  # see library/guard.py
SHOWN_LINES = 20
GRACE = 3.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LavaRun:
    """What a run recorded.

    `counts` holds the spike counts (T, N, *shape) by population, `potentials` the membrane potentials
    (T, N, *shape) of the readout, in integer units, by its name. `seconds` is the whole time, `run_seconds` that of
    the `steps` time-steps alone, `processes` the number of Lava's leaf processes.
    """

    counts: dict[str, Array]
    potentials: dict[str, Array]
    seconds: float
    run_seconds: float
    steps: int
    processes: int


@dataclass(slots=True)
class Report:
    """What the program has said so far: the step it has done, of how many, and when; at its end the facts."""

    step: int = 0
    steps: int = 0
    at: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    def standing(self) -> str:
        """How far it is. A run that is slow and one that stands still differ in how long ago the last step was."""
        if not self.steps:
            return "before its first step"
        return f"{time.monotonic() - self.at:.0f} s after step {self.step} of {self.steps}"


def run(
    bundle: str | PathLike[str],
    codes: Array,
    *,
    form: str = "graded",
    record: str | Sequence[str] = "all",
    python: str | PathLike[str] | None = None,
    timeout: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> LavaRun:
    """Run input `codes` (N, *shape) through a bundle on Lava.

    `form` is "graded" or "cluster", `record` "all" or names of populations, `python` an interpreter with Lava
    (searched otherwise, see `find_python`), `timeout` in seconds. `progress(step, steps)` is called from another
    thread now and then. Raises `InputError` where the arguments are wrong, `EngineError` where Lava is not there,
    fails, or passes the limit. However it ends, no process and no shared memory of the run remains.
    """
    bundle = Path(bundle)
    about = about_bundle(bundle)
    names = check_arguments(about, codes, form, record)
    interpreter = find_python(python).path
    begin = time.monotonic()
    name = f"ganglion_{os.getpid():x}_{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="ganglion-") as folder, terminated_as_exit():
        np.save(Path(folder, "codes.npy"), codes)
        command = [str(interpreter), str(bundle.resolve() / PROGRAM), "--form", form, "--record", json.dumps(names)]
        command += ["--input", f"{folder}/codes.npy", "--output", f"{folder}/out.npz"]
        facts = execute(command, Path(folder), name, f"'{about['name']}' ({form} form)", timeout, progress)
        with np.load(Path(folder, "out.npz")) as output:
            arrays = {key: output[key] for key in output.files}
    return LavaRun(
        potentials={about["readout"]: arrays.pop(about["readout"])},
        counts=arrays,
        seconds=time.monotonic() - begin,
        run_seconds=facts["run_seconds"],
        steps=facts["steps"],
        processes=facts["processes"],
    )


def check_arguments(about: dict[str, Any], codes: Array, form: str, record: str | Sequence[str]) -> list[str]:
    """The names of the populations to record. Raises `InputError`."""
    shape, low, high = tuple(about["input"]["shape"]), about["input"]["low"], about["input"]["high"]
    if form not in FORMS:
        raise InputError(f"there is no form '{form}'", hint=f"one of: {', '.join(FORMS)}")
    if form not in about["forms"]:
        raise InputError(
            f"'{about['name']}' has no {form} form: some of its populations have none of explicit members",
            hint=f"run the {' or '.join(about['forms'])} form",
        )
    if codes.shape[1:] != shape or not np.issubdtype(codes.dtype, np.integer) or not len(codes):
        raise InputError(
            f"the input codes are {codes.dtype} {codes.shape}; expected integers (N, {', '.join(map(str, shape))})"
        )
    if int(codes.min()) < low or int(codes.max()) > high:
        raise InputError(f"the input codes {codes.min()}..{codes.max()} are not within {low}..{high}")
    known: list[str] = about["populations"]
    names = known if record == "all" else [record] if isinstance(record, str) else list(record)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"no population {', '.join(unknown)} in '{about['name']}'", hint=f"one of: {', '.join(known)}")
    return names


def execute(
    command: list[str], folder: Path, name: str, title: str, limit: float, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    """Run `command` as the run `name` and return what its last line of output says. Raises `EngineError`."""
    environment = clean_environment() | {
        RUN_VARIABLE: name,
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    report = Report()
    errors = folder / "stderr"
    with open(errors, "wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    reader = threading.Thread(target=follow, args=(process.stdout, report, progress), daemon=True)
    try:
        reader.start()
        process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"the Lava run of {title} passed its limit of {limit:g} s, {report.standing()}{tail(errors)}",
            hint="allow more time, or run fewer samples",
        ) from None
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.terminate()  # it cleans up after itself if it can, and never in the middle of a system call
            process.wait(timeout=GRACE)
        kill_group(process.pid)
        process.wait()
        remove_segments(name)
        reader.join()
        process.stdout.close()
    if process.returncode < 0:
        number = -process.returncode
        why = "; the kernel does this when memory runs out" if number == signal.SIGKILL else ""
        raise EngineError(f"the Lava run of {title}: the main program was killed by signal {number}{why}{tail(errors)}")
    if process.returncode or not report.facts:
        raise EngineError(f"the Lava run of {title} failed (exit code {process.returncode}){tail(errors)}")
    return report.facts


def follow(stdout: IO[str], report: Report, progress: Callable[[int, int], None] | None) -> None:
    """Read `step 8/40` and `done {...}` from the program's output until it ends."""
    for line in stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "step":
            done, _, total = rest.partition("/")
            report.step, report.steps, report.at = int(done), int(total), time.monotonic()
            if progress:
                progress(report.step, report.steps)
        elif word == "done":
            report.facts = json.loads(rest)


def tail(path: Path) -> str:
    """The last lines of what the program wrote to stderr."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return "".join(f"\n  | {line}" for line in lines[-SHOWN_LINES:])
