"""Running a program in a process group of its own, under a time limit, with nothing left behind.

The program says how far it is on its standard output, `step 8/40`, and at its end `done {...}`, facts as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

from ganglion.errors import EngineError

from .interpreters import clean_environment

PATIENCE = 5.0  # seconds for killed processes to vanish
SHOWN_LINES = 20
GRACE = 3.0  # seconds


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


def execute(
    command: list[str],
    folder: Path,
    *,
    title: str,
    limit: float,
    variables: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
    afterwards: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run `command` in `folder` and return what its last line of output says.

    `title` is what it is called in errors ("the Lava run of 'x'"), `limit` is in seconds, `variables` are added to its
    environment, `afterwards` is called when all its processes are gone, however it ends. Raises `EngineError`.
    """
    environment = clean_environment() | {
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
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
            f"{title} passed its limit of {limit:g} s, {report.standing()}{tail(errors)}",
            hint="allow more time, or run fewer samples",
        ) from None
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.terminate()  # it cleans up after itself if it can, and never in the middle of a system call
            process.wait(timeout=GRACE)
        kill_group(process.pid)
        process.wait()
        afterwards()
        reader.join()
        process.stdout.close()
    if process.returncode < 0:
        number = -process.returncode
        why = "; the kernel does this when memory runs out" if number == signal.SIGKILL else ""
        raise EngineError(f"{title}: the main program was killed by signal {number}{why}{tail(errors)}")
    if process.returncode or not report.facts:
        raise EngineError(f"{title} failed (exit code {process.returncode}){tail(errors)}")
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


def kill_group(group: int) -> None:
    """End every process of the process group `group` and wait until they are gone."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    end = time.monotonic() + PATIENCE
    while members(group) and time.monotonic() < end:
        time.sleep(0.02)


def members(group: int) -> list[int]:
    """The living processes of a process group (a zombie holds nothing any more)."""
    if not Path("/proc/self/stat").exists():  # no /proc: macOS
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return []
        return [group]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended meanwhile
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(folder.name))
    return found


@contextmanager
def terminated_as_exit() -> Iterator[None]:
    """While inside, SIGTERM raises `SystemExit`, so that what must be cleaned up is. Only in the main thread, and
    only where nobody else handles SIGTERM; elsewhere nothing changes."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
