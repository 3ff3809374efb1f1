"""The bundle: a folder that runs with SANA-FE and numpy alone.

arch.yaml          the chip, in SANA-FE's format
network.yaml       the neurons and the cores that hold them, in SANA-FE's format
weights.npz        synapses, biases and lateral inhibition
run.py             the program: connects, runs sample by sample, counts
ganglion_sanafe/   what the program consists of
ganglion.json      what the bundle is: populations, windows, projections; and checksums of what was written
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ganglion.backends.folders import read_marker, refuse, write_folder
from ganglion.ir import Graph, Readout, dims

from .architecture import architecture_text, chip
from .diagnose import check
from .network import network_text
from .placement import placement
from .populations import Population, populations
from .synapses import synapses

LIBRARY = Path(__file__).with_name("library")
LIBRARY_NAME, INSTALLED_AS = "ganglion_sanafe", "ganglion.backends.sanafe.library"
PROGRAM, WEIGHTS = "run.py", "weights.npz"
KIND, VERSION = "sanafe", 2


def emit(graph: Graph, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write the bundle of a quantized network, or of a slice of one, into `folder` and return it; see
    `folders.write_folder`.

    Raises `CompileError` with everything that `check` finds, `InputError` where `folder` may not be written.
    """
    refuse(check(graph), "run on SANA-FE")
    return write_folder(folder, KIND, VERSION, partial(write, graph), overwrite=overwrite)


def about(bundle: Path) -> dict[str, Any]:
    """What a bundle says of itself. Raises `InputError` where `bundle` is not a bundle for SANA-FE."""
    return read_marker(bundle, KIND, VERSION, "SANA-FE")


def write(graph: Graph, folder: Path) -> dict[str, Any]:
    """Write the files of the bundle into an empty folder; returns what the bundle says of itself."""
    found, placed = populations(graph), placement(graph, chip())
    projections, arrays = synapses(graph, found)
    for p in found:
        arrays |= {f"{p.label}.bias": p.bias, f"{p.label}.inhibition": p.inhibition}
    (folder / "arch.yaml").write_text(architecture_text(placed.width, placed.height, placed.tiles), encoding="utf-8")
    (folder / "network.yaml").write_text(network_text(graph, found, placed.shares), encoding="utf-8")
    (folder / PROGRAM).write_text(program_text(graph, found, placed.cores), encoding="utf-8")
    np.savez_compressed(folder / WEIGHTS, **arrays)  # type: ignore[arg-type]  # numpy types the keys as options
    (folder / LIBRARY_NAME).mkdir()
    for source in sorted(LIBRARY.glob("*.py")):
        text = source.read_text(encoding="utf-8").replace(INSTALLED_AS, LIBRARY_NAME)
        (folder / LIBRARY_NAME / source.name).write_text(text, encoding="utf-8")
    return {
        "name": graph.name,
        "steps": graph.steps,
        "depth": graph.depth,
        "cores": placed.cores,
        "tiles": placed.tiles,
        "placement": {"mapped": placed.mapped, "told": placed.told},
        "input": {"shape": graph.input.shape, "low": graph.input.low, "high": graph.input.high},
        "membranes": [p.about() for p in found],
        "projections": projections,
    }


def program_text(graph: Graph, found: list[Population], cores: int) -> str:
    """run.py."""
    source, members = graph.input, sum(p.thresholds.size for p in found)
    part = "" if graph.of(Readout) else ", the first populations of a larger network"
    return TEMPLATE.format(
        name=" ".join(graph.name.split()).replace("\\", "/").replace('"', "'"),
        part=part,
        populations=sum(not p.readout for p in found),
        members=members,
        cores=cores,
        steps=graph.steps,
        low=source.low,
        high=source.high,
        shape=dims(source.shape),
        zero=source.zero_point,
        scale=f"{source.scale:.9g}",
    )


TEMPLATE = '''\
# /// script
# requires-python = ">=3.10"
# dependencies = ["sanafe==2.2.9", "numpy"]
# ///
"""The spiking network "{name}"{part}, on SANA-FE; written by ganglion.

{populations} populations of {members} members on {cores} cores of Loihi 1; T = {steps} time-steps per sample.

    python run.py --input codes.npy --output counts.npz

`codes.npy` holds integers (N, *shape) of {low}..{high}, shape {shape}; code c stands for (c - {zero}) * {scale}.
`counts.npz` holds the spike counts (T, N, *shape) of each population, the potentials (T, N, *shape) of the readout,
and by sample, (N,), what SANA-FE says of the chip: "sanafe:energy_total" in J (and _synapse, _dendrite, _soma,
_network), "sanafe:latency" in s. They are of one sample alone on the chip, without static power and without the work
of turning the input into currents.
"""

import sys
from pathlib import Path

from ganglion_sanafe import requirements

requirements.check()  # ends here where SANA-FE is missing, and says how to get it

from ganglion_sanafe.program import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
'''
