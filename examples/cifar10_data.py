"""CIFAR-10 from a local copy of its python version; nothing is downloaded, and no code in its pickles is run.

The copy is the folder cifar-10-batches-py (or the one that holds it), or the archive cifar-10-python.tar.gz. Its files
data_batch_1 to data_batch_5 and test_batch are pickled dicts: b"data" is uint8 (N, 3072), a row an image in the order
channel, row, column; b"labels" a list of N classes from 0 to 9 (Krizhevsky, 2009).
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.errors import InputError

FOLDER = "cifar-10-batches-py"
TRAINING = tuple(f"data_batch_{i}" for i in range(1, 6))
FILES = (*TRAINING, "test_batch")
HINT = f"give the folder {FOLDER} of the python version of CIFAR-10, or its archive cifar-10-python.tar.gz"
ARRAYS = {  # all that numpy's arrays need, of every version
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cifar10:
    """Images uint8 (N, 3, 32, 32), classes int64 (N,)."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def load(path: str | PathLike[str]) -> Cifar10:
    """The data in the folder or the archive `path`.

    Raises `InputError`, with the file's name, where one is missing, cut off, or holds anything but images and labels.
    """
    path = Path(path)
    batches = {name: _images(where, data) for name, where, data in _files(path)}
    missing = [name for name in FILES if name not in batches]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}", hint=HINT)
    return Cifar10(
        train_images=np.concatenate([batches[name][0] for name in TRAINING]),
        train_labels=np.concatenate([batches[name][1] for name in TRAINING]),
        test_images=batches["test_batch"][0],
        test_labels=batches["test_batch"][1],
    )


def _files(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """(name, where it is for messages, contents) of every file of the data that is there."""
    if path.is_dir():
        folder = path / FOLDER if (path / FOLDER).is_dir() else path
        for name in FILES:
            try:
                yield name, str(folder / name), (folder / name).read_bytes()
            except FileNotFoundError:
                continue  # `load` names all that are missing
            except OSError as error:
                raise InputError(f"cannot read {folder / name}: {error.strerror}") from error
        return
    if not path.is_file():
        raise InputError(f"there is no folder or file {path}", hint=HINT)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                if name in FILES and (file := archive.extractfile(member)):
                    yield name, f"{path}:{member.name}", file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"cannot read {path}: it is no tar archive, or is cut off ({error})", hint=HINT) from error


def _images(where: str, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and labels in one of the files; `where` it is goes into errors."""
    try:
        batch = Numbers(io.BytesIO(data), encoding="bytes").load()
    except RefusedError as error:
        raise InputError(
            f"{where} asks for {error}, which images and labels do not need: nothing of it was run", hint=HINT
        ) from error
    except Exception as error:  # what a damaged pickle raises, nobody says
        raise InputError(f"{where} is no pickle, or is cut off ({type(error).__name__}: {error})", hint=HINT) from error
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= set(batch):
        raise InputError(f"{where} holds no dict with b'data' and b'labels'", hint=HINT)
    images, labels = batch[b"data"], batch[b"labels"]
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise InputError(f"{where}: b'data' is not uint8 (N, 3072)", hint=HINT)
    whole = isinstance(labels, list) and all(isinstance(n, int) and 0 <= n < 10 for n in labels)
    if not whole or len(labels) != len(images) or not labels:
        raise InputError(f"{where}: b'labels' are not {len(images)} classes from 0 to 9", hint=HINT)
    return images.reshape(-1, 3, 32, 32), np.array(labels, np.int64)


class RefusedError(Exception):
    """The pickle names something that it must not."""


class Numbers(pickle.Unpickler):
    """Reads numpy arrays, bytes, text, numbers, lists and dicts; whatever else a pickle names is refused unread."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return _latin1
        if (module, name) not in ARRAYS:
            raise RefusedError(f"{module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core") if NEW else module, name)


NEW = int(np.__version__.split(".")[0]) >= 2  # numpy 2 has renamed its core and warns of the old name


def _latin1(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise RefusedError(f"the encoding {encoding!r}")
    return text.encode("latin1")
