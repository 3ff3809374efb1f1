"""Which network it is, whatever it is called and however long its window is."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np

from .graph import Graph

# where an op came from and what it stands for there, what is proved of it, and with which exact arithmetic it is
# computed: none moves a spike
ASIDE = ("origin", "value", "base", "interval", "kernel", "bound")


def fingerprint(graph: Graph) -> str:
    """SHA-256, in hexadecimal, of all that decides what `graph` computes at any step of a window.

    Two networks with one fingerprint that differ in T do the same at every step that both have. The names of the ops
    and every field and array count; the network's own name and notes, `ASIDE` and T do not.
    """
    digest = hashlib.sha256()
    for op in graph.ops:
        digest.update(f"{op.mnemonic}\n".encode())
        for field in fields(op):
            if field.name in ASIDE:
                continue
            value = getattr(op, field.name)
            if isinstance(value, np.ndarray):
                canonical = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
                digest.update(f"{field.name}: {canonical.dtype.str} {value.shape}\n".encode())
                digest.update(canonical.reshape(-1).view(np.uint8).data)
            else:
                digest.update(f"{field.name}: {value!r}\n".encode())
    return digest.hexdigest()
