"""Plots for notebooks and papers; they need matplotlib (`pip install 'ganglion[plot]'`).

Each function draws in the axes `ax`, or in those of a new pyplot figure, and returns the axes.

networks.py   graph: populations by level
chips.py      mesh: cores on their chips, and the traffic between them
runs.py       rates, raster: what the spikes of a run do
values.py     rate_against_activation, distributions: what they stand for, beside the ANN's activations
ledgers.py    ledger, attributions, scatter: where the accuracy went
sweeps.py     sweep: accuracy at many T and tau
canvas.py     the axes and their look (that of `Sweep.plot`); save: to a file
"""

from __future__ import annotations

from .canvas import STYLE, save
from .chips import mesh
from .ledgers import attributions, ledger, scatter
from .networks import graph
from .runs import raster, rates
from .sweeps import sweep
from .values import distributions, rate_against_activation

__all__ = [
    "STYLE",
    "attributions",
    "distributions",
    "graph",
    "ledger",
    "mesh",
    "raster",
    "rate_against_activation",
    "rates",
    "save",
    "scatter",
    "sweep",
]
