"""The file: written whole or not at all, and replaced only where it is a NIR file."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from ganglion.backends.folders import refuse
from ganglion.errors import GanglionWarning, InputError
from ganglion.ir import Graph
from ganglion.ir.file import write_whole
from ganglion.ir.nir import library

from .diagnose import check
from .unsaid import unsaid
from .writer import to_nir


def emit(graph: Graph, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the quantized network `graph` to the file `path` and return it, with a warning for each thing that NIR
    cannot say of it.

    Raises `CompileError` with everything that `check` finds, `InputError` where `path` may not be written or the
    package nir is missing.
    """
    refuse(check(graph), "be written as NIR")
    nir, path = library(), Path(path)
    check_replaceable(path, overwrite=overwrite)
    data = io.BytesIO()
    nir.write(data, to_nir(graph))
    write_whole(path, data.getvalue())
    for item in unsaid(graph):
        warnings.warn(str(item), GanglionWarning, stacklevel=2)
    return path


def check_replaceable(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` unless `path` is free, or a NIR file that may be replaced."""
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_file() or not is_nir(path):
        raise InputError(f"{path} exists and is not a NIR file", hint="name another file")
    if not overwrite:
        raise InputError(f"{path} is a NIR file already", hint="--overwrite replaces it")


def is_nir(path: Path) -> bool:
    """Whether the file `path` is one that the package nir has written."""
    import h5py

    if not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return "version" in file and "node" in file and "type" in file["node"]
    except (OSError, TypeError):
        return False
