"""The main path, from a model to a network and its runs. Read `compile` first: it is the architecture.

import_model   ONNX -> linear ops and staircases                       frontend/ (plain ReLUs: calibrated first)
compose        one projection per pair of populations                 ir/passes/compose.py
optimise       thresholds, V(0) and biases, from samples, if asked    ganglion/tuning/
group          staircase -> Group Neuron of tau members               ir/passes/group.py
schedule       levels, delays, windows of T steps                     ir/passes/schedule.py
quantize       the target's integers                                  ir/passes/quantize.py
choose_kernels with which arithmetic the simulator computes them      ir/passes/choose_kernels.py
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ganglion import targets, tuning
from ganglion.errors import CompileError, InputError
from ganglion.ir import Array, Graph, Stage, passes
from ganglion.ir.exact import Kernel
from ganglion.ir.file import load, save
from ganglion.ir.slices import first_populations
from ganglion.methods import Method, method_of
from ganglion.samples import samples_of
from ganglion.simulator import Loops, Run
from ganglion.simulator import simulate as run_simulator

if TYPE_CHECKING:
    import onnx

    from ganglion.frontend import NodeStatus, Options


def check(
    model: onnx.ModelProto | str | PathLike[str], *, drop: Sequence[str] = (), output: str | None = None
) -> list[NodeStatus]:
    """What would become of every node of `model`: supported, changed (how), or refused (why, and the remedy).

    `drop` and `output` as for `compile`. Nothing is calibrated or quantised.
    """
    from ganglion import frontend  # imported where needed: onnxruntime and onnxscript take a second to load

    nodes, imported = frontend.preview(model, frontend.Options(drop=_names(drop), output=output))
    if imported is None:
        return nodes
    plain = any("--calibration" in node.note for node in nodes)
    try:
        if not plain:
            passes.run(imported, [partial(passes.compose, relays=False)])
            return nodes
    except CompileError as error:
        alone = "needs a relay population beside it, and so samples (--calibration X.npy)"
        nodes = [
            replace(node, status="changed", note=f"{node.note}; {alone}") if node.name in error.origin else node
            for node in nodes
        ]
    try:
        passes.run(imported, [passes.compose])
    except CompileError as error:  # each layer alone is fine, but not these in a row
        return [
            replace(node, status="refused", note=f"{error.message}; {error.hint}")
            if node.name in error.origin
            else node
            for node in nodes
        ]
    return nodes


def compile(
    model: onnx.ModelProto | str | PathLike[str],
    *,
    steps: int,
    members: int | Literal["levels"] | None = None,
    target: str | PathLike[str] | targets.Target | None = "loihi2",
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
    calibration: Any = None,
    calibration_method: Literal["mse", "percentile", "max"] | None = None,
    calibration_granularity: Literal["layer", "channel"] = "channel",
    percentile: float = 99.99,
    drop: Sequence[str] = (),
    output: str | None = None,
    method: str | Method = "gn",
    optimize: Any = None,
    watch: Callable[[str, Graph], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    optimize_progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """The spiking network that computes what `model` computes.

    model        an ONNX model, or its path, whose activations are staircases (QCFS, or quantised), or plain or clipped
                 ReLUs: plain ones need a calibration; of clipped ones the bound is the threshold without one
    steps        T, time-steps per sample
    members      tau, integrate-and-fire members per Group Neuron; "levels": of each as many as its activation has
                 levels, with which one step is exact even where activations differ in L; 1 by default for a method
                 of one member
    target       whose integers the network uses: "loihi1", "loihi2", a .toml file; None stops before
                 quantisation and gives the float network
    input_range  lowest and highest real value of the input; by default what the model says of itself, else what the
                 calibration has seen, else [-8, 8), with a note
    input_step   the real value of one input code; by default 1/255 of the range
    calibration  samples (N, *shape), as the model takes them: onnxruntime runs the model on them to find the threshold
                 theta of every ReLU, and the ranges of values for which a relay population may stand
    calibration_method       theta minimises the mean squared error of the quantised activation ("mse"), or is a
                             percentile, or the largest value seen ("max"; Deng & Gu, ICLR 2021); by default what
                             `method` says, "mse" for Group Neurons
    calibration_granularity  one theta per "channel" (folded into the weights), or per "layer"
    percentile   of the method of this name
    drop         op types of nodes to leave out, such as ("LRN",); what that costs is the user's to measure
    output       which output to compile, where the model has several
    method       how activations become populations: a name in `ganglion.methods`, or a `Method` with its parameters
    optimize     samples (N, *shape), as the model takes them, on which thresholds, initial potentials and biases are
                 optimised for this T, tau and method, after training: layer by layer, so that the spikes of a window
                 come closest to the source's activations (`ganglion.tuning`); some methods need it
    watch        called with (name of the pass, graph) after every pass
    progress     called with (done, all) calibration samples
    optimize_progress  called with (done, all) populations

    At T = 1 and tau = the activations' levels, the network before quantisation computes the model exactly.
    Raises `CompileError`, naming the nodes, where the model cannot be compiled, and `InputError` for
    unusable options.
    """
    steps, chip, way = whole("steps", steps), chip_of(target), method_of(method)
    if members is None and not way.one_member:
        raise InputError(f"the method '{way.name}' needs a number of members", hint="give members (--members TAU)")
    members = 1 if members is None else members
    tau = way.checked_members(0 if members == "levels" else whole("members", members))
    samples = None
    if optimize is not None:
        seen = None if calibration is None else samples_of(calibration)
        samples = tuning.checked_samples(samples_of(optimize), seen)
    elif way.calibrated:
        raise tuning.needs_samples(way)
    options = import_options(
        input_range=input_range,
        input_step=input_step,
        calibration=calibration,
        calibration_method=calibration_method or way.calibration,
        calibration_granularity=calibration_granularity,
        percentile=percentile,
        drop=drop,
        output=output,
        progress=progress,
    )
    options = for_setting(options, steps=steps, members=tau and way.levels(tau))
    path: list[passes.Pass] = [passes.compose]
    if samples is not None:
        told = optimize_progress
        path.append(partial(tuning.optimise, samples=samples, members=tau, method=way, steps=steps, progress=told))
    path += spiking(steps=steps, members=tau, target=chip, method=way)
    # not kept in a variable: the weights of every stage may be gigabytes
    return passes.run(imported(model, options), path, watch=watch)


def import_options(
    *,
    input_range: tuple[float, float] | None,
    input_step: float | None,
    calibration: Any,
    calibration_method: Literal["mse", "percentile", "max"],
    calibration_granularity: Literal["layer", "channel"],
    percentile: float,
    drop: Sequence[str],
    output: str | None,
    progress: Callable[[int, int], None] | None,
) -> Options:
    """The front end's options from those of `compile`; the calibration's levels and steps are still to be set."""
    from ganglion import frontend

    chosen: frontend.Levels = frontend.Bounds(levels=1)
    if calibration is not None:
        chosen = frontend.Calibration(
            samples=samples_of(calibration),
            levels=1,
            method=calibration_method,
            granularity=calibration_granularity,
            percentile=percentile,
            progress=progress,
        )
    return frontend.Options(
        input_range=None if input_range is None else _pair(input_range),
        input_step=input_step,
        calibration=chosen,
        drop=_names(drop),
        output=output,
    )


def options_of(net: Graph) -> Options:
    """The front end's options with which `net` was compiled, as far as it keeps them: those that decide its weights."""
    from ganglion import frontend

    source = net.input
    return replace(
        frontend.Options.from_recipe(net.recipe),
        input_range=None if source.saturate else source.real_range,
        input_step=None if source.saturate else source.scale,
    )


