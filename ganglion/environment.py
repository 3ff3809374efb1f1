"""doctor: what this machine has, and what is missing for which job."""

from __future__ import annotations

import os
import platform
import resource
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

MIN_SHARED_MEMORY = 64 << 20
MIN_FILES = 4096
OPTIONAL = {
    "torch": "the torch front end, and with it the examples,",
    "matplotlib": "a plot (sweep --plot)",
    "numba": "the fast form of the simulator's inner loops",
    "nir": "NIR (emit --backend nir, import-nir)",
    "distributed": "a Dask cluster (sweep --scheduler)",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `ok` is None where it is missing but only some jobs need it."""

    name: str
    ok: bool | None
    detail: str


def doctor(
    lava_python: str | os.PathLike[str] | None = None, sanafe_python: str | os.PathLike[str] | None = None
) -> list[Finding]:
    """Look at Python, the packages, the environments of Lava and SANA-FE, and the limits that Lava runs into."""
    findings = [Finding("python", True, f"{platform.python_version()} on {platform.system().lower()}")]
    for package in ("ganglion", "numpy", "networkx", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "rich"):
        findings.append(_package(package, needed=True))
    for package, job in OPTIONAL.items():
        found = _package(package, needed=False)
        findings.append(found if found.ok else Finding(package, None, f"not installed: only {job} needs it"))
    findings.append(_engine("lava", lava_python))
    findings.append(_engine("sanafe", sanafe_python))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= MIN_FILES
    findings.append(
        Finding("open files", enough or None, f"{soft} (at most {hard}); Lava needs up to 14 per process of a network")
    )
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        findings.append(
            Finding(
                "shared memory",
                (free >= MIN_SHARED_MEMORY) or None,
                f"{free >> 20} MB free; Lava's channels live there",
            )
        )
    return findings


def _package(name: str, *, needed: bool) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False if needed else None, f"not installed: pip install {name}")


def _engine(name: Literal["lava", "sanafe"], python: str | os.PathLike[str] | None) -> Finding:
    from ganglion.backends import lava, sanafe
    from ganglion.errors import EngineError

    find = lava.find_python if name == "lava" else sanafe.find_python
    try:
        return Finding(name, True, lava.describe(find(python)))
    except EngineError as error:
        return Finding(name, None, str(error))
