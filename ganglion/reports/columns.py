"""How the levels of a network are folded into columns, and where the populations of a level stand in their row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

SWEEPS = 8  # of the barycentre heuristic, down and up in turns
CUT = 0.06  # what an edge over a fold costs, where columns of half and of double length cost about 1


def rows_of(levels: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Nodes by level, one row each, ordered so that few edges cross.

    Each sweep orders every row by the mean position of its neighbours in the rows above, or below (Sugiyama et al.,
    IEEE Trans. SMC 11(2), 1981).
    """
    by_level = defaultdict(list)
    for node, level in enumerate(levels):
        by_level[level].append(node)
    rows = [by_level[level] for level in sorted(by_level)]
    if max(map(len, rows), default=0) < 2:
        return rows
    above, below = defaultdict(list), defaultdict(list)
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    place: dict[int, float] = {}
    for row in rows:
        _put(row, place)
    for sweep in range(SWEEPS):
        neighbours = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            want = {n: _mean([place[m] for m in neighbours[n]], place[n]) for n in row}
            row.sort(key=lambda n: (want[n], place[n]))
            _put(row, place)
    return rows


def _put(row: Sequence[int], place: dict[int, float]) -> None:
    """Positions around the middle of the row, at equal distances."""
    for i, node in enumerate(row):
        place[node] = i - (len(row) - 1) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def crossings(rows: Sequence[Sequence[int]], edges: Sequence[tuple[int, int]]) -> list[int]:
    """How many sources send over the gap below each row: as many values as rows, the last 0."""
    row_of = {node: r for r, row in enumerate(rows) for node in row}
    furthest: dict[int, int] = {}
    for source, target in edges:
        furthest[source] = max(furthest.get(source, 0), row_of[target])
    steps = [0] * (len(rows) + 1)
    for source, last in furthest.items():
        if last > row_of[source]:
            steps[row_of[source]] += 1
            steps[last] -= 1
    total, result = 0, []
    for step in steps[: len(rows)]:
        total += step
        result.append(total)
    return result


def folds(cuts: Sequence[int], columns: int) -> list[int]:
    """Where each of `columns` columns begins, so that they are about equally long and few edges cross a fold.

    `cuts` is what `crossings` gives. By dynamic programming over the rows.
    """
    n = len(cuts)
    mean = n / columns
    shortest, longest = max(1, int(0.5 * mean)), max(1, int(1.6 * mean) + 1)
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]  # by end of the last column: cost, and its beginning
    for column in range(columns):
        found: dict[int, tuple[float, int]] = {}
        for start, (cost, _) in best[-1].items():
            last = column == columns - 1
            for end in (n,) if last else range(start + shortest, min(start + longest, n) + 1):
                if end <= start:
                    continue
                added = ((end - start) / mean - 1) ** 2 + (0 if last else CUT * cuts[end - 1])
                if end not in found or cost + added < found[end][0]:
                    found[end] = (cost + added, start)
        best.append(found)
    if n not in best[-1]:
        return [round(i * mean) for i in range(columns)]
    starts, end = [], n
    for found in reversed(best[1:]):
        end = found[end][1]
        starts.append(end)
    return starts[::-1]
