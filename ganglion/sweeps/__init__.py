"""sweep: accuracy, spikes and synaptic operations of one model at many T and tau.

run.py        `sweep`: what is computed, and where it comes from
settings.py   which settings, and the network of each, with the work that they share
blocks.py     the samples in blocks; what is measured on one
store.py      results on disk, so that an interrupted sweep goes on where it was
cluster.py    the same blocks on the workers of a Dask cluster
result.py     `Sweep`: rows, JSON, CSV; plot.py: the picture
"""

from __future__ import annotations

from .result import Row, Sweep
from .run import sweep

__all__ = ["Row", "Sweep", "sweep"]
