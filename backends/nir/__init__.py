"""NIR, the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 15, 2024): one file.

diagnose.py   what stands in the way
unsaid.py     what NIR cannot say, by name
forms.py      in which form each projection is said; kernels.py: convolutions
writer.py     the graph and its metadata
container.py  the file
"""

from __future__ import annotations

from pathlib import Path

from ganglion.backends.protocol import Backend

from .container import emit
from .diagnose import check


def usage(path: Path) -> list[str]:
    """How the file is opened."""
    return [
        f"{path}: nir.read opens it (pip install nir); its metadata says what the warnings say",
        f"back again, to the bit: ganglion import-nir {path} -o NET.onnx",
    ]


BACKEND = Backend(name="nir", check=check, emit=emit, usage=usage)

__all__ = ["BACKEND", "check", "emit"]
