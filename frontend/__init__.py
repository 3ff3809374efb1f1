"""ONNX in: from a trained model to the spiking IR at stage IMPORTED.

reader.py       loads and checks a file or a model in memory: files.py, structure.py, opsets.py, weights.py, limits.py,
                libraries.py; classical.py: what scikit-learn's exporter puts around a network
normalise.py    static shapes, folded constants (fold.py), no straight-through estimators; shapes.py and parameters.py
                find nodes whose inputs do not fit
activations.py  finds the elementwise parts that are a function of one value
scalar.py       evaluates such a part with onnxruntime
staircase.py    tells which staircase a scalar function is; ramp.py which ReLU, clipped or not
levels.py       the levels of a ReLU and the ranges of linear values, from samples: calibration.py (thresholds and
                ranges), histogram.py (counts values), balancing.py (finds the least error)
populations.py  staircases in the IR
qonnx.py        QONNX's quantisers in ONNX's own nodes; tables.py: staircases given by their thresholds
quantised.py    quantised models in one form; codes.py: which codes stand behind a value
lattice.py      where exactly each level begins behind what is computed in integers: integer_values.py and
                integer_layers.py (sums.py: what they give), requantise.py (onnxruntime's 8-bit arithmetic),
                thresholds.py (the search), kernels.py (onnxruntime's settings)
rewrites.py     exact changes to the graph first; epilogue.py: where the network ends
translate.py    `import_model`; the handlers by ONNX op type are in arithmetic.py, layers.py, pooling.py and
                rearrange.py and work on a `Translation` (translation.py)
names.py        what ops and populations are called
input_format.py the integer codes of the input
support.py      `check`, the preflight; `sketch`, a network to look at before its levels are chosen
session.py      onnxruntime sessions; onnxruntime_engine.py runs the whole model: the reference; opened.py runs parts
nir/            NIR graphs of integrate-and-fire neurons, and those that ganglion wrote (needs nir)
torch/          torch -> ONNX, and QCFS (needs torch; nothing here imports it)
"""

from __future__ import annotations

from .levels import Bounds, Calibration, Levels
from .onnxruntime_engine import run_onnxruntime, run_values
from .opened import OpenedModel
from .reader import Source, read
from .support import NodeStatus, check, preview, sketch
from .translate import Options, import_model, reference

__all__ = [
    "Bounds",
    "Calibration",
    "Levels",
    "NodeStatus",
    "OpenedModel",
    "Options",
    "Source",
    "check",
    "import_model",
    "preview",
    "read",
    "reference",
    "run_onnxruntime",
    "run_values",
    "sketch",
]
