"""The simulator: bit-accurate. The step engine, the definition, needs numpy alone.

arithmetic.py   integer arithmetic of the step engine, in one place
step.py         the step engine: the definition
layer.py        the layer engine: the same spikes, all T steps of a layer at once
synapses.py     all projections into one membrane
kernels/        how their products are computed, and the scan of the neurons: numpy, numba, onnxruntime
layout.py       channels last, as the layer engine keeps values
blocks.py       blocks of samples, threads
keeper.py       what is kept and added up
run.py          simulate(): from samples to a Run
"""

from __future__ import annotations

from .kernels import Loops
from .run import Run, simulate

__all__ = ["Loops", "Run", "simulate"]
