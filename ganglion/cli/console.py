"""What all commands share: exit codes, output for people and for machines, progress."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ganglion.ir.file import write_whole

DONE, NO, BAD_INPUT = 0, 1, 2
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def give(a: argparse.Namespace, result: dict[str, Any] | list[dict[str, Any]], table: Table | str | None) -> None:
    """The result as JSON where it was asked for, and the table unless standard output is taken by JSON."""
    text = json.dumps(result, indent=1)
    if a.json == "-":
        print(text)
        return
    if a.json:
        write_whole(a.json, (text + "\n").encode())
    if table is not None:
        out.print(table, soft_wrap=isinstance(table, str))


@contextmanager
def progress() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """`bar(name)(done, all)` shows progress on a terminal and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:

        def bar(name: str) -> Callable[[int, int], None]:
            task = shown.add_task(name, total=None)
            return lambda done, total: shown.update(task, completed=done, total=total)

        yield bar


def bars(bar: Callable[[str], Callable[[int, int], None]]) -> Callable[[str, int, int], None]:
    """(what, done, all): a bar for each `what`, from when it is first heard of."""
    bars: dict[str, Callable[[int, int], None]] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = bar(what)
        bars[what](done, total)

    return tell
