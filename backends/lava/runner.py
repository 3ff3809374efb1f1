"""Running a bundle: another interpreter, a process group of its own, a time limit, and nothing left behind."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ganglion.backends.processes import execute, terminated_as_exit
from ganglion.errors import InputError
from ganglion.ir import Array

from .bundle import PROGRAM
from .bundle import about as about_bundle
from .cleanup import remove_segments
from .interpreter import find_python

FORMS = ("graded", "cluster")
RUN_VARIABLE = "GANGLION_LAVA_RUN"  # see library/guard.py


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
        facts = execute(
            command,
            Path(folder),
            title=f"the Lava run of '{about['name']}' ({form} form)",
            limit=timeout,
            variables={RUN_VARIABLE: name},
            progress=progress,
            afterwards=partial(remove_segments, name),
        )
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
