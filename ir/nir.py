"""What the writer and the reader of NIR files share: the library, the keys of the metadata, and the files' digest.

Neither is needed to compile a network: `nir` is imported when a file is written or read.
"""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

import numpy as np

from ganglion.errors import InputError

VERSION = 1  # of the metadata
NETWORK = "ganglion"  # of the graph: the network's fields and ops, as JSON
DIGEST = "ganglion_digest"  # of the graph: SHA-256 of all else in the file
UNSAID = "ganglion_not_said"  # of the graph and of its nodes: what NIR cannot say of them
STEPS = "ganglion_steps"  # of the graph: T, the time-steps of a sample
OP = "ganglion_op"  # of a node: the op that it belongs to
FIELD = "ganglion_"  # of a node, before the name of a field: an array of that op
INITIAL = "ganglion_v_0"  # of an IF node: the potential with which every window begins


def library() -> Any:
    """The package `nir`. Raises `InputError` where it is not installed."""
    try:
        return importlib.import_module("nir")
    except ImportError as error:
        raise InputError(
            f"the package nir, which reads and writes NIR files, is not there: {error}",
            hint="pip install 'ganglion[nir]'",
        ) from None


def digest(graph: Any) -> str:
    """SHA-256, in hexadecimal, of the nodes, edges and metadata of a `nir.NIRGraph`, but for the digest itself.

    It is the same before a graph is written and after it is read.
    """
    found = hashlib.sha256()
    content = graph.to_dict()
    metadata = {key: value for key, value in content["metadata"].items() if key != DIGEST}
    _update(found, "nodes", content["nodes"])
    _update(found, "edges", sorted(f"{a} -> {b}" for a, b in content["edges"]))
    _update(found, "metadata", metadata)
    return found.hexdigest()


def _update(found: Any, key: str, value: Any) -> None:
    if isinstance(value, dict):
        found.update(f"{key} {len(value)}\n".encode())
        for name in sorted(value):
            _update(found, name, value[name])
        return
    array = np.asarray(value)
    found.update(f"{key} {array.shape}\n".encode())
    if array.dtype.kind in "biuf":
        found.update(np.ascontiguousarray(array, "<f8").tobytes())
    else:
        found.update("\n".join(map(str, array.ravel())).encode())


__all__ = ["DIGEST", "FIELD", "INITIAL", "NETWORK", "OP", "STEPS", "UNSAID", "VERSION", "digest", "library"]
