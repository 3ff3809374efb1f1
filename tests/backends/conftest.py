"""The environments of Lava and SANA-FE, and what a Lava run leaves behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ganglion.backends import sanafe
from ganglion.backends.lava import find_python
from ganglion.errors import EngineError


@pytest.fixture(scope="session")
def lava_python() -> Path:
    """An interpreter with Lava. Without one the test is skipped, on CI it fails."""
    try:
        return find_python().path
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(f"no Lava environment on CI: {error}", pytrace=False)
        pytest.skip(f"LAVA IS NOT TESTED: {error}")


@pytest.fixture(scope="session")
def sanafe_python() -> Path:
    """An interpreter with SANA-FE. Without one the test is skipped, on CI too: not every Python has a wheel."""
    try:
        return sanafe.find_python().path
    except EngineError as error:
        pytest.skip(f"SANA-FE IS NOT TESTED: {error}")


class Remains:
    """The processes of a bundle and their shared memory, seen from outside."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle
        self.run = ""

    def processes(self) -> list[int]:
        """The living processes whose command line names the bundle's program, the main one first."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if (
                    f"{self.bundle}/network.py".encode() not in command
                    or state == "Z"
                    or int(folder.name) == os.getpid()
                ):
                    continue
                for item in (folder / "environ").read_bytes().split(b"\0"):
                    if item.startswith(b"GANGLION_LAVA_RUN="):
                        self.run = item.decode().partition("=")[2]
            except OSError:
                continue
            found.append(int(folder.name))
        return sorted(found)

    def main(self) -> int:
        """Wait until leaf processes run; returns the main process."""
        self.wait(lambda: len(self.processes()) > 8)
        return self.processes()[0]

    def segments(self) -> list[str]:
        """The shared memory of the run."""
        assert self.run
        return [name for name in os.listdir("/dev/shm") if self.run in name]

    def gone(self) -> bool:
        """Whether nothing is left, within ten seconds."""
        self.wait(lambda: not self.processes() and not self.segments())
        return not self.processes() and not self.segments()

    @staticmethod
    def wait(condition: object, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        assert callable(condition)
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
