"""SANA-FE: a compiled network in cluster form, for an independent count of spikes, energy and latency.

diagnose.py       what stands in the way
populations.py    the clusters as groups of neurons
synapses.py       the projections as SANA-FE connects groups
mapped.py         the places that a network's mapping gives
placement.py      which core holds which neurons: as mapped, or in order
architecture.py   arch.yaml, from the target's numbers
network.py        network.yaml
bundle.py         the folder, written whole or not at all
library/          the program that is copied into it; needs SANA-FE, so it is never imported here
interpreter.py    finding a Python that has SANA-FE
runner.py         running a bundle in a process group of its own, under a time limit
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ganglion.backends.interpreters import describe
from ganglion.backends.protocol import Backend

from .bundle import PROGRAM, about, emit
from .diagnose import check
from .interpreter import find_python
from .runner import SanafeRun, run


def usage(path: Path) -> list[str]:
    """How its program is started."""
    return [
        f"placement: {about(path)['placement']['told']}",
        f"{path}/ needs sanafe 2.2 and numpy, in an environment of their own, and nothing of ganglion:",
        f"  python {shlex.quote(str(path / PROGRAM))} --input codes.npy --output counts.npz",
        "where codes.npy holds the input's integer codes: net.input.encode(x)[0]",
    ]


BACKEND = Backend(name="sanafe", check=check, emit=emit, usage=usage)

__all__ = ["BACKEND", "SanafeRun", "check", "describe", "emit", "find_python", "run"]
