"""Aligned columns of plain text."""

from __future__ import annotations

from collections.abc import Sequence

LIMIT = 24  # rows of a table that a person reads


def columns(rows: Sequence[Sequence[str]], headings: Sequence[str], *, numbers: Sequence[int] = ()) -> list[str]:
    """`rows` under `headings`, in columns two spaces apart and indented by two; `numbers` are aligned at the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in (headings, *rows):
        cells = [c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines


def cut(lines: list[str], limit: int = LIMIT) -> list[str]:
    """The heading and the first `limit` rows of a table, and how many more there are."""
    more = len(lines) - 1 - limit
    return lines if more <= 0 else [*lines[: limit + 1], f"  ... and {more} more (--json FILE has all)"]
