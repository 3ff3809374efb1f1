"""One piece of work: a network and a block of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Graph

from .blocks import Block, Result, measure


@dataclass(frozen=True, eq=False)
class Task:
    """Send the samples of `block`, of all samples `x`, through `net`, whose fingerprint is `network`."""

    network: str
    net: Graph
    block: Block
    x: Array

    def samples(self) -> Array:
        """The samples of the block (n, *shape); read only now, where `x` is a file."""
        return np.ascontiguousarray(self.x[self.block.first : self.block.stop])


def run_here(tasks: Iterable[Task], jobs: int | None) -> Iterator[tuple[Task, Result]]:
    """The tasks with their results, one after the other, in this process."""
    for task in tasks:
        yield task, measure(task.net, task.samples(), jobs)
