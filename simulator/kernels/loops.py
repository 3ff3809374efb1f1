"""Which inner loops run: those of numba where it is installed, else those of numpy."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

from ganglion.errors import InputError

Loops = Literal["numba", "numpy"]


@cache
def inner_loops(name: Loops | None = None) -> ModuleType:
    """The module of inner loops called `name`; by default the faster of those that are there."""
    if name not in (None, "numba", "numpy"):
        raise InputError(f"unknown loops '{name}'", hint="numba or numpy")
    there = find_spec("numba") is not None
    if name == "numba" and not there:
        raise InputError("numba is not installed", hint="pip install 'ganglion[fast]', or use the loops of numpy")
    if name == "numpy" or not there:
        from . import arrays

        return arrays
    from . import compiled

    return compiled
