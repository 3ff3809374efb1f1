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

from pathlib import Path

from ganglion.backends.protocol import Diagnostic
from ganglion.ir import Graph

from .bundle import emit
from .diagnose import check
from .interpreter import LavaPython, describe, find_python
from .runner import LavaRun, run


class LavaBackend:
    """See `protocol.Backend`."""

    name = "lava"

    def check(self, graph: Graph) -> list[Diagnostic]:
        """Every reason why `graph` cannot be emitted."""
        return check(graph)

    def emit(self, graph: Graph, folder: Path, *, overwrite: bool = False) -> Path:
        """Write the bundle; see `bundle.emit`."""
        return emit(graph, folder, overwrite=overwrite)


__all__ = ["LavaBackend", "LavaPython", "LavaRun", "check", "describe", "emit", "find_python", "run"]
