"""ONNX in: from a trained model to the spiking IR at stage IMPORTED.

reader.py       loads and checks a file or a model in memory
normalise.py    static shapes, folded constants (fold.py), no straight-through estimators
activations.py  finds the elementwise parts that are a function of one value
scalar.py       evaluates such a part with onnxruntime
staircase.py    tells which staircase a scalar function is
populations.py  staircases in the IR
translate.py    `import_model`; the handlers by ONNX op type are in arithmetic.py, layers.py and pooling.py and work
                on a `Translation` (translation.py)
names.py        what ops and populations are called
input_format.py the integer codes of the input
support.py      `check`, the preflight
session.py      onnxruntime sessions; onnxruntime_engine.py runs the whole model: the reference
torch/          torch -> ONNX, and QCFS (needs torch; nothing here imports it)
"""

from __future__ import annotations

from .onnxruntime_engine import run_onnxruntime, run_values
from .reader import Source, read
from .support import NodeStatus, check
from .translate import import_model

__all__ = ["NodeStatus", "Source", "check", "import_model", "read", "run_onnxruntime", "run_values"]
