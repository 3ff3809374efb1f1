"""Backends: what a compiled network can be written for.

protocol.py       what a backend is
diagnosis.py      what every backend asks of a network first
folders.py        a folder that is written whole or not at all
interpreters.py   finding another Python that has what a bundle needs
processes.py      running it in a process group of its own, under a time limit
lava/             a folder with a program for Lava, its process library, and the runner
nir/              a file in NIR, the Neuromorphic Intermediate Representation
onnx/             a folder with ONNX models of a time-step and of a window, in standard operators, and the runner
sanafe/           a folder for SANA-FE: chip, neurons, synapses, the program, and the runner
"""

from __future__ import annotations

from . import lava, nir, onnx, sanafe
from .protocol import Backend, Diagnostic

BACKENDS: dict[str, Backend] = {part.BACKEND.name: part.BACKEND for part in (lava, nir, onnx, sanafe)}

__all__ = ["BACKENDS", "Backend", "Diagnostic"]
