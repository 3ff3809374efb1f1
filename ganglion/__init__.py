"""Ganglion: trained networks become clusters of integrate-and-fire cores.

net = ganglion.compile("model.onnx", steps=4, members=4)   # ONNX in, a spiking network out
run = ganglion.simulate(net, x, record="all")              # bit-accurate, in numpy
ganglion.emit(net, "lava", "bundle")                       # a Lava program of its own
ganglion.compare("model.onnx", net, x, lava="graded")      # proof that they are the same network
ganglion.map(net, "loihi2").fits                           # onto the cores of a chip: what binds, what it costs
ganglion.sweep("model.onnx", x, y).plot("sweep.svg")       # accuracy and cost at many T and tau
ganglion.report(net, "model.onnx", x, y, path="net.html")  # all that on one page
ganglion.plot.rates(run)                                   # and other plots, for notebooks
"""

from __future__ import annotations

from . import plot
from .comparison import Comparison, compare
from .environment import Finding, doctor
from .errors import CompileError, EngineError, GanglionError, GanglionWarning, InputError, InternalError
from .inspection import inspect
from .ir import Graph
from .ledger import Ledger
from .mapping import Mapping
from .mapping import map_network as map
from .nir import import_nir
from .pipeline import check, compile, emit, expand_clusters, load, save, simulate
from .reports import Report, report
from .simulator import Run
from .sweeps import Sweep, sweep
from .version import __version__

__all__ = [
    "Comparison",
    "CompileError",
    "EngineError",
    "Finding",
    "GanglionError",
    "GanglionWarning",
    "Graph",
    "InputError",
    "InternalError",
    "Ledger",
    "Mapping",
    "Report",
    "Run",
    "Sweep",
    "__version__",
    "check",
    "compare",
    "compile",
    "doctor",
    "emit",
    "expand_clusters",
    "import_nir",
    "inspect",
    "load",
    "map",
    "plot",
    "report",
    "save",
    "simulate",
    "sweep",
]
