"""NIR, the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 15, 2024): one file.

diagnose.py   what stands in the way
unsaid.py     what NIR cannot say, by name
forms.py      in which form each projection is said; kernels.py: convolutions
writer.py     the graph and its metadata
container.py  the file
"""

from __future__ import annotations

from pathlib import Path

from ganglion.backends.protocol import Diagnostic
from ganglion.ir import Graph

from .container import emit
from .diagnose import check


class NirBackend:
    """See `protocol.Backend`."""

    name = "nir"

    def check(self, graph: Graph) -> list[Diagnostic]:
        """Every reason why `graph` cannot be emitted."""
        return check(graph)

    def emit(self, graph: Graph, path: Path, *, overwrite: bool = False) -> Path:
        """Write the file; see `container.emit`."""
        return emit(graph, path, overwrite=overwrite)

    def usage(self, path: Path) -> list[str]:
        """How the file is opened."""
        return [
            f"{path}: nir.read opens it (pip install nir); its metadata says what the warnings say",
            f"back again, to the bit: ganglion import-nir {path} -o NET.onnx",
        ]


__all__ = ["NirBackend", "check", "emit"]
