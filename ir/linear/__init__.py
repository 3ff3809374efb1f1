"""Linear maps on arrays: what a projection computes, its adjoint, and the composition of two of them.

apply.py         y = A x and x = A' y for every projection; the one place where a convolution is written out
convolutions.py  two convolutions in a row as one: geometry and kernel
sparse.py        any projection as a sparse matrix; products of these
composition.py   two projections in a row or in parallel as one; what that costs
"""

from __future__ import annotations

from .apply import adjoint, apply, pad, windows
from .composition import add, compose, composed_synapses, place, restrict, select
from .convolutions import repeated
from .sparse import product, to_sparse

__all__ = [
    "add",
    "adjoint",
    "apply",
    "compose",
    "composed_synapses",
    "pad",
    "place",
    "product",
    "repeated",
    "restrict",
    "select",
    "to_sparse",
    "windows",
]