def for_setting(
    options: Options,
    *,
    steps: int,
    members: int,
    calibration_method: Literal["mse", "percentile", "max"] | None = None,
) -> Options:
    """`options` whose calibration, if any, is for T = `steps` and tau = `members`, and of that method where it is
    given.
    """
    from ganglion import frontend

    if isinstance(options.calibration, frontend.Bounds):  # with which clipped activations have no levels of their own
        return replace(options, calibration=frontend.Bounds(levels=members) if members else None)
    if not isinstance(options.calibration, frontend.Calibration):
        return options
    if not members:
        raise InputError(
            'members="levels" takes the levels that trained activations have; a calibration chooses them',
            hint="give a number of members",
        )
    chosen = calibration_method or options.calibration.method
    within = steps if chosen == "mse" else 1  # no other method looks at the steps
    return replace(options, calibration=replace(options.calibration, levels=members, steps=within, method=chosen))


def chip_of(target: str | PathLike[str] | targets.Target | None) -> targets.Target | None:
    """The target of that name, or in that file."""
    if target is None:
        return None
    return targets.load(target if isinstance(target, (str, targets.Target)) else Path(target))


def imported_network(
    model: onnx.ModelProto | str | PathLike[str],
    options: Options,
    *,
    steps: int,
    members: int,
    target: targets.Target | None = None,
    method: Method | None = None,
    tuned: str = "",
) -> Graph:
    """What `compile` does, with the front end's options; `members` = 0 takes each activation's own levels.

    `tuned` is the record of what was optimised (`Graph.tuning`).
    """
    path = [passes.compose, *spiking(steps=steps, members=members, target=target, method=method)]
    return passes.run(replace(imported(model, options), tuning=tuned), path)


