"""Running a bundle on SANA-FE: another interpreter, a process group of its own, a time limit, nothing left behind."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ganglion.backends.processes import execute, terminated_as_exit
from ganglion.errors import EngineError, InputError
from ganglion.ir import Array

from .bundle import PROGRAM
from .bundle import about as about_bundle
from .interpreter import find_python

COST = "sanafe:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SanafeRun:
    """What a run recorded.

    `counts` holds the spike counts (T, N, *shape) by population, `potentials` the membrane potentials (T, N, *shape) of
    the readout, in integer units, by its name; empty where the bundle is a slice without it. `energy` (N,) in J and
    `latency` (N,) in s are what SANA-FE says of each sample, alone on the chip; `parts` is the energy (N,) by part of
    the chip. `seconds` is the time that the run took here, `mapped` whether neurons lie where a mapping has them.
    """

    counts: dict[str, Array]
    potentials: dict[str, Array]
    energy: Array
    latency: Array
    parts: dict[str, Array]
    seconds: float
    steps: int
    cores: int
    mapped: bool


def run(
    bundle: str | PathLike[str],
    codes: Array,
    *,
    python: str | PathLike[str] | None = None,
    timeout: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> SanafeRun:
    """Run input `codes` (N, *shape) through a bundle on SANA-FE.

    `python` is an interpreter with SANA-FE (searched otherwise, see `find_python`), `timeout` in seconds.
    `progress(step, steps)` is called from another thread now and then. Raises `InputError` where the arguments are
    wrong, `EngineError` where SANA-FE is not there, fails, or passes the limit. However it ends, no process remains.
    """
    bundle = Path(bundle)
    about = about_bundle(bundle)
    check_codes(about, codes)
    interpreter = find_python(python).path
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ganglion-") as folder, terminated_as_exit():
        np.save(Path(folder, "codes.npy"), codes)
        command = [str(interpreter), str(bundle.resolve() / PROGRAM)]
        command += ["--input", f"{folder}/codes.npy", "--output", f"{folder}/out.npz"]
        title = f"the SANA-FE run of '{about['name']}'"
        facts = execute(
            command,
            Path(folder),
            title=title,
            limit=timeout,
            variables={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            progress=progress,
        )
        try:
            with np.load(Path(folder, "out.npz")) as output:
                arrays = {key: output[key] for key in output.files}
        except (OSError, ValueError) as error:
            raise EngineError(f"{title} left no usable result: {error}") from error
    costs = {key.removeprefix(COST): arrays.pop(key) for key in list(arrays) if key.startswith(COST)}
    membranes: list[dict[str, Any]] = about["membranes"]
    missing = [m["name"] for m in membranes if m["name"] not in arrays]
    if missing:
        raise EngineError(f"{title} left no counts of {', '.join(missing)}", hint="write the bundle again")
    return SanafeRun(
        potentials={m["name"]: arrays[m["name"]] for m in membranes if m["readout"]},
        counts={m["name"]: arrays[m["name"]] for m in membranes if not m["readout"]},
        energy=costs["energy_total"],
        latency=costs["latency"],
        parts={k.removeprefix("energy_"): v for k, v in costs.items() if k not in ("energy_total", "latency")},
        seconds=time.monotonic() - begin,
        steps=facts["steps"],
        cores=about["cores"],
        mapped=about["placement"]["mapped"],
    )


def check_codes(about: dict[str, Any], codes: Array) -> None:
    """Raise `InputError` for codes that are not the network's."""
    shape, low, high = tuple(about["input"]["shape"]), about["input"]["low"], about["input"]["high"]
    if codes.shape[1:] != shape or not np.issubdtype(codes.dtype, np.integer) or not len(codes):
        raise InputError(
            f"the input codes are {codes.dtype} {codes.shape}; expected integers (N, {', '.join(map(str, shape))})"
        )
    if int(codes.min()) < low or int(codes.max()) > high:
        raise InputError(f"the input codes {codes.min()}..{codes.max()} are not within {low}..{high}")
