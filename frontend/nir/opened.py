"""Opens a NIR file, or takes a graph in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ganglion.errors import InputError
from ganglion.frontend.libraries import reason
from ganglion.ir.nir import library


def open_graph(source: Any) -> Any:
    """The `nir.NIRGraph` in the file `source`, or `source` itself.

    Raises `InputError` where it is neither, cannot be read, or the package nir is not installed.
    """
    nir = library()
    if isinstance(source, nir.NIRGraph):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"a {type(source).__name__} cannot be read as NIR", hint="give a path or a nir.NIRGraph")
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{path}: {'is no regular file' if path.exists() else 'there is no such file'}")
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    try:  # the shapes are checked here: nir 1.0.8 takes grouped convolutions for wrong ones
        return nir.read(path, type_check=False)
    except Exception as error:  # h5py and nir raise what comes up: KeyError, AssertionError, OSError, ...
        why = reason(error) or type(error).__name__
        raise InputError(
            f"{path} is not a NIR file that nir can read: {why}", hint="write it again, with nir.write"
        ) from error