def imported(model: onnx.ModelProto | str | PathLike[str], options: Options) -> Graph:
    """`model` in the IR, with its checksum."""
    from ganglion import frontend

    return replace(frontend.import_model(model, options), source=checksum(model))


def spiking(
    *, steps: int, members: int, target: targets.Target | None, method: Method | None = None
) -> list[passes.Pass]:
    """The passes behind `compose`: those that depend on T and tau, on the method, and on what was optimised."""
    path: list[passes.Pass] = [
        partial(tuning.group, members=members, method=method or method_of("gn"), steps=steps),
        partial(passes.schedule, steps=steps, max_delay=None if target is None else target.max_delay),
    ]
    return path if target is None else [*path, partial(passes.quantize, target=target), passes.choose_kernels]


def expand_clusters(net: Graph | str | PathLike[str]) -> Graph:
    """The cluster form of `net`: every Group Neuron as tau integrate-and-fire populations with lateral inhibition.

    Raises `InputError` where `net` is not quantised.
    """
    graph = opened(net)
    if graph.stage != Stage.QUANTIZED:
        raise InputError(
            f"'{graph.name}' is at stage {graph.stage.name.lower()}; only a quantised network has clusters"
        )
    return passes.run(graph, [passes.expand_clusters])


def simulate(
    net: Graph | str | PathLike[str],
    x: Any,
    *,
    engine: Literal["layer", "step"] = "layer",
    record: Literal["all"] | Iterable[str] | None = None,
    lanes: int = 1,
    kernel: Kernel | None = None,
    loops: Loops | None = None,
    jobs: int | None = None,
    given: Mapping[str, Array] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Send the samples `x` (N, *shape), in the model's real units, through `net`; see `ganglion.simulator.simulate`."""
    return run_simulator(
        opened(net),
        samples_of(x),
        engine=engine,
        record=record,
        lanes=lanes,
        kernel=kernel,
        loops=loops,
        jobs=jobs,
        given=given,
        progress=progress,
    )


def emit(
    net: Graph | str | PathLike[str],
    backend: str,
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    populations: int | None = None,
) -> Path:
    """Write `net` for `backend`, a name in `ganglion.backends`, to `path`, which it returns.

    What is written needs no ganglion. It is whole or not there; what is there already is replaced only with
    `overwrite`. `populations` leaves all but the first so many out, and the readout, for a backend that takes such a
    slice. Raises `CompileError` with every reason why the backend cannot take the network.
    """
    from ganglion.backends import BACKENDS

    if backend not in BACKENDS:
        raise InputError(f"unknown backend '{backend}'", hint=f"one of {', '.join(BACKENDS)}")
    graph = opened(net)
    if populations is not None:
        graph = first_populations(graph, whole("populations", populations))
    return BACKENDS[backend].emit(graph, Path(path), overwrite=overwrite)


def opened(net: Graph | str | PathLike[str]) -> Graph:
    """`net` itself, or the network in the file of that name."""
    if isinstance(net, Graph):
        return net
    if not isinstance(net, (str, PathLike)):
        raise InputError(f"expected a network or the path of one, got {type(net).__name__}")
    return load(Path(net))


def checksum(model: onnx.ModelProto | str | PathLike[str]) -> str:
    """The first digits of the SHA-256 of a model as it was given, by which a network knows its source."""
    data = (
        Path(model).read_bytes() if isinstance(model, (str, PathLike)) else model.SerializeToString(deterministic=True)
    )
    return hashlib.sha256(data).hexdigest()[:16]


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as a whole number of at least `least`; `InputError` names the option otherwise."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name}={value!r}: it must be a whole number") from None
    if isinstance(value, (bool, np.bool_)) or number < least:
        raise InputError(f"{name}={value!r}: it must be a whole number of at least {least}")
    return number


def _names(drop: Sequence[str]) -> tuple[str, ...]:
    return (drop,) if isinstance(drop, str) else tuple(drop)


def _pair(values: Any) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in (() if isinstance(values, str) else values))
    except (TypeError, ValueError):
        raise InputError(f"input_range={values!r}: it must be two numbers, LOW and HIGH") from None
    return low, high


__all__ = ["check", "compile", "emit", "expand_clusters", "load", "opened", "save", "simulate"]
