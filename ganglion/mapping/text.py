"""A mapping as the text that a network's file keeps (`Graph.mapping`): JSON, checked in full when it is read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, fingerprint

from .place import Placement
from .result import Check, Core, MappedLayer, Mapping, Verdict
from .routes import Routes

VERSION = 2  # of the text; another one is not read
AGAIN = "map the network again (ganglion map NET.onnx -o NET.onnx)"
PLAIN = ("network", "fingerprint", "target", "form", "seed", "samples", "board", "per_tile", "chip_cores", "costs")


def to_text(mapping: Mapping) -> str:
    """See `Mapping.to_text`."""
    place = mapping.placement
    return json.dumps(
        {
            "mapping": VERSION,
            **{k: getattr(mapping, k) for k in (*PLAIN, "mesh", "notes")},
            "layers": [{k: getattr(x, k) for k in MappedLayer.__dataclass_fields__} for x in mapping.layers],
            "cores": [[c.population, c.box, list(c.use.values())] for c in mapping.cores],
            "resources": list(mapping.cores[0].use) if mapping.cores else [],
            "places": None if place is None else [a.tolist() for a in (place.chip, place.x, place.y, place.slot)],
            "routes": {
                name: [r.sources.tolist(), r.targets.tolist(), r.neurons.tolist(), np.round(r.messages, 6).tolist()]
                for name, r in mapping.routes.items()
            },
            "checks": [{k: getattr(c, k) for k in Check.__dataclass_fields__} for c in mapping.checks],
        },
        separators=(",", ":"),
    )


def from_text(text: str) -> Mapping:
    """See `Mapping.from_text`."""
    try:
        d = json.loads(text, parse_constant=_refused)
        version = d["mapping"]
        if type(version) is int and version != VERSION:
            message = (
                f"the network's mapping has form {version}, of another version of ganglion; this one reads {VERSION}"
            )
            raise InputError(message, hint=AGAIN)
        _demand(d, FORM, "the mapping")
        mapping = _built(d)
        _agree(mapping)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"the network's mapping is damaged: {error}", hint=AGAIN) from error
    return mapping


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """What a network's file says of its place on a chip: the mapping, or else the `problem` with its text."""

    mapping: Mapping | None = None
    problem: str = ""


def kept_in(net: Graph) -> Kept | None:
    """What `net` keeps; None where it was never mapped.

    A text that cannot be read, or that is of another network than `net`, is a problem to be told, and no error.
    """
    kept: Kept | None = net.derived("mapping", lambda: _kept_in(net)) if net.mapping else None
    return kept


def _kept_in(net: Graph) -> Kept:
    try:
        mapping = from_text(net.mapping)
    except InputError as error:
        return Kept(problem=f"{error.message}; {AGAIN}")
    if (mapping.fingerprint, mapping.costs["steps"]) != (fingerprint(net), net.steps):
        return Kept(problem=f"the mapping that '{net.name}' keeps is of another network; {AGAIN}")
    return Kept(mapping=mapping)


class _Each:
    """A JSON object with any names, whose values all have one form."""

    def __init__(self, form: Any) -> None:
        self.form = form


NOTHING = type(None)
REAL, REAL_OR_NONE = (int, float), (int, float, NOTHING)
LAYER = {
    "name": str,
    "shape": [int],
    "members": int,
    "extents": [int],
    "cores": int,
    "use": _Each(int),
    "limits": _Each(int),
    "binding": str,
    "broken": bool,
    "remedy": str,
}
COSTS = {  # as far as they are shown; there may be more
    "steps": int,
    "counts": _Each(REAL_OR_NONE),
    "ann": {"macs": int, "bits": int},
    "time_per_step_us": (NOTHING, {"low": REAL, "high": REAL_OR_NONE, "from": str}),
    "energy_uJ": (NOTHING, _Each({"low": REAL, "high": REAL})),
    "included": str,
    "excluded": str,
}
FORM = {
    "network": str,
    "fingerprint": str,
    "target": str,
    "form": str,
    "seed": int,
    "samples": int,
    "board": str,
    "per_tile": int,
    "chip_cores": int,
    "mesh": [int],
    "notes": [str],
    "resources": [str],
    "layers": [LAYER],
    "cores": [list],
    "places": (NOTHING, [[int]]),
    "routes": _Each([[int, float]]),
    "checks": [{"name": str, "verdict": str, "detail": str, "where": str, "remedy": str}],
    "costs": COSTS,
}


