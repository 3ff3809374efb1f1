"""The main path, from a model to a network and its runs. Read `compile` first: it is the architecture.

import_model   ONNX -> linear ops and staircases                       frontend/
compose        one projection per pair of populations                 ir/passes/compose.py
group          staircase -> Group Neuron of tau members               ir/passes/group.py
schedule       levels, delays, windows of T steps                     ir/passes/schedule.py
quantize       the target's integers                                  ir/passes/quantize.py
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ganglion import targets
from ganglion.errors import CompileError, InputError
from ganglion.ir import Array, Graph, Stage, passes
from ganglion.ir.file import load, save
from ganglion.simulator import Run
from ganglion.simulator import simulate as run_simulator

if TYPE_CHECKING:
    import onnx

    from ganglion.frontend import NodeStatus


def check(model: onnx.ModelProto | str | PathLike[str]) -> list[NodeStatus]:
    """What would become of every node of `model`: supported, changed (how), or refused (why, and the remedy)."""
    from ganglion import frontend  # imported where needed: onnxruntime and onnxscript take a second to load

    nodes = frontend.check(model)
    if any(node.status == "refused" for node in nodes):
        return nodes
    try:
        passes.run(frontend.import_model(model), [passes.compose])
    except CompileError as error:  # each layer alone is fine, but not these in a row
        return [
            replace(node, status="refused", note=error.message) if node.name in error.origin else node for node in nodes
        ]
    return nodes


def compile(
    model: onnx.ModelProto | str | PathLike[str],
    *,
    steps: int,
    members: int | Literal["levels"],
    target: str | PathLike[str] | targets.Target | None = "loihi2",
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
    watch: Callable[[str, Graph], None] | None = None,
) -> Graph:
    """The spiking network that computes what `model` computes.

    model        an ONNX model, or its path, whose activations are staircases (QCFS, or quantised)
    steps        T, time-steps per sample
    members      tau, integrate-and-fire members per Group Neuron; "levels": of each as many as its activation has
                 levels, with which one step is exact even where activations differ in L
    target       whose integers the network uses: "loihi1", "loihi2", a .toml file; None stops before
                 quantisation and gives the float network
    input_range  lowest and highest real value of the input; by default what the model says of itself, else
                 [-8, 8), with a note
    input_step   the real value of one input code; by default 1/255 of the range
    watch        called with (name of the pass, graph) after every pass

    At T = 1 and tau = the activations' levels, the network before quantisation computes the model exactly.
    Raises `CompileError`, naming the nodes, where the model cannot be compiled, and `InputError` for
    unusable options.
    """
    from ganglion import frontend

    steps, tau = whole("steps", steps), 0 if members == "levels" else whole("members", members)
    if input_range is not None:
        input_range = _pair(input_range)
    chip = (
        None if target is None else targets.load(target if isinstance(target, (str, targets.Target)) else Path(target))
    )
    path: list[passes.Pass] = [
        passes.compose,
        partial(passes.group, members=tau),
        partial(passes.schedule, steps=steps),
    ]
    if chip is not None:
        path.append(partial(passes.quantize, target=chip))
    imported = frontend.import_model(model, input_range=input_range, input_step=input_step)
    return passes.run(replace(imported, source=checksum(model)), path, watch=watch)


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
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Send the samples `x` (N, *shape), in the model's real units, through `net`; see `ganglion.simulator.simulate`."""
    try:
        samples = np.asarray(x)
    except ValueError as error:  # a list whose samples differ in shape
        raise InputError(f"the samples are not one array: {error}") from error
    return run_simulator(opened(net), samples, engine=engine, record=record, lanes=lanes, progress=progress)


def emit(
    net: Graph | str | PathLike[str], backend: str, folder: str | PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write `net` for `backend` ("lava") as a bundle that needs no ganglion; returns the folder."""
    from ganglion.backends import BACKENDS

    if backend not in BACKENDS:
        raise InputError(f"unknown backend '{backend}'", hint=f"one of {', '.join(BACKENDS)}")
    return BACKENDS[backend].emit(opened(net), Path(folder), overwrite=overwrite)


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


def _pair(values: Any) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in (() if isinstance(values, str) else values))
    except (TypeError, ValueError):
        raise InputError(f"input_range={values!r}: it must be two numbers, LOW and HIGH") from None
    return low, high


def labels_of(labels: Any, n: int) -> Array:
    """The first `n` labels as integers (n,); `InputError` where they are not one class per sample."""
    classes = np.asarray(labels)[:n]
    if classes.shape != (n,) or not np.issubdtype(classes.dtype, np.integer):
        shape = np.asarray(labels).shape
        raise InputError(f"the labels are {classes.dtype} of shape {shape}; expected {n} integers, one per sample")
    return classes


def array(path: str | PathLike[str], what: str) -> Array:
    """The only array in a .npy or .npz file; `what` it is for goes into the error."""
    try:
        data = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        message = f"cannot read the {what} {path}: it is not a NumPy file of numbers, or is cut off"
        raise InputError(message, hint="give a .npy or .npz file") from error
    if isinstance(data, np.ndarray):
        return data
    with data:
        if len(data.files) != 1:
            raise InputError(f"{path} holds {len(data.files)} arrays; expected one {what}")
        return np.asarray(data[data.files[0]])


__all__ = ["array", "check", "compile", "emit", "expand_clusters", "load", "opened", "save", "simulate"]
