"""Backends: what a compiled network can be written for.

protocol.py   what a backend is
folders.py    a folder that is written whole or not at all
lava/         a folder with a program for Lava, its process library, and the runner
nir/          a file in NIR, the Neuromorphic Intermediate Representation
"""

from __future__ import annotations

from .lava import LavaBackend
from .nir import NirBackend
from .protocol import Backend, Diagnostic

BACKENDS: dict[str, Backend] = {backend.name: backend for backend in (LavaBackend(), NirBackend())}

__all__ = ["BACKENDS", "Backend", "Diagnostic"]
