"""Processes that stay warm and answer in turn: one JSON object a line, over standard input and output.

    {"do": "logits" or "run", "case": [network, batch, steps, members]}
    -> {"logits": [[...]]} or {"seconds": s}, with "peak_mb", or {"error": "..."}

`serve` is a worker's side and needs no package but numpy, so that it runs in any environment; `Worker` is the driver's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from .cases import Case
from .measuring import peak_mb, seconds_per_call

ROOT = Path(__file__).resolve().parent.parent
Call = Callable[[], Any]  # the whole batch; returns its logits, an array (N, classes)


class WorkerError(Exception):
    """A worker has died, was too slow, or says that it cannot do what it was asked."""


def serve(prepare: Callable[[Case], Call]) -> None:
    """Answer requests until the input ends. `prepare` makes ready whatever the case needs; only its call is timed."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed must not get between the replies
    current: Case | None = None
    call: Call | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            case = Case(*request["case"])
            if case != current or call is None:
                call = None  # frees its memory before the next one takes more
                current, call = case, prepare(case)
            if request["do"] == "logits":
                reply: dict[str, Any] = {"logits": call().tolist()}
            else:
                reply = {"seconds": seconds_per_call(call)}
            reply["peak_mb"] = peak_mb()
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


class Worker:
    """A process of its own; use it as a context manager."""

    def __init__(self, command: Sequence[str], limit: float = 300.0) -> None:
        self.limit, self.peak_mb = limit, 0.0
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )

    def logits(self, case: Case) -> Any:
        """What the network gives for the case's images: one list per image."""
        return self._ask("logits", case)["logits"]

    def run(self, case: Case) -> float:
        """Seconds that one call takes."""
        seconds: float = self._ask("run", case)["seconds"]
        return seconds

    def _ask(self, what: str, case: Case) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        timer = threading.Timer(self.limit, self._kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps({"do": what, "case": case}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late = not timer.is_alive()
            timer.cancel()
        if not line:
            raise WorkerError(f"took longer than {self.limit:g} s" if late else f"died: {self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"])
        self.peak_mb = reply["peak_mb"]
        return reply

    def _last_words(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return (lines or ["no message"])[-1] if code >= 0 else f"killed by signal {-code}"

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(OSError):  # what was not sent any more
                stream.close()  # type: ignore[union-attr]
