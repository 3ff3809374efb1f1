"""Running either model in this process, on onnxruntime: blocks of samples, so that memory does not grow with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ganglion.backends.folders import refuse
from ganglion.errors import EngineError, InputError
from ganglion.ir import Array, Graph

from .bundle import about, serialised
from .diagnose import check

if TYPE_CHECKING:
    import onnxruntime as ort  # type: ignore[import-untyped]

Form = Literal["step", "window"]
FORMS: tuple[Form, ...] = get_args(Form)
BLOCK_BYTES, MOST = 1 << 27, 64  # what a block of samples may take, about; and how many samples it may be


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxRun:
    """What a run recorded.

    `counts` holds the spike counts int32 (T, N, *shape) by population, `potentials` the membrane potentials int32
    (T, N, *shape) of the readout, in integer units, by its name. `seconds` is the whole time, `run_seconds` that
    without opening the model.
    """

    counts: dict[str, Array]
    potentials: dict[str, Array]
    seconds: float
    run_seconds: float


def run(
    network: Graph | str | PathLike[str],
    codes: Array,
    *,
    form: Form = "window",
    record: str | Sequence[str] = "all",
    block: int | None = None,
    threads: int = 0,
    optimise: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> OnnxRun:
    """Run input `codes` (N, *shape) through a quantized network, or the bundle in that folder, on onnxruntime.

    `form="window"` takes `block` samples at a time through all T steps; `"step"` goes step by step through the
    pipeline, `block` samples side by side and the others behind them. By default as many as fit in about 128 MB.
    `record` is "all" or names of populations; `threads` = 0 leaves their number to onnxruntime; `optimise` = False runs
    the model's nodes as they are. `progress(done, all)` counts samples or steps.

    Raises `InputError` where the arguments are wrong, `CompileError` with every reason why the network has no such
    model, `EngineError` where onnxruntime fails.
    """
    from . import program

    begin = time.monotonic()
    if form not in FORMS:
        raise InputError(f"there is no form '{form}'", hint=f"one of: {', '.join(FORMS)}")
    if block is not None and block < 1:
        raise InputError(f"block={block}: it must be at least 1")
    session = _session(network, form, threads, optimise)
    facts = program.facts_of(session)
    found = program.problem(facts, codes)
    if found:
        raise InputError(found)
    names = _recorded(facts, record)
    way = program.step_by_step if form == "step" else program.whole_windows
    opened = time.monotonic()
    try:
        results: dict[str, Any] = way(
            session, codes, names, block or _block(facts, len(codes)), progress or (lambda done, all: None)
        )
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise EngineError(f"onnxruntime cannot run the {form} model of '{facts['name']}': {error}") from error
    end = time.monotonic()
    readout = facts["readout"]["name"]
    potentials = {readout: results.pop(readout)}
    return OnnxRun(counts=results, potentials=potentials, seconds=end - begin, run_seconds=end - opened)


def _session(network: Graph | str | PathLike[str], form: Form, threads: int, optimise: bool) -> ort.InferenceSession:
    import onnxruntime as ort

    model: bytes | str
    if isinstance(network, Graph):
        refuse(check(network), "become ONNX models")
        name, model = network.name, serialised(network, form)
    else:
        name, model = about(Path(network))["name"], str(Path(network) / f"{form}.onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.enable_mem_reuse = False  # its plan takes longer than a run, and the arena gives freed memory out again
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        raise EngineError(f"onnxruntime cannot load the {form} model of '{name}': {error}") from error


def _recorded(facts: dict[str, Any], record: str | Sequence[str]) -> list[str]:
    """The names of the populations to record."""
    known = list(facts["populations"])
    names = known if record == "all" else [record] if isinstance(record, str) else list(record)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"no population {', '.join(unknown)} in '{facts['name']}'", hint=f"one of: {', '.join(known)}")
    return names


def _block(facts: dict[str, Any], samples: int) -> int:
    """How many samples to take at a time: each has currents, potentials and counts, int32, of every population.

    Step by step, there are at least as many behind one another as fill the pipeline.
    """
    neurons = sum(prod(p["shape"]) for p in facts["populations"].values()) + prod(facts["input"]["shape"])
    steps, windows = facts["steps"], facts["form"] == "window"
    per_sample = 3 * np.dtype(np.int32).itemsize * neurons * (steps if windows else 1)
    most = MOST if windows else samples * steps // facts["depth"]
    return int(max(1, min(MOST, most, BLOCK_BYTES // per_sample)))
