"""Where the graph's populations stand, and which way its edges go.

Level by level from the top down; a deep network is folded into columns, read like those of a newspaper. An edge to the
next row of its column is a straight line. Every other edge leaves its row for the gutter right of the column, where
each source has a lane of its own, and turns off it at each of its targets; beyond the next column it goes over a track
above all columns. So no edge passes through a population.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from .columns import crossings, folds, rows_of

WIDTH, HEIGHT = 196, 46  # of a population
BESIDE, BELOW = 22, 34  # gaps between populations of a row, and between rows
LANE = 9  # distance of lanes and of tracks
LEAD = 46  # room beside a population for the delays at its edges
EMPTY = 40  # a gutter without lanes
AWAY, APART = 8, 4  # first distance of a horizontal line from its population, and of two such lines
COLUMNS = 4  # how many more or fewer columns than the estimate are tried

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Centres of the nodes, the corners of every edge with both ends, and the extent of all that."""

    nodes: Sequence[Point]
    paths: Sequence[Sequence[Point]]
    left: float
    top: float
    width: float
    height: float


def layout(levels: Sequence[int], edges: Sequence[tuple[int, int]], aspect: float) -> Layout:
    """Places nodes of these `levels`; `edges` are pairs of nodes. Of all foldings, the one whose width over height is
    nearest to `aspect`. Equal arguments give equal layouts."""
    rows = rows_of(levels, edges)
    widest = max(map(len, rows)) * (WIDTH + BESIDE)
    guess = round(math.sqrt(aspect * len(rows) * (HEIGHT + BELOW) / (widest + LEAD)))
    numbers = range(max(1, guess - COLUMNS), max(1, min(guess + COLUMNS, len(rows))) + 1)
    cuts = crossings(rows, edges)
    tried = [_Drawing(rows, edges, folds(cuts, n)).layout() for n in numbers if n <= len(rows)]
    return min(tried, key=lambda found: abs(math.log(found.width / found.height / aspect)))


@dataclass
class _Interval:
    low: float
    high: float

    def reach(self, *values: float) -> None:
        self.low, self.high = min(self.low, *values), max(self.high, *values)


