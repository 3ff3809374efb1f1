"""What every benchmark needs: seconds, memory, and which machine it was. No import here is heavy."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

WORTH_KNOWING = ("avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimddp", "asimd")  # the first one there is named
PACKAGES = ("numpy", "onnxruntime", "numba", "torch")


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Seconds that `call` takes, and what it returns."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def seconds_per_call(call: Callable[[], object], least: float = 0.02) -> float:
    """The mean over as many calls in a row as fill `least` seconds; at least one."""
    start, calls = time.perf_counter(), 0
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= least:
            return elapsed / calls


def peak_mb() -> float:
    """The largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def machine() -> str:
    """One line: processor, cores, memory, system, and the versions that matter."""
    words = _cpuinfo()
    processor = [words.get("model name") or platform.processor() or platform.machine()]
    flags = words.get("flags", words.get("Features", "")).split()
    parts = [*processor, *[flag for flag in WORTH_KNOWING if flag in flags][:1], f"{os.cpu_count()} cores"]
    parts += [f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB", platform.system()]
    return ", ".join([*parts, f"Python {platform.python_version()}", *versions(PACKAGES)])


def versions(packages: tuple[str, ...]) -> list[str]:
    """ "name version" of those that are installed here."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo, where there is one."""
    path = Path("/proc/cpuinfo")
    first = path.read_text(encoding="utf-8").split("\n\n")[0] if path.exists() else ""
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
