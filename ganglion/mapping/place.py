"""Where every core goes: along a space-filling curve first, then by swaps that shorten the way of the messages.

Chips stand in a row; a message goes along a row of tiles first, then along a column (XY routing).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array
from ganglion.targets import Hardware

TRIES = 40  # swaps that are tried for every core
MOST_TRIES = 60_000
NEAR = 8  # places along the curve around one that a core talks to
LEAST_GAIN = 1e-9


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """Messages per time-step from core to core, as arrays (E,); every pair of cores once."""

    cores: int
    sources: Array
    targets: Array
    messages: Array


@dataclass(slots=True, kw_only=True)
class Search:
    """Cores on spots, and what a swap of two of them would gain.

    spots          column and row of every spot, as if all chips were one mesh: (2, spots)
    at, holds      the spot of every core; the core of every spot, -1 for none
    places         column and row of every core: (2, cores)
    begin, others, weights   core c talks to others[begin[c] : begin[c + 1]], messages per time-step both ways
    """

    spots: Array
    at: Array
    holds: Array
    places: Array
    begin: Array
    others: Array
    weights: Array

    def gain(self, core: int, spot: int, swapped: int) -> float:
        """By how much the way of all messages of `core` shortens at `spot`, without those to `swapped`, which changes
        places with it."""
        near = slice(self.begin[core], self.begin[core + 1])
        others = self.others[near]
        there = self.places.take(others, axis=1)
        here, goal = self.places[:, core, None], self.spots[:, spot, None]
        shorter = np.abs(there - here) - np.abs(there - goal)
        shorter[:, others == swapped] = 0
        return float((shorter @ self.weights[near]).sum())

    def try_swap(self, core: int, spot: int) -> None:
        """Move `core` to `spot`, and whatever is there to where `core` is, if that shortens the way."""
        mine, other = self.at[core], self.holds[spot]
        if spot == mine:
            return
        gain = self.gain(core, spot, other)
        if other >= 0:
            gain += self.gain(other, mine, core)
        if gain > LEAST_GAIN:
            self.at[core], self.holds[spot], self.holds[mine] = spot, core, other
            self.places[:, core] = self.spots[:, spot]
            if other >= 0:
                self.at[other] = mine
                self.places[:, other] = self.spots[:, mine]


def place(traffic: Traffic, hardware: Hardware, seed: int = 0) -> Placement:
    """A place for each core; they are numbered in the order of the populations. Equal seeds give equal places."""
    cores = traffic.cores
    spots = slots(hardware, -(-cores // hardware.cores))
    mesh = np.array([spots[:, 0] * hardware.tiles[0] + spots[:, 1], spots[:, 2]], np.float64)
    search = search_of(traffic, mesh)
    begin, others, weights = search.begin, search.others, search.weights
    rng = np.random.default_rng(seed)
    tries = min(TRIES * cores, MOST_TRIES) if len(others) else 0
    moved = rng.integers(cores, size=tries)
    moved = moved[begin[moved + 1] > begin[moved]]
    up_to = np.concatenate([[0.0], weights.cumsum()])  # of all talk: a neighbour is drawn by how much of it is its own
    low, high = up_to[begin[moved]], up_to[begin[moved + 1]]
    drawn = np.searchsorted(up_to, rng.uniform(low, high), side="right") - 1
    goals = others[np.clip(drawn, begin[moved], begin[moved + 1] - 1)]
    steps = rng.integers(-NEAR, NEAR + 1, size=len(moved))
    for core, goal, step in zip(moved.tolist(), goals.tolist(), steps.tolist(), strict=True):
        spot = int(search.at[goal]) + step  # near one that it talks to
        search.try_swap(core, min(max(spot, 0), len(spots) - 1))
    chosen = spots[search.at]
    return Placement(chip=chosen[:, 0], x=chosen[:, 1], y=chosen[:, 2], slot=chosen[:, 3])


def search_of(traffic: Traffic, spots: Array) -> Search:
    """The search from where core k is at spot k; `spots` as in `Search`."""
    number, cores = np.arange(spots.shape[1]), traffic.cores
    begin, others, weights = _neighbours(traffic)
    return Search(
        spots=spots,
        at=np.arange(cores),
        holds=np.where(number < cores, number, -1),
        places=spots[:, :cores].copy(),
        begin=begin,
        others=others,
        weights=weights,
    )


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


def _neighbours(traffic: Traffic) -> tuple[Array, Array, Array]:
    """Of every core those that it sends to or hears from, and the messages per time-step both ways: `begin`, `others`
    and `weights` of a `Search`."""
    n = traffic.cores
    used = (traffic.sources != traffic.targets) & (traffic.messages > 0)
    a, b, messages = traffic.sources[used], traffic.targets[used], traffic.messages[used]
    key, place = np.unique(np.concatenate([a * n + b, b * n + a]), return_inverse=True)
    weights = np.bincount(place.ravel(), weights=np.concatenate([messages, messages]), minlength=len(key))
    return np.searchsorted(key, np.arange(n + 1) * n), key % n, weights
