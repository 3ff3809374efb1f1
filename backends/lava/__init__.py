"""Lava: a compiled network as a self-contained folder with a readable program.

diagnose.py      what stands in the way
names.py         names of ops as Python identifiers
blocks.py        the program's text, one block per op
writer.py        what the blocks are written into
bundle.py        the folder, written whole or not at all
library/         the process library that is copied into it; needs Lava, so it is never imported here
interpreter.py   finding a Python that has Lava
runner.py        running a bundle in a process group of its own, under a time limit
cleanup.py       what a run may leave behind, removed
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ganglion.backends.protocol import Backend

from .bundle import PROGRAM, emit
from .diagnose import check
from .interpreter import LavaPython, describe, find_python
from .runner import LavaRun, run


def usage(path: Path) -> list[str]:
    """How its program is started."""
    return [
        f"{path}/ needs Python 3.10, lava-nc 0.10.0 and numpy < 2, and nothing of ganglion:",
        f"  python {shlex.quote(str(path / PROGRAM))} --input codes.npy --output counts.npz --form graded",
        "where codes.npy holds the input's integer codes: net.input.encode(x)[0]",
    ]


BACKEND = Backend(name="lava", check=check, emit=emit, usage=usage)

__all__ = ["BACKEND", "LavaPython", "LavaRun", "check", "describe", "emit", "find_python", "run"]
