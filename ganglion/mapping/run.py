"""map_network: a network onto a chip. Read `map_network` first: it is the whole way.

layers_of    populations, members, projections, as a mapper sees them     layers.py
cut_all      the best rectangular tiling of each population               search.py, tiles.py, reach.py
observe      messages per neuron and step, largest sums, from samples     observe.py
checks_of    every condition, with its verdict                            checks.py
routes_of    which cores send to which                                    routes.py
place        cores on the mesh                                            place.py
verify       the result, judged by other code                             verify.py
costs_of     counts, energy, time                                         cost.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, Input, fingerprint
from ganglion.ir.file import load as load_network
from ganglion.targets import Hardware, Target, load

from .checks import checks_of, mapped, observed
from .cost import costs_of
from .layers import Layer, layers_of
from .observe import observe
from .place import Placement, Traffic, place
from .result import Check, Core
from .result import Mapping as Result
from .routes import Routes, routes_of
from .search import Cut, cut_all
from .verify import verify

Progress = Callable[[str, int, int], None]


def map_network(
    net: Graph | str | PathLike[str],
    target: str | PathLike[str] | Target | None = None,
    *,
    form: str | None = None,
    x: Array | None = None,
    seed: int = 0,
    board: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Cut the populations of a quantised network, or of the one in that file, over a chip's neurocores and place these.

    target    "loihi1", "loihi2", or a description of your own; by default the one `net` was compiled for
    form      "cluster" (explicit members) or "graded" (one neuron that sends counts); by default graded where the
              chip's spikes have a payload
    x         samples (N, *shape), in the model's real units, on which spikes, sums and potentials are measured; they
              weigh the traffic and give the costs
    seed      of the local search for places; equal seeds give equal mappings
    board     the board to fit; by default the smallest with enough chips
    progress  called with (what, done, all)

    A network that does not fit is not placed. Raises `InputError` for a target without hardware, an unknown form or
    board, and a network that is not quantised.
    """
    net = net if isinstance(net, Graph) else load_network(Path(net))
    named = target if target is not None else net.target
    chip = load(named if isinstance(named, (str, Target)) else Path(named))
    hardware = chip.hardware
    if hardware is None:
        raise InputError(
            f"the target '{chip.name}' has no hardware to map to",
            hint="give its description the tables of docs/targets.md",
        )
    if board is not None and board not in hardware.boards:
        raise InputError(f"'{chip.name}' has no board '{board}'", hint=f"one of: {', '.join(hardware.boards)}")
    form = form or ("graded" if hardware.payload_bits else "cluster")
    tell = progress or (lambda what, done, total: None)
    layers = layers_of(net, hardware, form)
    senders = {op.name: 1 for op in net.of(Input)} | {name: layer.members for name, layer in layers.items()}
    cuts = cut_all(layers, hardware, senders, lambda done, total: tell("cutting", done, total))
    fitted = tuple(mapped(cut, hardware, senders) for cut in cuts.values())
    seen = None if x is None else observe(net, layers, x, lambda done, total: tell("measuring", done, total))
    rates = None if seen is None else seen.rates
    checks = checks_of(net, chip, layers, fitted, form, seen)
    cores: list[Core] = []
    routes: dict[str, Routes] = {}
    placement: Placement | None = None
    if not any(layer.broken for layer in fitted):
        tell("placing", 0, 1)
        cores = cores_of(cuts)
        routes = all_routes(layers, cuts, rates)
        placement = place(traffic(len(cores), routes), hardware, seed)
        tell("placing", 1, 1)
        checks.append(_board(hardware, placement.chips, board))
    result = Result(
        network=net.name,
        target=chip.name,
        form=form,
        seed=seed,
        layers=fitted,
        cores=tuple(cores),
        placement=placement,
        routes=routes,
        checks=tuple(checks),
        costs=costs_of(net, hardware, layers, cuts, routes, placement, rates)
        | {"observed": observed(net, layers, seen)},
        samples=0 if seen is None else seen.samples,
        mesh=hardware.tiles,
        per_tile=hardware.per_tile,
        chip_cores=hardware.cores,
        fingerprint=fingerprint(net),
        board=board or _smallest(hardware, placement.chips if placement else 0),
    )
    if placement is not None:
        verify(net, chip, result)
    return result


def cores_of(cuts: Mapping[str, Cut]) -> list[Core]:
    """Every core with what it holds, in the order of the populations."""
    found = []
    for name, cut in cuts.items():
        use = {key: values.ravel() for key, values in cut.use.items()}
        for i, box in enumerate(cut.tiling.boxes()):
            found.append(Core(population=name, box=box, use={key: int(values[i]) for key, values in use.items()}))
    return found


def all_routes(
    layers: Mapping[str, Layer], cuts: Mapping[str, Cut], rates: Mapping[str, Array] | None
) -> dict[str, Routes]:
    """The routes of every projection between populations, in numbers of cores."""
    first, begin = {}, 0
    for name, cut in cuts.items():
        first[name] = begin
        begin += cut.tiling.tiles
    tilings = {name: cut.tiling for name, cut in cuts.items()}
    found = {}
    for layer in layers.values():
        for link in layer.incoming:
            if link.source in layers:
                source = layers[link.source]
                r = routes_of(link, source, layer, tilings, None if rates is None else rates[link.source])
                found[link.name] = Routes(
                    sources=r.sources + first[link.source],
                    targets=r.targets + first[link.target],
                    neurons=r.neurons,
                    messages=r.messages,
                )
    return found


def traffic(cores: int, routes: Mapping[str, Routes]) -> Traffic:
    """Who sends how many messages per time-step to whom."""
    ways = [*routes.values()]
    pair = np.concatenate([np.zeros(0, np.int64), *(r.sources * cores + r.targets for r in ways)])
    found, place = np.unique(pair, return_inverse=True)
    messages = np.concatenate([np.zeros(0), *(r.messages for r in ways)])
    weights = np.bincount(place.ravel(), weights=messages, minlength=len(found))
    return Traffic(cores=cores, sources=found // cores, targets=found % cores, messages=weights)


def _smallest(hardware: Hardware, chips: int) -> str:
    fitting = [(n, name) for name, n in hardware.boards.items() if n >= chips > 0]
    return min(fitting)[1] if fitting else ""


def _board(hardware: Hardware, chips: int, board: str | None) -> Check:
    """Whether the chips are within the board."""
    if not hardware.boards:
        return Check(name="chips", verdict="unknown", detail=f"{chips}; the target names no boards")
    name = board or _smallest(hardware, chips) or max(hardware.boards, key=lambda n: hardware.boards[n])
    fine = chips <= hardware.boards[name]
    return Check(
        name="chips",
        verdict="pass" if fine else "fail",
        detail=f"{chips} of {hardware.boards[name]} ({name})",
        remedy="" if fine else "a larger board, fewer members, or a smaller network",
    )
