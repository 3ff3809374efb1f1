"""The machine's limits, checked before a run."""

from __future__ import annotations

import resource
import shutil
from typing import Any, NamedTuple

import pytest

from ganglion.backends.lava.library import guard


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def limits(monkeypatch: pytest.MonkeyPatch, files: int, free: int) -> None:
    def getrlimit(which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return files, files

    def disk_usage(path: Any) -> Usage:
        return Usage(free, 0, free)

    monkeypatch.setattr(resource, "getrlimit", getrlimit)
    monkeypatch.setattr(shutil, "disk_usage", disk_usage)


def test_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    limits(monkeypatch, files=684, free=10 * 4096)
    guard.check_limits(100, [1, 4096, 4097, *[1] * 6])  # 10 pages
    limits(monkeypatch, files=resource.RLIM_INFINITY, free=1 << 40)
    guard.check_limits(10**6, [1 << 20] * 10**4)


def test_too_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    limits(monkeypatch, files=683, free=1 << 40)
    with pytest.raises(guard.LimitError, match="100 Lava processes need about 684 open files, the limit is 683"):
        guard.check_limits(100, [1] * 10)


def test_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    limits(monkeypatch, files=10**6, free=64 << 20)
    with pytest.raises(guard.LimitError, match="3 channels need 192 MiB of shared memory, /dev/shm has 64 MiB free"):
        guard.check_limits(3, [64 << 20] * 3)
