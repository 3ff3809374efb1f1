"""Results on disk: one small file for every network and block of samples, found again by what they hold; and one for
every network that was optimised, with its corrections.

A file's name is made of the network's fingerprint, the samples' digest and T; its content repeats them whole. What
changes the network, the samples or ganglion itself therefore finds nothing, and nothing stale can be found.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ganglion.errors import GanglionWarning, InputError
from ganglion.ir import Array
from ganglion.ir.file import write_whole
from ganglion.tuning import Tuning

from .blocks import Block, Result

MARK = "ganglion-sweep.json"  # says what the folder is
FORMAT = 1
DIGITS = 24  # of a fingerprint in a file's name


class Store:
    """A folder of results, made when there is a first one. Files appear whole or not at all, so that two sweeps may
    share one.

    Raises `InputError` where `folder` is something else.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder, self.version = folder, version
        names = self._names()
        self.marked = MARK in names
        self.known: dict[str, list[int]] = {}  # T of the results there are, rising, by the name without it
        for name in names:
            stem, _, steps = name.removesuffix(".npz").rpartition("-")
            if name.endswith(".npz") and steps.isdecimal():
                self.known.setdefault(stem, []).append(int(steps))
        for lengths in self.known.values():
            lengths.sort()

    def _names(self) -> list[str]:
        """The files in the folder, which must be a store's, or empty, or not there."""
        elsewhere = "name another folder: --store DIR"
        mark = self.folder / MARK
        try:
            if not self.folder.exists() and self.folder.resolve().parent.is_dir():
                return []
            names = [p.name for p in self.folder.iterdir() if p.suffix != ".part"]
            form = json.loads(mark.read_text(encoding="utf-8")) if MARK in names else None
        except NotADirectoryError:
            raise InputError(f"{self.folder} is not a folder", hint="--store takes a folder") from None
        except FileNotFoundError:
            hint = "create it first"
            raise InputError(f"cannot make {self.folder}: there is no folder {self.folder.parent}", hint=hint) from None
        except OSError as error:
            raise InputError(f"cannot use the folder {self.folder}: {error.strerror}") from error
        except ValueError:
            raise InputError(f"{mark} is damaged", hint=f"remove the folder, or {elsewhere}") from None
        if names and form is None:
            raise InputError(f"{self.folder} holds other files, and no results of a sweep", hint=elsewhere)
        if form not in (None, {"format": FORMAT}):
            raise InputError(f"{self.folder} was written by another version of ganglion", hint=elsewhere)
        return names

    def find(self, network: str, steps: int, block: Block) -> Result | None:
        """What the network did with the block in `steps` steps or more; None where that is not known.

        A damaged file is as good as none, with a `GanglionWarning`.
        """
        stem = self._stem(network, block)
        for length in self.known.get(stem, []):
            if length < steps:
                continue
            path = self.folder / f"{stem}-{length}.npz"
            try:
                return self._read(path, self._key(network, length, block), length, len(block))
            except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
                warnings.warn(f"{path} is damaged: computed again", GanglionWarning, stacklevel=2)
        return None

    def keep(self, network: str, steps: int, block: Block, result: Result) -> None:
        """Write what the network did with the block."""
        self._make()
        file = io.BytesIO()
        np.savez(
            file,
            key=np.array(self._key(network, steps, block)),
            classes=result.classes,
            spikes=result.spikes,
            operations=result.operations,
            seconds=np.array(result.seconds),
        )
        write_whole(self.folder / f"{self._stem(network, block)}-{steps}.npz", file.getvalue())

    def find_corrections(self, key: str) -> str | None:
        """What `keep_corrections` wrote under `key`; None where there is nothing, or where it is damaged, with a
        `GanglionWarning`.
        """
        path = self._corrections(key)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            kept, text = str(found["key"]), str(found["corrections"])
            Tuning.from_text(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, InputError):
            warnings.warn(f"{path} is damaged: computed again", GanglionWarning, stacklevel=2)
            return None
        return text if kept == f"{self.version} {key}" else None

    def keep_corrections(self, key: str, text: str) -> None:
        """Write the record of a network's corrections."""
        self._make()
        content = {"key": f"{self.version} {key}", "corrections": text}
        write_whole(self._corrections(key), json.dumps(content).encode())

    def _corrections(self, key: str) -> Path:
        return self.folder / f"{key[:DIGITS]}.corrections.json"

    def _make(self) -> None:
        if self.marked:
            return
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {self.folder}: {error.strerror}") from error
        write_whole(self.folder / MARK, json.dumps({"format": FORMAT}).encode())
        self.marked = True

    def _stem(self, network: str, block: Block) -> str:
        return f"{network[:DIGITS]}-{block.digest[:DIGITS]}"

    def _key(self, network: str, steps: int, block: Block) -> str:
        return f"{self.version} {network} {block.digest} {steps}"

    def _read(self, path: Path, key: str, steps: int, samples: int) -> Result | None:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            classes, spikes, operations = data["classes"], data["spikes"], data["operations"]
            found, seconds = str(data["key"]), float(data["seconds"])
        if found != key:
            return None  # another ganglion's
        whole: list[tuple[Array, tuple[int, ...]]] = [
            (classes, (steps, samples)),
            (spikes, (steps,)),
            (operations, (steps,)),
        ]
        if any(a.shape != shape or not np.issubdtype(a.dtype, np.integer) for a, shape in whole):
            raise ValueError("wrong shapes")
        return Result(classes, spikes, operations, seconds)
