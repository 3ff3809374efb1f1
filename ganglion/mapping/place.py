"""Where every core goes: along a space-filling curve first, then by swaps that shorten the way of the messages.

Chips stand in a row; a message goes along a row of tiles first, then along a column (XY routing).
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from ganglion.ir import Array
from ganglion.targets import Hardware

TRIES = 40  # swaps that are tried for every core
MOST_TRIES = 60_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Chip, column and row of the tile, and place within the tile, of every core: int (cores,) each."""

    chip: Array
    x: Array
    y: Array
    slot: Array

    @property
    def chips(self) -> int:
        return int(self.chip.max(initial=-1)) + 1

    def distance(self, a: Array, b: Array, columns: int) -> Array:
        """Hops between cores `a` and `b`: tiles along the row and the column, on chips of so many columns."""
        across = (self.chip[a] - self.chip[b]) * columns + self.x[a] - self.x[b]
        return np.asarray(np.abs(across) + np.abs(self.y[a] - self.y[b]))


def place(traffic: nx.DiGraph[int], hardware: Hardware, seed: int = 0) -> Placement:
    """A place for each core of `traffic`, whose nodes are cores 0..n-1 in the order of the populations, and whose
    edges have messages per time-step as `weight`. Equal seeds give equal places.
    """
    cores = len(traffic)
    spots = slots(hardware, -(-cores // hardware.cores))
    columns = hardware.tiles[0]
    position = spots[:, [0, 1, 2]].astype(np.int64)
    x, y = position[:, 0] * columns + position[:, 1], position[:, 2]
    at = np.arange(cores)  # the spot of every core
    holds = np.full(len(spots), -1)
    holds[:cores] = at
    near = _neighbours(traffic)
    rng = np.random.default_rng(seed)

    def length(core: int, spot: int, but: int) -> float:
        """The way of all messages of `core` at `spot`, without those to `but`, which changes places with it."""
        others, weights = near[core]
        there = at[others]
        way = np.abs(x[there] - x[spot]) + np.abs(y[there] - y[spot])
        return float(((others != but) * weights) @ way)

    for core in rng.integers(cores, size=min(TRIES * cores, MOST_TRIES)) if cores > 1 else ():
        others, weights = near[core]
        if not len(others):
            continue
        goal = at[others[rng.choice(len(others), p=weights / weights.sum())]]  # beside one it talks to
        spot = int(np.clip(goal + rng.integers(-8, 9), 0, len(spots) - 1))
        mine, other = int(at[core]), int(holds[spot])
        if spot == mine:
            continue
        gain = length(core, mine, other) - length(core, spot, other)
        if other >= 0:
            gain += length(other, spot, core) - length(other, mine, core)
        if gain > 1e-9:
            at[core], holds[spot], holds[mine] = spot, core, other
            if other >= 0:
                at[other] = mine
    chosen = spots[at]
    return Placement(chip=chosen[:, 0], x=chosen[:, 1], y=chosen[:, 2], slot=chosen[:, 3])


def slots(hardware: Hardware, chips: int) -> Array:
    """(chip, column, row, place in the tile) of all cores of so many chips, along a curve that keeps them near."""
    curve = hilbert(*hardware.tiles)
    one = [(x, y, k) for x, y in curve for k in range(hardware.per_tile)][: hardware.cores]
    return np.array([(chip, *spot) for chip in range(chips) for spot in one], np.int64).reshape(-1, 4)


def hilbert(columns: int, rows: int) -> list[tuple[int, int]]:
    """All tiles of a mesh along the Hilbert curve of the smallest square that holds it (Hilbert, Math. Ann. 1891)."""
    side = 1
    while side < max(columns, rows):
        side *= 2
    found = []
    for d in range(side * side):
        x = y = 0
        t, s = d, 1
        while s < side:
            rx, ry = 1 & (t // 2), 1 & (t ^ (t // 2))
            if ry == 0:
                if rx == 1:
                    x, y = s - 1 - x, s - 1 - y
                x, y = y, x
            x, y, t, s = x + s * rx, y + s * ry, t // 4, s * 2
        if x < columns and y < rows:
            found.append((x, y))
    return found


def _neighbours(traffic: nx.DiGraph[int]) -> list[tuple[Array, Array]]:
    """Of every core: the others that it sends to or hears from, and messages per time-step both ways."""
    both = traffic.to_undirected(as_view=False)
    for a, b, data in both.edges(data=True):
        data["weight"] = sum(traffic.edges[e]["weight"] for e in ((a, b), (b, a)) if traffic.has_edge(*e))
    found = []
    for core in range(len(traffic)):
        weights = {b: d["weight"] for b, d in both.adj[core].items() if b != core and d["weight"] > 0}
        found.append((np.fromiter(weights, np.int64, len(weights)), np.fromiter(weights.values(), float, len(weights))))
    return found
