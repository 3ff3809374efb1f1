"""The folder of `compile --dump-ir`: the network after every pass, as text and as a container that `inspect` reads."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path

from ganglion.errors import InputError
from ganglion.ir import Graph, to_text
from ganglion.ir.file import save, write_whole

NAME = re.compile(r"\d+-[a-z_]+\.(txt|onnx)")
BEGINNINGS = {".txt": b"network ", ".onnx": b"ganglion"}  # the second stands after the version of ONNX


class Dump:
    """Writes 0-import.txt, 0-import.onnx, 1-compose.txt, ... into `folder`, which is made where it is missing.

    An older dump there is replaced when the first network comes; nothing else is ever removed.
    Raises `InputError` where the folder holds anything that no dump has written.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self.count = 0
        self.old = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        foreign = [path.name for path in self.old if not _ours(path)]
        if foreign:
            raise InputError(
                f"{self.folder} holds {foreign[0]!r}, which is no part of a dump of the IR",
                hint="name an empty folder, or a new one",
            )

    def __call__(self, name: str, graph: Graph) -> None:
        """Keep `graph`, which the pass `name` has given."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.old:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"cannot write the dump {self.folder}: {error.strerror}") from error
        self.old = []
        stem = f"{self.count}-{name}"
        write_whole(self.folder / f"{stem}.txt", (to_text(graph) + "\n").encode())
        save(graph, self.folder / f"{stem}.onnx")
        self.count += 1


def _ours(path: Path) -> bool:
    """Whether a dump has written `path`: its name and its first bytes say so."""
    if not NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return BEGINNINGS[path.suffix] in file.read(16)
