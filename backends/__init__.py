"""Backends: what a compiled network can be written for.

protocol.py   what a backend is
folders.py    a folder that is written whole or not at all
lava/         a folder with a program for Lava, its process library, and the runner
onnx/         a folder with ONNX models of a time-step and of a window, in standard operators, and the runner
"""

from __future__ import annotations

from .lava import LavaBackend
from .onnx import OnnxBackend
from .protocol import Backend, Diagnostic

BACKENDS: dict[str, Backend] = {backend.name: backend for backend in (LavaBackend(), OnnxBackend())}

__all__ = ["BACKENDS", "Backend", "Diagnostic"]
