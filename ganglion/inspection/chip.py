"""A network's place on a chip, as `inspect` tells it beside its page: text, facts to compare, a population's cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion.ir import Graph, dims
from ganglion.mapping import Core, Kept, MappedLayer, Mapping, kept_in, words

from .table import columns, cut


def mapping_text(kept: Kept) -> str:
    """The mapping for a terminal, below the network."""
    m = kept.mapping
    if m is None:
        return f"mapping: {kept.problem}"
    lines = [f"mapping of {words.title(m)}", f"  fits: {m.fits}; {words.verdict(m)}", ""]
    headings, rows = words.layers(m)
    lines += columns(rows, headings, numbers=words.NUMBERS)
    lines += ["", *(f"  {words.WORDS[check.verdict]}: {check}" for check in words.open_checks(m))]
    lines += [f"  {line}" for line in words.helps(m)]
    lines += [f"  {name}: {told}" for name, told in words.costs(m).items()]
    return "\n".join(lines)


def mapping_document(kept: Kept | None) -> dict[str, Any] | None:
    """The mapping as `ganglion map --json` gives it; a `problem` alone where it cannot be read."""
    if kept is None:
        return None
    return {"problem": kept.problem} if kept.mapping is None else kept.mapping.as_json()


def cores_by_population(net: Graph) -> dict[str, int]:
    """How many cores each population takes; empty where nothing is known."""
    kept = kept_in(net)
    if kept is None or kept.mapping is None:
        return {}
    return {layer.name: layer.cores for layer in kept.mapping.layers}


def mapping_facts(net: Graph) -> dict[str, Any]:
    """What two mappings may differ in, by field; empty where `net` was never mapped."""
    kept = kept_in(net)
    if kept is None:
        return {}
    m = kept.mapping
    if m is None:
        return {"mapping": kept.problem}
    facts: dict[str, Any] = {"mapping": f"{m.target}, {m.form} form"}
    facts |= {
        f"mapping.{k}": getattr(m, k) for k in ("fits", "core_count", "chips", "board", "binding", "samples", "seed")
    }
    for x in m.layers:
        at_least = "at least " if x.broken else ""
        facts[f"mapping of {x.name}"] = (
            f"{at_least}{words.count(x.cores, 'core')}, tiles of {dims(x.extents)}, {x.binding}"
        )
    facts["mapping.checks"] = "; ".join(f"{c.verdict} {c}" for c in m.checks)
    facts["mapping.costs"] = "; ".join(f"{k}: {v}" for k, v in words.costs(m).items())
    if m.placement is not None:
        p = m.placement
        facts["mapping.places"] = np.stack([p.chip, p.x, p.y, p.slot])
        facts["mapping.messages"] = np.concatenate([np.zeros(0), *(r.messages for r in m.routes.values())])
    return facts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cores:
    """The cores of one population: how they are cut, and where each lies.

    cores   what every core holds; empty where the network is not placed
    places  chip, column, row and place in the tile of every core, int (cores, 4)
    sends, hears  messages per time-step that leave every core, and that reach it, (cores,)
    """

    mapping: Mapping
    layer: MappedLayer
    cores: tuple[Core, ...]
    places: np.ndarray[Any, Any]
    sends: np.ndarray[Any, Any]
    hears: np.ndarray[Any, Any]

    def as_json(self) -> dict[str, Any]:
        """For machines: every core. Chips and tiles count from 0, extents end one beyond the last."""
        x, m = self.layer, self.mapping
        rows = zip(self.cores, self.places.tolist(), self.sends.tolist(), self.hears.tolist(), strict=True)
        return {
            "target": m.target,
            "form": m.form,
            "cores": x.cores,
            "tile": list(x.extents),
            "binding": x.binding,
            "fits": not x.broken,
            "remedy": x.remedy,
            "utilisation": {k: round(v, 4) for k, v in x.utilisation.items()},
            "places": [
                {
                    "chip": chip,
                    "tile": [column, row],
                    "slot": slot,
                    **dict(zip(("channels", "rows", "columns"), map(list, core.box), strict=True)),
                    "use": core.use,
                    "sends": round(sends, 6),
                    "hears": round(hears, 6),
                }
                for core, (chip, column, row, slot), sends, hears in rows
            ],
        }

    def lines(self) -> list[str]:
        """For a terminal."""
        x, m = self.layer, self.mapping
        title = f"{'at least ' if x.broken else ''}{words.count(x.cores, 'core')} of {m.target}, {m.form} form"
        found = ["", f"{title}; what binds: {x.binding}" + (f"; would help: {x.remedy}" if x.remedy else "")]
        full = [f"{name} {100 * share:.3g} %" for name, share in x.utilisation.items()]
        found += [f"  the fullest core takes {', '.join(full)}"]
        if not self.cores:
            return [*found, "  not placed: the network does not fit"]
        binds = x.binding.split(",")[0]
        rows = [
            (
                str(chip + 1),
                f"({column}, {row})",
                str(slot),
                *(f"{a}..{b - 1}" for a, b in core.box),
                f"{core.use[binds]:,}",
                f"{sends:,.4g}",
                f"{hears:,.4g}",
            )
            for core, (chip, column, row, slot), sends, hears in zip(
                self.cores, self.places.tolist(), self.sends.tolist(), self.hears.tolist(), strict=True
            )
        ]
        headings = ("chip", "tile", "place", "channels", "rows", "columns", binds, "sends a step", "hears a step")
        return [*found, *cut(columns(rows, headings, numbers=(0, 2, 6, 7, 8)))]


def cores_of(net: Graph, population: str) -> Cores | str:
    """The cores of `population`; in words why there are none, "" where `net` was never mapped."""
    kept = kept_in(net)
    if kept is None or kept.mapping is None:
        return kept.problem if kept else ""
    m = kept.mapping
    layer = next((x for x in m.layers if x.name == population), None)
    if layer is None:
        return f"the mapping has no population '{population}'"
    mine = [i for i, core in enumerate(m.cores) if core.population == population]
    sends, hears = np.zeros(len(m.cores)), np.zeros(len(m.cores))
    for r in m.routes.values():
        np.add.at(sends, r.sources, r.messages)
        np.add.at(hears, r.targets, r.messages)
    p = m.placement
    places = np.zeros((0, 4), np.int64) if p is None else np.stack([p.chip, p.x, p.y, p.slot], 1)[mine]
    return Cores(
        mapping=m,
        layer=layer,
        cores=tuple(m.cores[i] for i in mine),
        places=places,
        sends=sends[mine],
        hears=hears[mine],
    )
