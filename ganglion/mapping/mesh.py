"""Where everything is in a picture of a mapping: chips, tiles and cores, and what the mesh between them carries.

One place for all pictures (`picture.py`, `ganglion.plot.mesh`). Every message goes along its row of tiles first, then
along a column, as it is counted in `cost.py`; chips stand in a row, which is drawn in lines like text.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from math import ceil, isqrt

import numpy as np

from ganglion.ir import Array

from .place import hilbert
from .result import Mapping

STROKE = 0.12  # of a chip's frame
ACROSS = 4  # chips of a line
TEXT = (0.8, 0.9, 1.1, 1.25)  # height of letters in a line of one chip, of two, ...
GAP, FRAME = 1.1, 0.8  # between tiles, and around them within a chip
ROUNDING = 1e-12  # of all messages: so little may be left where sums cancel out
APART, LABEL, LINE = 3.0, 2.0, 1.2  # between chips, room for a label above and below, and between lines of chips


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chip:
    """Upper left corner of a chip's frame, and what is written above and below it."""

    x: float
    y: float
    above: str
    below: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """A picture in units of the side of a core's square; y goes down.

    chips      in their order; all are `frame` (width, height) large, with letters `text` high
    cores      by population, the upper left corners (n, 2) of its cores
    free       corners (n, 2) of cores that hold nothing
    bare       corners (n, 2) of places in tiles that have no core
    links      (n, 4): x0, y0, x1, y1 of every link between neighbouring tiles; at the end of a line two halves
    messages   (n,) that take each link in a time-step, both ways together
    busiest    where most messages pass, in words; "" where none does
    """

    width: float
    height: float
    frame: tuple[float, float]
    text: float
    chips: tuple[Chip, ...]
    cores: dict[str, Array]
    free: Array
    bare: Array
    links: Array
    messages: Array
    busiest: str


