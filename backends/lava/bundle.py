"""The bundle: a folder that runs with lava-nc and numpy alone.

network.py        the network, to be read and edited
weights.npz       its weights and larger tables
ganglion_lava/    the process library
ganglion.json     what the bundle is, and checksums of what was written
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from ganglion.errors import CompileError, InputError
from ganglion.ir import Graph, GroupNeuron, MaxPool, dims, size

from .blocks import block
from .diagnose import check
from .names import CONNECTIONS, NEURONS, one_line, quoted
from .writer import Program

LIBRARY = Path(__file__).with_name("library")
LIBRARY_NAME, INSTALLED_AS = "ganglion_lava", "ganglion.backends.lava.library"
MARKER, PROGRAM, WEIGHTS = "ganglion.json", "network.py", "weights.npz"
VERSION = 2


def emit(graph: Graph, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write the bundle of a quantized network into `folder` and return it.

    It is written beside `folder` and renamed. A bundle that is there already is replaced only with `overwrite`; a
    folder that is not a bundle, or holds files that are not the bundle's, never is.

    Raises `CompileError` with everything that `check` finds, `InputError` where `folder` may not be written.
    """
    found = check(graph)
    if found:
        listed = "\n".join(f"  {d}" for d in found)
        hints = dict.fromkeys(d.hint for d in found if d.hint)
        raise CompileError(f"the network cannot run on Lava:\n{listed}", hint="; ".join(hints))
    folder = Path(folder)
    check_writable(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            new, old = work / "new", work / "old"
            new.mkdir()
            write(graph, new)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error}") from error
    return folder


def check_writable(folder: Path, *, overwrite: bool) -> None:
    """Raise `InputError` unless `folder` is free, empty, or a bundle that may be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise InputError(f"{folder} exists and is not a folder", hint="choose another place for the bundle")
    if not any(folder.iterdir()):
        return
    try:
        bundle = read_marker(folder)
    except InputError:
        raise InputError(
            f"{folder} exists and was not written by ganglion", hint="choose another folder, or empty this one"
        ) from None
    if not overwrite:
        raise InputError(f"{folder} holds a bundle of '{bundle['name']}' already", hint="--overwrite replaces it")
    there = {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }
    foreign = sorted(there - set(bundle["files"]) - {MARKER})
    if foreign:
        raise InputError(f"{folder} holds files that are not the bundle's: {', '.join(foreign)}", hint="move them away")


def read_marker(folder: Path) -> dict[str, Any]:
    """What a bundle says of itself. Raises `InputError` where `folder` is not a bundle."""
    try:
        bundle = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} is not a Lava bundle: {error}", hint="write one with `ganglion emit`") from None
    if not isinstance(bundle, dict) or bundle.get("ganglion_lava_bundle") != VERSION:
        raise InputError(f"{folder} is not a Lava bundle of version {VERSION}", hint="write it again")
    return bundle


def write(graph: Graph, folder: Path) -> None:
    """Write the files of the bundle into an empty folder."""
    program = Program(graph)
    (folder / PROGRAM).write_text(program_text(program), encoding="utf-8")
    np.savez(folder / WEIGHTS, **program.arrays)  # type: ignore[arg-type]  # numpy types the keys as options
    for source in sorted(LIBRARY.rglob("*.py")):
        target = folder / LIBRARY_NAME / source.relative_to(LIBRARY)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8").replace(INSTALLED_AS, LIBRARY_NAME), encoding="utf-8")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    marker = {
        "ganglion_lava_bundle": VERSION,
        "name": graph.name,
        "steps": graph.steps,
        "input": {"shape": graph.input.shape, "low": graph.input.low, "high": graph.input.high},
        "populations": [op.name for op in graph.populations],
        "readout": graph.readout.name,
        "forms": forms_of(graph),
        "files": {name: checksum(folder / name) for name in files},
    }
    (folder / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")


def forms_of(graph: Graph) -> list[str]:
    """The forms in which the network can run: not every population has one of explicit members."""
    return ["graded"] if any(op.graded_only for op in graph.of(GroupNeuron)) else ["cluster", "graded"]


def checksum(path: Path) -> str:
    """The SHA-256 of a file, "" where it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def program_text(program: Program) -> str:
    """network.py."""
    graph = program.graph
    body = "\n\n".join(block(program, op) for op in graph.ops)  # fills in the rest of `program`
    populations = graph.populations
    listed = "".join(f"\n            {quoted(op.name)}: {program.names[op.name]}," for op in populations)
    pools = len(graph.of(MaxPool))
    return TEMPLATE.format(
        name=one_line(graph.name),
        shape=dims(graph.input.shape), low=graph.input.low, high=graph.input.high,
        scale=f"{graph.input.scale:.9g}", zero=graph.input.zero_point,
        steps=graph.steps, depth=graph.depth,
        populations=f"{len(populations)} populations" + (f" ({pools} of them max-pools)" if pools else ""),
        neurons=sum(size(graph.typeof(op.name).shape) for op in graph.of(GroupNeuron)),
        readout=one_line(graph.readout.name), unit=f"{program.names[graph.readout.name]}.unit",
        connections=", ".join(sorted(program.processes & CONNECTIONS)),
        neuron_kinds=", ".join(sorted(program.processes & NEURONS)),
        facts=f"name={quoted(graph.name)}, shape={graph.input.shape!r}, low={graph.input.low}, high={graph.input.high}",
        forms="" if len(forms_of(graph)) > 1 else f", forms={tuple(forms_of(graph))!r}",
        body=textwrap.indent(body, "    "),
        source=program.names[graph.input.name],
        population_map=f"{{{listed}\n        }}" if populations else "{}",
        readout_pair=f"({quoted(graph.readout.name)}, {program.names[graph.readout.name]})",
    )  # fmt: skip


TEMPLATE = '''\
# /// script
# requires-python = "==3.10.*"
# dependencies = ["lava-nc==0.10.0", "numpy<2"]
# ///
"""The spiking network "{name}" as a Lava process graph, written by ganglion.

{populations}, {neurons} Group Neurons; T = {steps} time-steps per sample; the readout is at level {depth}.

    python network.py --input codes.npy --output counts.npz
    python network.py --input codes.npy --output counts.npz --form cluster --record all --samples 2

`codes.npy` holds integers (N, *shape) of {low}..{high}, shape {shape}; code c stands for (c - {zero}) * {scale}.
`counts.npz` holds the spike counts (T, N, *shape) of each recorded population, and as "{readout}" the
readout's potentials V (T, N, *shape); the logits are V[-1] * unit / T, with unit = weights.npz["{unit}"].

It needs Python 3.10, lava-nc 0.10.0 and numpy < 2:  uv run network.py ...  installs them.
"""

import sys
from pathlib import Path

from ganglion_lava import requirements

requirements.check()  # ends here where Lava is missing, and says how to get it

from ganglion_lava.connections import {connections}
from ganglion_lava.endpoints import InputSource
from ganglion_lava.neurons import {neuron_kinds}
from ganglion_lava.program import Facts, Network, main

import numpy as np  # after ganglion_lava, which sets one thread per process

T = {steps}  # time-steps per sample
FACTS = Facts({facts}, steps=T, depth={depth}{forms})


def build(codes):
    """The processes and their connections, for input codes (N, *shape). Ports are flat, in C order."""
    N = len(codes)  # samples, back to back
    W = np.load(Path(__file__).with_name("weights.npz"))

{body}

    return Network(
        source={source},
        populations={population_map},
        readout={readout_pair},
    )


if __name__ == "__main__":
    sys.exit(main(build, FACTS))
'''
