"""What is optimised after training: thresholds, initial potentials and biases, from samples, layer by layer.

record.py     the corrections of a network, and how its file keeps them
apply.py      the pass that makes populations with them
window.py     one population through a window
search.py     thresholds, V(0) and biases of the least error
temporal.py   a bias for every step (FTBC)
walk.py       through the network, population by population
"""

from __future__ import annotations

from .apply import group, needs_samples
from .record import Correction, Tuning
from .walk import CANDIDATES, SAMPLES, checked_samples, optimise

__all__ = ["CANDIDATES", "SAMPLES", "Correction", "Tuning", "checked_samples", "group", "needs_samples", "optimise"]