def mesh_of(mapping: Mapping) -> Mesh:
    """The picture of a mapping that is placed."""
    place = mapping.placement
    assert place is not None
    columns, rows = mapping.mesh
    side = isqrt(mapping.per_tile - 1) + 1  # cores of a tile in squares
    step = np.array([side + GAP, ceil(mapping.per_tile / side) + GAP])
    frame = (columns * step[0] - GAP + 2 * FRAME, rows * step[1] - GAP + 2 * FRAME)
    chips = place.chips
    line = frame[1] + LABEL * (1 + (chips > 1)) + LINE
    corners = np.array([(c % ACROSS * (frame[0] + APART), c // ACROSS * line + LABEL) for c in range(chips)])
    corners += (APART / 2, 0)

    def squares(chip: Array, x: Array, y: Array, slot: Array) -> Array:
        tiles = corners[chip] + FRAME + np.stack([x, y], 1) * step
        return np.asarray(tiles + np.stack([slot % side, slot // side], 1))

    spots = [(x, y, k) for x, y in hilbert(columns, rows) for k in range(mapping.per_tile)]
    there, bare = spots[: mapping.chip_cores], [(c, *s) for c in range(chips) for s in spots[mapping.chip_cores :]]
    held = set(zip(*(a.tolist() for a in (place.chip, place.x, place.y, place.slot)), strict=True))
    free = [(c, *spot) for c in range(chips) for spot in there if (c, *spot) not in held]
    corner = squares(place.chip, place.x, place.y, place.slot)
    names = np.array([core.population for core in mapping.cores])
    links, messages, busiest = _links(mapping, corners, step)
    used = np.bincount(place.chip, minlength=chips)
    across = messages_between_chips(mapping)
    return Mesh(
        width=min(chips, ACROSS) * (frame[0] + APART),
        height=ceil(chips / ACROSS) * line - LINE + STROKE,
        frame=frame,
        text=TEXT[min(chips, ACROSS) - 1],
        chips=tuple(
            Chip(
                x=float(x),
                y=float(y),
                above=f"chip {c + 1}: {used[c]} of {mapping.chip_cores} cores",
                below=f"{_number(across[c])} messages with chip {c + 2}" if c + 1 < chips else "",
            )
            for c, (x, y) in enumerate(corners)
        ),
        cores={layer.name: corner[names == layer.name] for layer in mapping.layers},
        free=squares(*np.array(free, np.int64).reshape(-1, 4).T),
        bare=squares(*np.array(bare, np.int64).reshape(-1, 4).T),
        links=links,
        messages=messages,
        busiest=busiest,
    )


def loads(mapping: Mapping) -> tuple[Array, Array]:
    """Messages per time-step over every link of the mesh, both ways together.

    Between columns x and x + 1 of each row, (rows, X - 1), and between rows y and y + 1 of each column, (rows - 1, X),
    where X counts the columns of all chips.
    """
    place = mapping.placement
    assert place is not None
    columns, rows = mapping.mesh
    many = place.chips * columns
    along, down = np.zeros((rows, many + 1)), np.zeros((rows + 1, many))
    x, y = place.chip * columns + place.x, place.y
    for r in mapping.routes.values():
        a, b = r.sources, r.targets
        for end, sign in ((np.minimum, 1), (np.maximum, -1)):  # +m where a way begins, -m where it ends
            np.add.at(along, (y[a], end(x[a], x[b])), sign * r.messages)
            np.add.at(down, (end(y[a], y[b]), x[b]), sign * r.messages)
    total = sum(float(r.messages.sum()) for r in mapping.routes.values())
    along, down = along.cumsum(1)[:, : many - 1], down.cumsum(0)[: rows - 1]
    return np.where(along > ROUNDING * total, along, 0.0), np.where(down > ROUNDING * total, down, 0.0)


def messages_between_chips(mapping: Mapping) -> Array:
    """Messages per time-step from chip c to c + 1 and back, (chips - 1,), with those that only pass through."""
    columns = mapping.mesh[0]
    return np.asarray(loads(mapping)[0][:, columns - 1 :: columns].sum(0))


def colours(mapping: Mapping) -> dict[str, str]:
    """A colour for every population, as #rrggbb: hues in the order of the network, light and dark in turns."""
    many = len(mapping.layers)
    found = {}
    for i, layer in enumerate(mapping.layers):
        hue = (0.58 + 0.85 * i / many) % 1.0
        rgb = colorsys.hls_to_rgb(hue, (0.44, 0.64)[i % 2], (0.62, 0.70)[i % 2])
        found[layer.name] = "#" + "".join(f"{round(255 * v):02x}" for v in rgb)
    return found


def chips_of(mapping: Mapping) -> dict[str, str]:
    """By population, the chips that hold it, counted from 1: "1-3, 5"; "" where nothing is placed."""
    found = {layer.name: "" for layer in mapping.layers}
    if mapping.placement is not None:
        chips: dict[str, set[int]] = {}
        for core, chip in zip(mapping.cores, mapping.placement.chip.tolist(), strict=True):
            chips.setdefault(core.population, set()).add(chip + 1)
        found |= {name: _ranges(sorted(numbers)) for name, numbers in chips.items()}
    return found


def _links(mapping: Mapping, corners: Array, step: Array) -> tuple[Array, Array, str]:
    """See `Mesh`."""
    columns, rows = mapping.mesh
    along, down = loads(mapping)
    room = step - GAP  # what a tile takes
    lines: list[tuple[float, float, float, float]] = []
    messages: list[float] = []
    for c, (left, top) in enumerate(corners + FRAME):
        x0, y0 = left + np.arange(columns) * step[0], top + np.arange(rows) * step[1]
        for y in range(rows):
            middle = y0[y] + room[1] / 2
            for x in range(columns):
                right, load = x0[x] + room[0], c * columns + x
                if x + 1 < columns:
                    lines.append((right, middle, right + GAP, middle))
                    messages.append(along[y, load])
                elif load < along.shape[1]:
                    whole = 2 * FRAME + APART
                    lines.append((right, middle, right + (whole if (c + 1) % ACROSS else whole / 2), middle))
                    messages.append(along[y, load])
                if x == 0 and c and c % ACROSS == 0:
                    lines.append((left - FRAME - APART / 2, middle, left, middle))
                    messages.append(along[y, load - 1])
                if y + 1 < rows:
                    centre = x0[x] + room[0] / 2
                    lines.append((centre, y0[y] + room[1], centre, y0[y] + step[1]))
                    messages.append(down[y, load])
    return np.array(lines).reshape(-1, 4), np.array(messages), _busiest(along, down, columns)


def _busiest(along: Array, down: Array, columns: int) -> str:
    """The link that carries most, and how much."""

    def ends(x: int, y: int, to_x: int, to_y: int) -> str:
        (c, one), (d, two) = divmod(x, columns), divmod(to_x, columns)
        here = "" if c == d else f" of chip {c + 1}"
        return f"{_number(most)} messages between tiles ({one}, {y}){here} and ({two}, {to_y}) of chip {d + 1}"

    most = max(along.max(initial=0.0), down.max(initial=0.0))
    if most <= 0:
        return ""
    if along.max(initial=0.0) == most:
        y, x = (int(i) for i in np.unravel_index(along.argmax(), along.shape))
        return ends(x, y, x + 1, y)
    y, x = (int(i) for i in np.unravel_index(down.argmax(), down.shape))
    return ends(x, y, x, y + 1)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ranges(numbers: list[int]) -> str:
    """[1, 2, 3, 5] as "1-3, 5"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
