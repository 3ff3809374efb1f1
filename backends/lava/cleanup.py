"""What a run may leave behind: OS processes of its group, segments of shared memory under its name."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PATIENCE = 5.0  # seconds for killed processes to vanish
SHM = Path("/dev/shm")


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


def remove_segments(run: str) -> None:
    """Remove the shared memory and semaphores of the run named `run`, and no others."""
    for segment in SHM.glob(f"*{run}*") if SHM.is_dir() else ():
        segment.unlink(missing_ok=True)


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