def _demand(value: Any, form: Any, where: str) -> None:
    """Raises ValueError where `value` has another form: a type, one of (several), [each of it], {field: its form}."""
    if isinstance(form, tuple):
        form = next((one for one in form if type(value) is _kind(one)), form[0])
    if type(value) is not _kind(form):
        raise ValueError(f"{where} is {json.dumps(value)[:40]}")
    if isinstance(form, _Each):
        for name, part in value.items():
            _demand(part, form.form, f"{where}, {name}")
    elif isinstance(form, dict):
        if lacking := [name for name in form if name not in value]:
            raise ValueError(f"{where} lacks {', '.join(lacking)}")
        for name, part in form.items():
            _demand(value[name], part, f"{where}, {name}")
    elif isinstance(form, list) and isinstance(form[0], type):
        if other := set(map(type, value)) - set(form):  # at once: there may be a million
            raise ValueError(f"{where} holds {', '.join(sorted(kind.__name__ for kind in other))}")
    elif isinstance(form, list):
        for part in value:
            _demand(part, form[0], where)


def _kind(form: Any) -> Any:
    return form if isinstance(form, type) else list if isinstance(form, list) else dict


def _built(d: dict[str, Any]) -> Mapping:
    """The mapping of a text that has the form; ValueError where lists are too long or too short."""
    place = None
    if d["places"] is not None:
        chip, x, y, slot = (np.array(a, np.int64) for a in d["places"])
        place = Placement(chip=chip, x=x, y=y, slot=slot)
    columns, rows = d["mesh"]
    return Mapping(
        **{k: d[k] for k in PLAIN},
        notes=tuple(d["notes"]),
        mesh=(columns, rows),
        layers=tuple(MappedLayer(**(x | {k: _three(x[k]) for k in ("shape", "extents")})) for x in d["layers"]),
        cores=tuple(_core(d["resources"], *core) for core in d["cores"]),
        placement=place,
        routes={name: _routes(*arrays) for name, arrays in d["routes"].items()},
        checks=tuple(Check(**c) for c in d["checks"]),
    )


def _three(values: list[int]) -> tuple[int, int, int]:
    c, h, w = values
    return c, h, w


def _core(resources: list[str], population: str, box: list[list[int]], use: list[int]) -> Core:
    _demand([box, use], [[int, list]], "a core")
    (a, b), (c, d), (e, f) = box
    return Core(population=population, box=((a, b), (c, d), (e, f)), use=dict(zip(resources, use, strict=True)))


def _routes(sources: list[int], targets: list[int], neurons: list[int], messages: list[float]) -> Routes:
    _demand([sources, targets, neurons], [[int]], "a route")
    whole = (np.array(a, np.int64) for a in (sources, targets, neurons))
    a, b, n = whole
    return Routes(sources=a, targets=b, neurons=n, messages=np.array(messages, np.float64))


def _agree(m: Mapping) -> None:
    """Raises ValueError where the parts of a mapping do not go together, so that no reader of it has to doubt them."""
    names = [layer.name for layer in m.layers]
    _true(bool(names) and len(set(names)) == len(names), "populations have no name of their own")
    for layer in m.layers:
        known = layer.use.keys() >= layer.limits.keys() and min(layer.limits.values(), default=1) > 0
        _true(known and bool(layer.limits), f"the limits of {layer.name} are not those of what it uses")
    _true({c.verdict for c in m.checks} <= set(get_args(Verdict)), "a condition has an unknown verdict")
    _true(min(*m.mesh, m.per_tile, m.chip_cores) > 0, "the chip has no cores")
    place = m.placement
    if place is None:
        _true(not m.cores and not m.routes, "cores have no place")
        return
    many = Counter(core.population for core in m.cores)
    _true(many == {layer.name: layer.cores for layer in m.layers}, "populations have other numbers of cores")
    ends = ((place.chip, len(m.cores)), (place.x, m.mesh[0]), (place.y, m.mesh[1]), (place.slot, m.per_tile))
    for values, end in ends:
        _true(len(values) == len(m.cores) and _within(values, end), "cores have places that the chip has not")
    for r in m.routes.values():
        _true(len({len(r.sources), len(r.targets), len(r.neurons), len(r.messages)}) == 1, "a route has no end")
        _true(_within(r.sources, len(m.cores)) and _within(r.targets, len(m.cores)), "a route leads to no core")
        _true(bool(np.isfinite(r.messages).all() and (r.messages >= 0).all()), "a route has no number of messages")


def _within(values: Array, end: int) -> bool:
    return bool(((values >= 0) & (values < end)).all())


def _true(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number")
