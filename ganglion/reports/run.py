"""report: everything that is known of a network and its model, measured and written as one page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganglion import methods
from ganglion.errors import CompileError, GanglionWarning, InputError
from ganglion.ir import Array, Graph, Stage, size
from ganglion.ir.file import write_whole
from ganglion.pipeline import checksum, imported_network, opened, options_of, simulate, whole
from ganglion.samples import labels_of, samples_of
from ganglion.simulator.run import check_range
from ganglion.sweeps.run import swept
from ganglion.sweeps.settings import Members, Networks, Setting, settings_of
from ganglion.targets import Target

from .data import summary_of
from .page import page
from .recording import Firing, firing_of, raster_of
from .result import Report, ReportData

if TYPE_CHECKING:
    import onnx

    Model = onnx.ModelProto | str | PathLike[str]

SHOWN = 4  # samples whose spikes are shown neuron by neuron
RECORDED = 1 << 27  # spike counts, of which no more are recorded for them
Tell = Callable[[str, int, int], None]


def report(
    net: Graph | str | PathLike[str],
    model: Model,
    x: Any,
    labels: Any = None,
    *,
    path: str | PathLike[str],
    samples: int | None = None,
    sweep: bool = True,
    steps: Sequence[int] | None = None,
    members: Sequence[Members] | None = None,
    target: str | PathLike[str] | Target | None = None,
    jobs: int | None = None,
    progress: Tell | None = None,
) -> Report:
    """Measure `net` beside the `model` that it was compiled from, and write all that as one HTML file at `path`.

    x         the samples (N, *shape) in the model's real units; only the first `samples` of them
    labels    the right class of each; without them, accuracy is the share of samples with the source's class
    sweep     also show accuracy and spikes at every T of `steps` and tau of `members`, and plain integrate-and-fire
              neurons beside Group Neurons; by default T = 1, 2, 4, 8 and tau = 1, 4, and the network's own
    target    what `net` was compiled for, where that is a description of the user's own
    jobs      threads that simulate; by default one per core
    progress  called with (what, done, all)

    The page needs no network and no other file. Raises `InputError` for files, arrays and options that do not fit,
    before any work; the page is written whole or not at all.
    """
    from ganglion.ledger import known_target, ledger_of

    path = Path(path)
    net = opened(net)
    x, classes = _checked(net, x, labels, samples)
    _check_place(path)
    chip = known_target(net, target)
    if not sweep and (steps is not None or members is not None):
        raise InputError("without a sweep there are no other T and tau", hint="give neither, or leave out --no-sweep")
    settings = _settings(net, steps, members) if sweep else []
    jobs = None if jobs is None else whole("jobs", jobs)
    tell = progress or (lambda what, done, total: None)
    title = Path(model).name if isinstance(model, (str, PathLike)) else model.graph.name or "model"

    ledger = ledger_of(model, net, x, classes, target=chip, progress=tell)
    run = simulate(net, x, jobs=jobs, progress=lambda done, total: tell("simulating", done, total))
    neurons = sum(size(net.typeof(op.name).shape) for op in net.populations)
    few = x[: max(1, min(SHOWN, RECORDED // (neurons * net.steps)))]
    raster = raster_of(net, few)
    notes, found = list(ledger.notes), None
    if net.source and checksum(model) != net.source:
        notes.append(f"The network was not compiled from {title}, or the file has changed since.")
        warnings.warn(notes[-1], GanglionWarning, stacklevel=2)
    firing: dict[str, Firing] = {}
    if sweep:
        options = options_of(net)
        found = swept(model, Networks(model, options, chip), settings, x, classes, tell=tell, jobs=jobs)
        notes += [f"T = {r.steps}, τ = {r.members} is missing: {r.problem}" for r in found.rows if r.problem]
        if options.calibration is not None:
            notes.append(
                "The thresholds θ were calibrated for this network's own T and τ, and the other settings use them too; "
                "calibrated for themselves, they may do better."
            )
        try:
            plain = imported_network(model, options, steps=net.steps, members=1, target=chip)
        except CompileError as error:
            notes.append(f"There are no firing rates of τ = 1: {error.message}")
        else:
            firing = firing_of(net, plain, few)
    data = ReportData(
        net=net, model=title, run=run, ledger=ledger, raster=raster, sweep=found, firing=firing, notes=notes
    )
    write_whole(path, page(data).encode())
    return Report(path, summary_of(data))


def _checked(net: Graph, x: Any, labels: Any, samples: int | None) -> tuple[Array, Array | None]:
    """The samples and the labels that are used; `InputError` where they do not fit the network."""
    if net.stage != Stage.QUANTIZED:
        raise InputError(f"'{net.name}' is at stage {net.stage.name.lower()}; a report is of a quantised network")
    x = samples_of(x)[: None if samples is None else whole("samples", samples)]
    if not x.size:
        raise InputError("there are no samples to report on")
    check_range(net, x)
    if labels is None:
        return x, None
    classes = labels_of(labels, len(x))
    many = size(net.typeof(net.readout.name).shape)
    wrong = np.flatnonzero((classes < 0) | (classes >= many))
    if len(wrong):
        raise InputError(
            f"the label of sample {wrong[0]} is {classes[wrong[0]]}, but '{net.name}' has {many} classes",
            hint="labels count from 0",
        )
    return x, classes


def _check_place(path: Path) -> None:
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise InputError(f"cannot write {path}: it exists and is not a regular file")
    if not path.resolve().parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}", hint="create it first")


def _settings(net: Graph, steps: Sequence[int] | None, members: Sequence[Members] | None) -> list[Setting]:
    """Every T with every tau, by the network's own method; by default its own T and tau among them."""
    way = methods.from_text(net.method)
    if way.calibrated:  # which one network's samples have corrected
        way = methods.GroupNeurons()
    own: Members = net.members or "levels"
    windows = sorted({1, 2, 4, 8, net.steps}) if steps is None else steps
    taus: Sequence[Members] = members if members is not None else [*dict.fromkeys((1, 4, own))]
    return settings_of(windows, taus, (way,))
