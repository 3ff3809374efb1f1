"""What a run leaves behind, and what happens when one of its processes dies.

A Lava run is a main program, one OS process per leaf process, a few of Lava's own, and a shared-memory segment per
channel. If one of them dies, the others wait for ever. So: children die with the main program, the main program
ends when a child dies, and everything in /dev/shm carries the name of this run.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import os
import resource
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from typing import Any, NoReturn

RUN_VARIABLE = "GANGLION_LAVA_RUN"  # the name of the run, given by whoever started this program and cleans up after it
EXIT_DIED = 3
PR_SET_PDEATHSIG = 1
DESCRIPTORS = {"process": 6, "channel": 2, "spare": 64}  # open files of the main program, measured
SOCKET_PATH = 104  # characters
SHM = Path("/dev/shm")


class LimitError(Exception):
    """The machine's limits do not let this network run; the text says which, and what to do."""


def install() -> str:
    """Prepare this process, before Lava starts any other; returns the name of the run.

    On Linux a child gets SIGKILL when its parent dies, and this program SIGTERM if another one started it and dies.
    """
    name = os.environ.get(RUN_VARIABLE) or f"ganglion_{os.getpid():x}_{secrets.token_hex(4)}"
    shared_memory._SHM_NAME_PREFIX = f"/{name}_"  # type: ignore[attr-defined]
    shared_memory._SHM_SAFE_NAME_LENGTH = len(name) + 2 + 8  # type: ignore[attr-defined]
    multiprocessing.current_process()._config["semprefix"] = f"/{name}"  # type: ignore[attr-defined]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has no hard limit, and does not take "none" as the soft one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(tempfile.gettempdir()) > SOCKET_PATH - 48:  # Lava's manager makes a socket below it
        tempfile.tempdir = "/tmp"
    sys.setrecursionlimit(8000)  # Lava walks along chains of processes recursively
    if RUN_VARIABLE in os.environ:
        die_with(os.getppid(), signal.SIGTERM)  # so that it can clean up
    parent = [os.getpid()]

    def before() -> None:
        parent[0] = os.getpid()

    def in_child() -> None:
        die_with(parent[0])
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main program's to handle
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    os.register_at_fork(before=before, after_in_child=in_child)
    return name


def die_with(parent: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process the signal `how` when its parent dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:
            os._exit(EXIT_DIED)  # it died before the call above


def abort(run: str, folder: Path | None, code: int, reason: str) -> NoReturn:
    """Say why, and end this program, its children and all they hold, whatever they are doing.

    Safe in a signal handler and in any thread: it raises nothing and waits for nothing.
    """
    try:
        os.write(2, f"{'error' if code else 'warning'}: {reason}\n".encode())  # sys.stderr may be in use at this moment
        tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
        if tracker:  # it would complain about the segments that are removed below
            os.kill(tracker, signal.SIGKILL)
        for child in multiprocessing.active_children():
            child.kill()
        for segment in SHM.glob(f"*{run}_*") if SHM.is_dir() else ():
            segment.unlink(missing_ok=True)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(code)


@contextmanager
def at_most(seconds: float, run: str, folder: Path, reason: str) -> Iterator[None]:
    """End this program, successfully, where what is inside takes longer. For what comes after the work is done."""
    timer = threading.Timer(seconds, abort, (run, folder, 0, reason))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def on_signals(run: str, folder: Path) -> None:
    """End this program on Ctrl-C or SIGTERM. Not by an exception: one that is raised while Lava forks or frees
    something would be lost."""
    main = os.getpid()

    def handle(number: int, frame: object) -> None:
        if os.getpid() != main:  # a child that has just been forked
            os._exit(128 + number)
        abort(run, folder, 128 + number, "interrupted" if number == signal.SIGINT else "terminated")

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


def check_limits(processes: int, channels: Sequence[int]) -> None:
    """Raise LimitError where `processes` with channels of these sizes in bytes cannot run on this machine."""
    need = DESCRIPTORS["process"] * processes + DESCRIPTORS["channel"] * len(channels) + DESCRIPTORS["spare"]
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and need > limit:
        raise LimitError(
            f"{processes} Lava processes need about {need} open files, the limit is {limit}: raise it (ulimit -Hn), "
            "or run the graded form, which has fewer processes"
        )
    page = resource.getpagesize()
    size = sum(-(-c // page) * page for c in channels)
    if SHM.is_dir() and size > shutil.disk_usage(SHM).free:
        raise LimitError(
            f"{len(channels)} channels need {size >> 20} MiB of shared memory, {SHM} has "
            f"{shutil.disk_usage(SHM).free >> 20} MiB free: enlarge it (docker run --shm-size), or run the graded form"
        )


class Watch:
    """A thread that calls `died` with a message when one of Lava's processes ends while it should run.

    `actors` returns Lava's list of OS processes, `names` is what they are called, in order.
    """

    def __init__(self, actors: Callable[[], Sequence[Any]], names: Sequence[str], died: Callable[[str], None]) -> None:
        self._actors, self._names, self._died = actors, names, died
        self._on = True
        self._thread = threading.Thread(target=self._run, daemon=True, name="watch")
        self._thread.start()

    def stop(self) -> None:
        """From here on processes may end."""
        self._on = False
        self._thread.join()

    def _run(self) -> None:
        while self._on:
            actors = list(self._actors())
            sentinels = {a.sentinel: i for i, a in enumerate(actors) if a.pid is not None}
            if not sentinels:
                time.sleep(0.05)
                continue
            ended = multiprocessing.connection.wait(list(sentinels), timeout=0.2)
            if ended and self._on:
                time.sleep(0.2)  # let it be reaped, and what it printed arrive
                self._died("; ".join(self._describe(actors, sentinels[s]) for s in ended if isinstance(s, int)))
                return

    def _describe(self, actors: Sequence[Any], index: int) -> str:
        actor = actors[index]
        name = self._names[index] if index < len(self._names) else "one of Lava's own"
        code = actor.exitcode
        raised = getattr(actor, "exception", None)
        if raised:  # Lava keeps it to itself
            print(raised[1], file=sys.stderr, flush=True)
        if code is not None and code < 0:
            why = " (the kernel does this when memory runs out)" if code == -signal.SIGKILL else ""
            return f"process '{name}' was killed by signal {-code}{why}"
        return f"process '{name}' failed, see above" if code or raised else f"process '{name}' ended too early"
