"""The simulator: bit-accurate, in numpy.

arithmetic.py   integer arithmetic, in one place
step.py         the step engine: the definition
layer.py        the layer engine: the same spikes, all T steps of a layer at once
run.py          simulate(): input codes, blocks of samples, what is recorded
"""

from __future__ import annotations

from .run import Run, simulate

__all__ = ["Run", "simulate"]
