"""Samples and labels: read from files without loading them whole, and checked."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array


def array(path: str | PathLike[str], what: str) -> Array:
    """The only array in a .npy or .npz file, memory-mapped; `what` it is for goes into the error.

    Only what is used of it is read. Of a compressed .npz a plain copy is mapped, in a temporary file that nobody sees.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                return _mapped(file)
            return _only_member(path, file, what)
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        message = f"cannot read the {what} {path}: it is not a NumPy file of numbers, or is cut off"
        raise InputError(message, hint="give a .npy or .npz file") from error


def _only_member(path: Path, file: IO[bytes], what: str) -> Array:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise InputError(f"{path} holds {len(members)} arrays; expected one {what}")
        (member,) = members
        if member.compress_type == zipfile.ZIP_STORED:
            with archive.open(member):  # leaves the file behind the member's own header
                return _mapped(file)
        with tempfile.TemporaryFile() as plain, archive.open(member) as packed:
            shutil.copyfileobj(packed, plain)
            plain.seek(0)
            return _mapped(plain)


def _mapped(file: IO[bytes]) -> Array:
    """The array in .npy format at the position of `file`, memory-mapped; ValueError where there is none of numbers."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("Python objects")
    if 0 in shape:
        return np.empty(shape, dtype)
    mapped = np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")
    return np.asarray(mapped)


def samples_of(x: Any) -> Array:
    """`x` as one array; `InputError` where it is a list whose samples differ in shape."""
    try:
        return np.asarray(x)
    except ValueError as error:
        raise InputError(f"the samples are not one array: {error}") from error


def labels_of(labels: Any, n: int) -> Array:
    """The first `n` labels as integers (n,); `InputError` where they are not one class per sample."""
    classes = np.asarray(labels)[:n]
    if classes.shape != (n,) or not np.issubdtype(classes.dtype, np.integer):
        shape = np.asarray(labels).shape
        raise InputError(f"the labels are {classes.dtype} of shape {shape}; expected {n} integers, one per sample")
    return classes
