"""sweep: accuracy, spikes and synaptic operations of one model at many T and tau.

run.py        `sweep`, from its options to the rows; job.py: which work is left, and what it says of the settings
settings.py   which settings, and the network of each, with the work that they share
blocks.py     the samples in blocks; what is measured on one; task.py: a network and a block
optimiser.py  networks that are corrected from samples
store.py      results on disk, so that an interrupted sweep goes on where it was
cluster.py    the same blocks on the workers of a Dask cluster
result.py     `Sweep`: rows, JSON, CSV; paired.py: whether two rows differ by more than chance
plot.py       the picture; table.py: for a terminal
"""

from __future__ import annotations

from .paired import Paired, paired
from .result import Row, Sweep
from .run import sweep

__all__ = ["Paired", "Row", "Sweep", "paired", "sweep"]
