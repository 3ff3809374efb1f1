"""Results on disk: one small file for every network and block of samples, found again by what they hold.

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

from .blocks import Block, Result

MARK = "ganglion-sweep.json"  # says what the folder is
FORMAT = 1
DIGITS = 24  # of a fingerprint in a file's name


class Store:
    """A folder of results. Files appear whole or not at all, so that two sweeps may share one.

    Raises `InputError` where `folder` is something else.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder, self.version = folder, version
        mark = folder / MARK
        try:
            folder.mkdir(exist_ok=True)
            names = [p.name for p in folder.iterdir() if p.suffix != ".part"]
            form = json.loads(mark.read_text(encoding="utf-8")) if mark.name in names else None
        except FileExistsError:
            raise InputError(f"{folder} is not a folder", hint="--store takes a folder") from None
        except FileNotFoundError:
            hint = "create it first"
            raise InputError(f"cannot make {folder}: there is no folder {folder.parent}", hint=hint) from None
        except OSError as error:
            raise InputError(f"cannot use the folder {folder}: {error.strerror}") from error
        except ValueError:
            raise InputError(f"{mark} is damaged", hint="remove the folder, or name another: --store DIR") from None
        if names and form is None:
            raise InputError(
                f"{folder} holds other files, and no results of a sweep", hint="name another folder: --store DIR"
            )
        if form not in (None, {"format": FORMAT}):
            raise InputError(
                f"{folder} was written by another version of ganglion", hint="name another folder: --store DIR"
            )
        if form is None:
            write_whole(mark, json.dumps({"format": FORMAT}).encode())
        self.known: dict[str, list[int]] = {}  # T of the results there are, rising, by the name without it
        for name in names:
            stem, _, steps = name.removesuffix(".npz").rpartition("-")
            if name.endswith(".npz") and steps.isdecimal():
                self.known.setdefault(stem, []).append(int(steps))
        for lengths in self.known.values():
            lengths.sort()

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
