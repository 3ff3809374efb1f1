"""A network as a picture: what spikes, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ganglion.errors import InputError
from ganglion.ir import (
    Cluster,
    Graph,
    GroupNeuron,
    Input,
    IntegrateFire,
    MaxPool,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Stage,
    dims,
)

from .canvas import GREY, INK, LIGHT_BLUE, canvas, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BOX, ROW, COLUMN = 0.88, 0.56, 3.0  # a box's share of its column; inches per level and per column
HIGH = 0.62  # a box's share of its row
LONGEST = 22  # characters of a name that find room in a box


class Place(NamedTuple):
    """Where a population is drawn: `x` counts columns from the middle, `y` levels."""

    x: float
    y: int


def graph(net: Graph, ax: Axes | None = None) -> Axes:
    """The populations of `net` by level, from the input on top to the readout, and the projections between them.

    A population's level is the number of time-steps after which the input reaches it. Its box names shape and members
    (tau). A projection that skips levels is a bow; the number on it is its delay, in time-steps beyond the one that
    every projection takes. The lateral inhibition within clusters is not drawn.

    Raises `InputError` for a network that has no levels yet.
    """
    if net.stage < Stage.SCHEDULED:
        raise InputError(f"'{net.name}' is at stage {net.stage.name.lower()}; it has no levels yet", hint="compile it")
    edges = connections(net)
    places = arranged(net, list(edges))
    columns = 1 + max(p.x for p in places.values()) - min(p.x for p in places.values())
    bows = 0.5 if any(edges.values()) else 0.0
    with canvas(ax, COLUMN * (columns + bows), ROW * (net.depth + 1) + 0.6) as ax:
        for (source, target), delay in edges.items():
            _arrow(ax, places[source], places[target], delay)
        for name, place in places.items():
            _box(ax, net, net[name], place)
        left, right = min(p.x for p in places.values()), max(p.x for p in places.values())
        ax.set_xlim(left - 0.55, right + 0.55 + bows)
        ax.set_ylim(net.depth + 0.6, -0.6)
        ax.set_yticks(range(net.depth + 1))
        ax.set_ylabel("level: time-steps after the input")
        ax.xaxis.set_visible(False)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        title(ax, f"{net.name}: T = {net.steps}, τ = {net.members or 'L'}")
    return ax


def connections(net: Graph) -> dict[tuple[str, str], int]:
    """(source, target) of every projection, with its delay; members stand for their cluster."""
    cluster = {member: op.name for op in net.of(Cluster) for member in op.inputs}
    source = {op.name: op for op in net.of(Projection)}
    return {
        (source[name].inputs[0], cluster.get(op.name, op.name)): source[name].delay
        for op in net.of(Membrane)
        for name in op.inputs
        if name in source
    }


def arranged(net: Graph, edges: list[tuple[str, str]]) -> dict[str, Place]:
    """A place for the input, every population and the readout; those of one level stand below their sources."""
    hidden = {op.name for op in net.of(IntegrateFire)}
    shown = [op for op in net.ops if isinstance(op, (Input, Membrane, Cluster)) and op.name not in hidden]
    rows: dict[int, list[str]] = {}
    for op in shown:
        rows.setdefault(net.level(op.name), []).append(op.name)
    sources: dict[str, list[str]] = {}
    for source, target in edges:
        sources.setdefault(target, []).append(source)
    places: dict[str, Place] = {}
    for level in sorted(rows):
        middle = {
            n: sum(places[s].x for s in sources.get(n, [])) / max(len(sources.get(n, [])), 1) for n in rows[level]
        }
        for i, name in enumerate(sorted(rows[level], key=lambda n: middle[n])):
            places[name] = Place(i - (len(rows[level]) - 1) / 2, level)
    return places


def _box(ax: Axes, net: Graph, op: Op, place: Place) -> None:
    from matplotlib.patches import FancyBboxPatch

    spiking = isinstance(op, (GroupNeuron, PhaseNeuron, Cluster))
    members = op.members if isinstance(op, GroupNeuron) else len(op.inputs)
    kind = (
        f"τ = {members}"
        if isinstance(op, (GroupNeuron, Cluster))
        else f"max {dims(op.kernel)}"
        if isinstance(op, MaxPool)
        else op.mnemonic
    )
    name = op.name if len(op.name) <= LONGEST else f"{op.name[: LONGEST // 2 - 1]}…{op.name[-LONGEST // 2 :]}"
    left, right = place.x - BOX / 2, place.x + BOX / 2
    box = FancyBboxPatch(
        (left, place.y - HIGH / 2),
        BOX,
        HIGH,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor=LIGHT_BLUE if spiking else "white",
        edgecolor=GREY,
        linewidth=0.8,
        zorder=2,
    )
    ax.add_patch(box)
    ax.text(left + 0.03, place.y, name, va="center", ha="left", fontsize=8.5, color=INK, zorder=3, clip_on=True)
    info = f"{dims(net.typeof(op.name).shape)}   {kind}"
    ax.text(right - 0.03, place.y, info, va="center", ha="right", fontsize=7.5, color=GREY, zorder=3, clip_on=True)


def _arrow(ax: Axes, start: Place, end: Place, delay: int) -> None:
    """Straight down to the next level; a bow beside the boxes where levels are skipped."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    if not delay:
        points = [(start.x, start.y + HIGH / 2), (end.x, end.y - HIGH / 2)]
        path = Path(points, [Path.MOVETO, Path.LINETO])
    else:
        first, last = start.x + BOX / 2, end.x + BOX / 2
        out = max(first, last) + 0.22 + 0.06 * delay
        points = [(first, start.y), (out, start.y + 0.15), (out, end.y - 0.15), (last, end.y)]
        path = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        apex = (first + 3 * out + 3 * out + last) / 8  # of the Bezier curve, halfway
        around = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        ax.text(
            apex, (start.y + end.y) / 2, f"+{delay}",
            fontsize=8, color=INK, va="center", ha="center", bbox=around, zorder=4, clip_on=True,
        )  # fmt: skip
    arrow = FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=8, color=GREY, linewidth=1, zorder=1)
    ax.add_patch(arrow)