@dataclass
class _Drawing:
    """One folding: `starts` are the rows with which the columns begin."""

    rows: list[list[int]]
    edges: Sequence[tuple[int, int]]
    starts: list[int]
    at: dict[int, Point] = field(default_factory=dict)
    column: dict[int, int] = field(default_factory=dict)
    row: dict[int, int] = field(default_factory=dict)

    def layout(self) -> Layout:
        ends = [*self.starts[1:], len(self.rows)]
        for c, (start, end) in enumerate(zip(self.starts, ends, strict=True)):
            for r in range(start, end):
                for node in self.rows[r]:
                    self.column[node], self.row[node] = c, r
        trunks, tracks = self._intervals()
        lanes = [_coloured(of_gutter) for of_gutter in trunks]
        used = _coloured(tracks)
        starts_x = self._place(lanes, ends)
        lane_x = [
            {source: x + LEAD + LANE * lane for source, lane in of_gutter.items()}
            for x, of_gutter in zip(starts_x, lanes, strict=True)
        ]
        track_y = {source: -HEIGHT / 2 - BELOW - LANE * track for source, track in used.items()}
        paths = [self._path(s, t, lane_x, track_y) for s, t in self.edges]
        points = [p for path in paths for p in path]
        points += [
            (x + dx, y + dy)
            for x, y in self.at.values()
            for dx in (-WIDTH / 2, WIDTH / 2)
            for dy in (-HEIGHT / 2, HEIGHT / 2)
        ]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        nodes = [self.at[node] for node in range(len(self.at))]
        return Layout(nodes, paths, min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))

    def _straight(self, source: int, target: int) -> bool:
        return self.column[source] == self.column[target] and self.row[target] == self.row[source] + 1

    def _y(self, node: int) -> float:
        return (self.row[node] - self.starts[self.column[node]]) * (HEIGHT + BELOW)

    def _intervals(self) -> tuple[list[dict[int, _Interval]], dict[int, _Interval]]:
        """How far the lanes of every gutter reach, by source, and the tracks above the columns."""
        trunks: list[dict[int, _Interval]] = [{} for _ in self.starts]
        tracks: dict[int, _Interval] = {}
        over = -float(HEIGHT + BELOW)
        for source, target in self.edges:
            if self._straight(source, target):
                continue
            first, last = self.column[source], self.column[target]
            start = trunks[first].setdefault(source, _Interval(self._y(source), self._y(source)))
            if last <= first + 1:
                start.reach(self._y(target))
                continue
            start.reach(over)
            trunks[last - 1].setdefault(source, _Interval(over, over)).reach(self._y(target))
            tracks.setdefault(source, _Interval(first, first)).reach(last)
        return trunks, tracks

    def _place(self, lanes: list[dict[int, int]], ends: list[int]) -> list[float]:
        """Gives every node its place; returns where the gutters begin."""
        gutters, x = [], 0.0
        for c, (start, end) in enumerate(zip(self.starts, ends, strict=True)):
            width = max(len(row) for row in self.rows[start:end]) * (WIDTH + BESIDE) - BESIDE
            for row in self.rows[start:end]:
                for i, node in enumerate(row):
                    beside = (i - (len(row) - 1) / 2) * (WIDTH + BESIDE)
                    self.at[node] = (x + width / 2 + beside, self._y(node))
            gutters.append(x + width)
            many = max(lanes[c].values(), default=-1) + 1
            x += width + (2 * LEAD + LANE * (many - 1) if many else EMPTY)
        return gutters

    def _path(self, source: int, target: int, lanes: list[dict[int, float]], tracks: dict[int, float]) -> list[Point]:
        (xs, ys), (xt, yt) = self.at[source], self.at[target]
        if self._straight(source, target):
            return [(xs, ys + HEIGHT / 2), (xt, yt - HEIGHT / 2)]
        first, last = self.column[source], self.column[target]
        leaves = self._leave(source)
        enters = self._enter(target, from_left=last > first)
        out = lanes[first][source]
        path = [*leaves, (out, leaves[-1][1])]
        if last > first + 1:
            track, down = tracks[source], lanes[last - 1][source]
            path += [(out, track), (down, track), (down, enters[0][1])]
        else:
            path.append((out, enters[0][1]))
        return [*path, *enters]

    def _leave(self, node: int) -> list[Point]:
        """From the node towards the gutter right of it, under the others of its row."""
        x, y = self.at[node]
        row = self.rows[self.row[node]]
        others = len(row) - 1 - row.index(node)
        if not others:
            return [(x + WIDTH / 2, y + HEIGHT / 4)]
        below = y + HEIGHT / 2 + AWAY + APART * ((others - 1) % 3)
        return [(x + WIDTH / 4, y + HEIGHT / 2), (x + WIDTH / 4, below)]

    def _enter(self, node: int, from_left: bool) -> list[Point]:
        """From the gutter to the node, over the others of its row."""
        x, y = self.at[node]
        row = self.rows[self.row[node]]
        side = -1 if from_left else 1
        others = row.index(node) if from_left else len(row) - 1 - row.index(node)
        if not others:
            return [(x + side * WIDTH / 2, y - HEIGHT / 4)]
        above = y - HEIGHT / 2 - AWAY - APART * ((others - 1) % 3)
        return [(x + side * WIDTH / 4, above), (x + side * WIDTH / 4, y - HEIGHT / 2)]


def _coloured(intervals: dict[int, _Interval]) -> dict[int, int]:
    """A lane for each interval, such that no two on one lane touch; the shortest get the first lanes."""
    taken: dict[int, list[_Interval]] = defaultdict(list)
    lanes: dict[int, int] = {}
    for source, interval in sorted(intervals.items(), key=lambda item: (item[1].high - item[1].low, item[0])):
        lane = 0
        while any(interval.low <= other.high and other.low <= interval.high for other in taken[lane]):
            lane += 1
        taken[lane].append(interval)
        lanes[source] = lane
    return lanes
