"""The command line of a network, and its run."""

# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from . import channels, guard
from .cluster import ClusterModel
from .endpoints import Recorder
from .neurons import GradedModel, GroupNeuron

FORMS = {"graded": GradedModel, "cluster": ClusterModel}
EXIT_BAD_INPUT = 2
SHUTDOWN = 10.0  # seconds


@dataclass(frozen=True)
class Network:
    """The processes of a network: where it begins, what can be recorded, and how it ends.

    `populations` and `readout` are named as in the compiled network; the keys of the output file.
    """

    source: AbstractProcess
    populations: dict[str, AbstractProcess]
    readout: tuple[str, AbstractProcess]


@dataclass(frozen=True)
class Facts:
    """What the command line has to know: the input's shape and range, T, the highest level, and the forms there are."""

    name: str
    shape: tuple[int, ...]
    low: int
    high: int
    steps: int
    depth: int
    forms: tuple[str, ...] = ("cluster", "graded")


class BadInput(Exception):  # noqa: N818
    """What the user gave cannot be used."""


def main(build: Callable[[np.ndarray], Network], facts: Facts, arguments: Sequence[str] | None = None) -> int:
    """Run the network that `build` makes for input codes (N, *shape). Returns the exit code."""
    parser = argparse.ArgumentParser(description=f"Run the spiking network '{facts.name}' on Lava.")
    parser.add_argument("--input", required=True, type=Path, help="input codes, integers (N, *shape), .npy")
    parser.add_argument("--output", required=True, type=Path, help="the counts (T, N, *shape) by population, .npz")
    parser.add_argument("--form", choices=facts.forms, default="graded", help="one neuron, or a cluster of members")
    parser.add_argument("--record", default="all", help="'all', name,name,... or a JSON list of names")
    parser.add_argument("--samples", type=int, help="only the first SAMPLES samples")
    args = parser.parse_args(arguments)
    try:
        codes = read_codes(args.input, facts, args.samples)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    run = guard.install()
    channels.mend()
    folder = Path(tempfile.mkdtemp(prefix="ganglion-lava-"))
    guard.on_signals(run, folder)
    try:
        execute(build(codes), facts, len(codes), args.form, args.record, folder, args.output, run)
    except (BadInput, guard.LimitError) as error:
        guard.abort(run, folder, EXIT_BAD_INPUT, str(error))
    except BaseException:
        guard.abort(run, folder, guard.EXIT_DIED, f"Lava failed:\n{traceback.format_exc()}")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def read_codes(path: Path, facts: Facts, samples: int | None) -> np.ndarray:
    """The input codes (N, *shape), checked."""
    try:
        codes: np.ndarray = np.load(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from None
    if codes.shape[1:] != facts.shape or not np.issubdtype(codes.dtype, np.integer):
        raise BadInput(
            f"{path}: expected integers (N, {', '.join(map(str, facts.shape))}), got {codes.dtype} {codes.shape}"
        )
    codes = codes[:samples]
    if not len(codes):
        raise BadInput(f"{path}: no samples")
    if int(codes.min()) < facts.low or int(codes.max()) > facts.high:
        raise BadInput(f"{path}: codes {codes.min()}..{codes.max()} are not within {facts.low}..{facts.high}")
    return codes


def execute(
    network: Network, facts: Facts, samples: int, form: str, record: str, folder: Path, output: Path, run: str
) -> None:
    """Compile, run all samples back to back, and `depth` steps more until the last one has come out."""
    begin = time.perf_counter()
    files = attach_recorders(network, record, folder)
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map={GroupNeuron: FORMS[form]})
    executable = network.source.compile(config, {"pypy_channel_size": 2})
    names = [process.name for process in executable.proc_builders]
    guard.check_limits(len(names), channel_sizes(executable))
    watch = guard.Watch(
        lambda: actors(network.source),
        names,
        lambda reason: guard.abort(run, folder, guard.EXIT_DIED, reason),
    )
    network.source.create_runtime(run_cfg=config, executable=executable)
    started = time.perf_counter()
    total = samples * facts.steps + facts.depth
    for done in range(facts.steps, total - facts.depth + 1, facts.steps):
        network.source.run(condition=RunSteps(num_steps=facts.steps))
        print(f"step {done}/{total}", flush=True)
    network.source.run(condition=RunSteps(num_steps=facts.depth))
    ended = time.perf_counter()
    watch.stop()
    write_output(files, output)
    times = {"start_seconds": started - begin, "run_seconds": ended - started}
    print("done " + json.dumps({"processes": len(names), "steps": total, **times}), flush=True)
    with guard.at_most(SHUTDOWN, run, folder, "Lava did not stop and was killed; the output is complete"):
        network.source.stop()


def attach_recorders(network: Network, record: str, folder: Path) -> dict[str, Path]:
    """A recorder at each population asked for, and at the readout; returns their files by name."""
    known = network.populations
    try:
        listed = json.loads(record) if record.startswith("[") else [name for name in record.split(",") if name]
    except ValueError:
        raise BadInput(f"--record {record}: not a JSON list") from None
    asked = list(known) if record == "all" else listed
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise BadInput(f"no population {', '.join(unknown)}; there are: {', '.join(known)}")
    files = {}
    for i, (name, process) in enumerate([*((n, known[n]) for n in asked), network.readout]):
        p = process.proc_params
        files[name] = folder / f"{i}.npy"
        recorder = Recorder(
            name=f"{process.name}#recorder",
            shape=p["shape"],
            window=p["window"],
            path=str(files[name]),
            dtype=smallest(p["low"], p["high"]),
        )
        process.s_out.connect(recorder.a_in)
    return files


def smallest(low: int, high: int) -> str:
    """The smallest type for counts low..high."""
    return next(t for t in ("uint8", "int16", "int32") if np.iinfo(t).min <= low and high <= np.iinfo(t).max)


def channel_sizes(executable: Any) -> list[int]:
    """The size in bytes of every channel between processes, and of the two that control each process."""
    ports = [channel.src_port_initializer for channel in executable.channel_builders]
    data = [prod(p.shape) * np.dtype(p.d_type).itemsize * p.size for p in ports]
    return data + [1] * 2 * (len(executable.proc_builders) + 1)


def actors(process: AbstractProcess) -> list[Any]:
    """Lava's OS processes, as far as they have been started: leaf processes in order, then Lava's services."""
    infrastructure = getattr(process.runtime, "_messaging_infrastructure", None)
    return list(infrastructure.actors) if infrastructure else []


def write_output(files: dict[str, Path], output: Path) -> None:
    """The recorded arrays as one .npz file, under their names, whatever characters these have."""
    part = output.with_name(output.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            with open(path, "rb") as source, archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as out:
                shutil.copyfileobj(source, out, 2**20)
    part.replace(output)
