"""The bundle: a folder that runs with lava-nc and numpy alone.

network.py        the network, to be read and edited
weights.npz       its weights and larger tables
ganglion_lava/    the process library
ganglion.json     what the bundle is, and checksums of what was written
"""

from __future__ import annotations

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ganglion.backends.folders import read_marker, refuse, write_folder
from ganglion.ir import Graph, GroupNeuron, MaxPool, PhaseNeuron, dims, size

from .blocks import block
from .diagnose import check
from .names import CONNECTIONS, NEURONS, one_line, quoted
from .writer import Program

LIBRARY = Path(__file__).with_name("library")
LIBRARY_NAME, INSTALLED_AS = "ganglion_lava", "ganglion.backends.lava.library"
PROGRAM, WEIGHTS = "network.py", "weights.npz"
KIND, VERSION = "lava", 2


def emit(graph: Graph, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write the bundle of a quantized network into `folder` and return it; see `folders.write_folder`.

    Raises `CompileError` with everything that `check` finds, `InputError` where `folder` may not be written.
    """
    refuse(check(graph), "run on Lava")
    return write_folder(folder, KIND, VERSION, partial(write, graph), overwrite=overwrite)


def about(bundle: Path) -> dict[str, Any]:
    """What a bundle says of itself. Raises `InputError` where `bundle` is not a bundle for Lava."""
    return read_marker(bundle, KIND, VERSION, "Lava")


def write(graph: Graph, folder: Path) -> dict[str, Any]:
    """Write the files of the bundle into an empty folder; returns what the bundle says of itself."""
    program = Program(graph)
    (folder / PROGRAM).write_text(program_text(program), encoding="utf-8")
    np.savez(folder / WEIGHTS, **program.arrays)  # type: ignore[arg-type]  # numpy types the keys as options
    for source in sorted(LIBRARY.rglob("*.py")):
        target = folder / LIBRARY_NAME / source.relative_to(LIBRARY)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8").replace(INSTALLED_AS, LIBRARY_NAME), encoding="utf-8")
    return {
        "name": graph.name,
        "steps": graph.steps,
        "input": {"shape": graph.input.shape, "low": graph.input.low, "high": graph.input.high},
        "populations": [op.name for op in graph.populations],
        "readout": graph.readout.name,
        "forms": forms_of(graph),
    }


def forms_of(graph: Graph) -> list[str]:
    """The forms in which the network can run: not every population has one of explicit members."""
    return ["graded"] if any(op.graded_only for op in graph.of(GroupNeuron)) else ["cluster", "graded"]


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
        neurons=neurons_in_words(graph),
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


def neurons_in_words(graph: Graph) -> str:
    """How many neurons it has, by kind."""
    groups, phases = (
        sum(size(graph.typeof(op.name).shape) for op in graph.ops if isinstance(op, kind))
        for kind in (GroupNeuron, PhaseNeuron)
    )
    counts = [f"{groups} Group Neurons"] if groups or not phases else []
    return " and ".join([*counts, *([f"{phases} phase neurons"] if phases else [])])


TEMPLATE = '''\
# /// script
# requires-python = "==3.10.*"
# dependencies = ["lava-nc==0.10.0", "numpy<2"]
# ///
"""The spiking network "{name}" as a Lava process graph, written by ganglion.

{populations}, {neurons}; T = {steps} time-steps per sample; the readout is at level {depth}.

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
