"""sweep: from its options to the rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ganglion.errors import CompileError, InputError
from ganglion.methods import Method
from ganglion.pipeline import chip_of, import_options, whole
from ganglion.samples import labels_of, samples_of
from ganglion.targets import Target
from ganglion.tuning import checked_samples
from ganglion.version import __version__

from . import cluster
from .job import Job, Tell
from .optimiser import Optimiser
from .result import Row, Sweep
from .settings import Members, Networks, Setting, settings_of
from .store import Store
from .task import run_here

if TYPE_CHECKING:
    import onnx

    from ganglion.ir import Array

    Model = onnx.ModelProto | str | PathLike[str]


def sweep(
    model: Model,
    x: Any,
    labels: Any = None,
    *,
    steps: Sequence[int] = (1, 2, 4, 8),
    members: Sequence[Members] | None = None,
    methods: Literal["all"] | Sequence[str | Method] = ("gn",),
    target: str | PathLike[str] | Target = "loihi2",
    store: str | PathLike[str] | None = None,
    scheduler: str | None = None,
    jobs: int | None = None,
    block: int | None = None,
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
    calibration: Any = None,
    calibration_method: Literal["mse", "percentile", "max"] | None = None,
    calibration_granularity: Literal["layer", "channel"] = "channel",
    percentile: float = 99.99,
    drop: Sequence[str] = (),
    output: str | None = None,
    optimize: Any = None,
    progress: Tell | None = None,
) -> Sweep:
    """Compile `model` for every T in `steps` and every tau in `members`, and send the samples `x` through each network.

    members    by default what each method is usually compared at: 1, 2, 4 and 8 for Group Neurons; a method of one
               member runs with that alone, another with those of `members` that it has
    methods    conversion methods, by name or with their parameters (`ganglion.methods`), or "all" of them: without
               `optimize`, all that need no samples
    x, labels  the samples (N, *shape) in the model's real units, which may be a memory-mapped file; and the right
               class of each, if known: an int (N,)
    store      a folder for the results of finished blocks of samples; there already, they are not computed again
    scheduler  the address of a Dask scheduler ("tcp://host:8786"), whose workers compute the blocks
    jobs       threads that compute one block, as for `simulate`; on a cluster by default one
    block      samples in a block; by default seconds of work
    optimize   samples on which every network is corrected, as by `compile`: for its own T, tau and method
    progress   called with (what, done, all)

    The other options are those of `compile`. Without a `calibration_method` every method calibrates in its own way. A
    network is simulated once for all settings in which it is the same bit by bit, whatever their methods: with a
    constant input and membranes that begin at 0, the first steps of a window are a shorter window. A setting that
    `target` cannot hold becomes a row with a `problem`.

    Raises `CompileError` where the model cannot be compiled at all, `InputError` for unusable options or arrays,
    `EngineError` where the cluster is missing or fails.
    """
    settings = settings_of(steps, members, methods, optimised=optimize is not None)
    chip = chip_of(target)
    if chip is None:
        raise InputError("a sweep is of integer networks: it needs a target")
    x = samples_of(x)
    if not x.size:
        raise InputError("there are no samples to sweep with")
    classes = None if labels is None else labels_of(labels, len(x))
    jobs, block = (None if n is None else whole(name, n) for name, n in (("jobs", jobs), ("block", block)))
    tell = progress or (lambda what, done, total: None)
    options = import_options(
        input_range=input_range,
        input_step=input_step,
        calibration=calibration,
        calibration_method=calibration_method or "mse",
        calibration_granularity=calibration_granularity,
        percentile=percentile,
        drop=drop,
        output=output,
        progress=partial(tell, "calibration"),
    )
    samples = None
    if optimize is not None:
        samples = checked_samples(samples_of(optimize), None if calibration is None else samples_of(calibration))
    kept = None if store is None else Store(Path(store), __version__)
    optimiser = None if samples is None else Optimiser(samples, kept, tell)
    networks = Networks(model, options, chip, calibration_method, optimiser)
    for setting in settings:
        networks.options_of(setting)  # no error in the middle of the work
    with ExitStack() as stack:
        client = None if scheduler is None else stack.enter_context(cluster.connected(scheduler))
        return swept(
            model, networks, settings, x, classes, store=kept, client=client, jobs=jobs, block=block, tell=tell
        )


def swept(
    model: Model,
    networks: Networks,
    settings: list[Setting],
    x: Array,
    classes: Array | None,
    *,
    tell: Tell,
    store: Store | None = None,
    client: Any = None,
    jobs: int | None = None,
    block: int | None = None,
) -> Sweep:
    """What `sweep` does once everything is checked."""
    job = Job(networks, settings, x, store, tell, block)
    ann = job.reference(model, networks.options)
    results = run_here(job.tasks(), jobs) if client is None else cluster.run(client, job.tasks(), jobs)
    for task, result in results:
        job.take(task, result)
    if len(job.problems) == len(settings):
        raise job.problems[settings[0]]
    rows = [
        job.run_of[s].row(s, job.blocks, classes, ann)
        if s in job.run_of
        else Row(steps=s.steps, members=s.members, method=s.method.name, problem=_in_a_line(job.problems[s]))
        for s in settings
    ]
    return Sweep(
        model=job.name,
        target=networks.target.name,
        samples=len(x),
        ann_accuracy=None if classes is None else float(np.mean(ann == classes)),
        runs=len(job.runs),
        rows=rows,
    )


def _in_a_line(error: CompileError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
