"""The same samples through every engine, spike by spike.

run.py        compare: the model in onnxruntime, the float network, both integer engines, and others against them
executors.py  the others: engines outside the simulator that run the same network
result.py     what was found
"""

from __future__ import annotations

from .executors import LAVA_VS_SIMULATOR, ONNX_VS_SIMULATOR, Executed, Executor
from .result import STEP_VS_LAYER, Agreement, Comparison
from .run import compare

__all__ = [
    "LAVA_VS_SIMULATOR",
    "ONNX_VS_SIMULATOR",
    "STEP_VS_LAYER",
    "Agreement",
    "Comparison",
    "Executed",
    "Executor",
    "compare",
]
