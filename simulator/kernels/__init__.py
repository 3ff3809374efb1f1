"""How the layer engine computes what arrives through a projection, and when Group Neurons fire.

arrays.py       the inner loops in numpy
compiled.py     the same, compiled by numba
cache.py        where compiled loops are kept, for several processes
products.py     matrix products: bytes (onnxruntime), float32 and float64 (BLAS)
winograd.py     3 x 3 convolutions in float32 with fewer of them
projections.py  one class per kind of projection; which kernel it gets
neurons.py      the scan of Group Neurons over their window
"""

from __future__ import annotations

from .loops import Loops, inner_loops
from .neurons import GroupScan
from .projections import Delivery, delivery

__all__ = ["Delivery", "GroupScan", "Loops", "delivery", "inner_loops"]
