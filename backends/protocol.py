"""What a backend is: a name, a check that finds every problem at once, and a writer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ganglion.ir import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """Why a backend cannot take an op: `op` is its name ("" for the whole network), `origin` its ONNX nodes."""

    op: str
    origin: tuple[str, ...]
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = ", ".join(self.origin) or self.op
        return f"{where}: {self.message}" if where else self.message


class Backend(Protocol):
    """One kind of output."""

    @property
    def name(self) -> str:
        """The name users choose it by."""
        ...

    def check(self, graph: Graph) -> list[Diagnostic]:
        """Every reason why `graph` cannot be emitted; empty where it can."""
        ...

    def emit(self, graph: Graph, path: Path, *, overwrite: bool = False) -> Path:
        """Write `graph` to `path`, a folder or a file, whole or not at all, and return it.

        Raises `CompileError` with what `check` finds, `InputError` where `path` may not be written.
        """
        ...

    def usage(self, path: Path) -> list[str]:
        """What a person does with what was written to `path`: lines for the terminal."""
        ...
