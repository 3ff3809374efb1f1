"""What a backend is: a name, a check that finds every problem at once, and a writer."""

from __future__ import annotations

from collections.abc import Callable
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


class Emit(Protocol):
    """Writes a network to a path, a folder or a file, whole or not at all, and returns it.

    Raises `CompileError` with what the backend's `check` finds, `InputError` where the path may not be written.
    """

    def __call__(self, graph: Graph, path: Path, /, *, overwrite: bool = False) -> Path: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One kind of output.

    name   the name users choose it by
    check  every reason why a network cannot be emitted; empty where it can
    emit   see `Emit`
    usage  what a person does with what was written to a path: lines for the terminal
    """

    name: str
    check: Callable[[Graph], list[Diagnostic]]
    emit: Emit
    usage: Callable[[Path], list[str]]
