"""What a mapping is: populations cut over neurocores, cores placed, routes, checks and costs; and its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .layers import Box
from .place import Placement
from .routes import Routes
from .search import shares

Verdict = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition for a network to run on the chip: `where` names the population, "" for the whole network.

    A check that is not known to pass says in `detail` what is assumed.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    where: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        told = f"{self.where}: {self.name}, {self.detail}" if self.where else f"{self.name}: {self.detail}"
        return f"{told}; {self.remedy}" if self.remedy else told


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedLayer:
    """One population on its cores.

    shape, members     (C, H, W) and explicit members of each neuron
    extents            (C, H, W) of one tile
    cores              how many; where a limit is broken, how many the other limits need at least
    use, limits        by resource, what the fullest core takes, and has (resources that are not known have no limit)
    binding            the resource of which the fullest core has least left, with use and limit
    broken             whether not even one neuron keeps some limit
    remedy             what would make it fit or, where it fits on several cores, take fewer of them
    """

    name: str
    shape: tuple[int, int, int]
    members: int
    extents: tuple[int, int, int]
    cores: int
    use: dict[str, int]
    limits: dict[str, int]
    binding: str
    broken: bool
    remedy: str = ""

    @property
    def utilisation(self) -> dict[str, float]:
        """By resource with a known limit, the share that the fullest core takes."""
        return shares(self.use, self.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One neurocore: which neurons of which population it holds, and what they take of it."""

    population: str
    box: Box
    use: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mapping:
    """A network on a chip, in one form.

    chips      how many; 0 where it is not placed, because some limit is broken
    board      the smallest board that has so many chips; "" for none
    layers     the populations in topological order
    cores      every core, in the order of the layers; empty where the network is not placed
    placement  where the cores are; None where they are not placed
    routes     by projection; the numbers are indices of `cores`
    checks     every condition, with its verdict
    costs      counts, energy and time (`ganglion.mapping.cost`)
    samples    how many samples spikes were measured on; 0: none, messages count as if every member fired at every step
    mesh       (columns, rows) of tiles of a chip
    per_tile, chip_cores  cores of a tile, and of a chip, which may have fewer than its tiles have room for
    fingerprint  of the network (`ganglion.ir.fingerprint`)
    """

    network: str
    target: str
    form: str
    seed: int
    layers: tuple[MappedLayer, ...]
    cores: tuple[Core, ...]
    placement: Placement | None
    routes: dict[str, Routes]
    checks: tuple[Check, ...]
    costs: dict[str, Any]
    samples: int
    mesh: tuple[int, int]
    per_tile: int
    chip_cores: int
    fingerprint: str
    board: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def fits(self) -> Literal["yes", "no", "under assumptions"]:
        """Whether the network fits the chip."""
        verdicts = {check.verdict for check in self.checks}
        return "no" if "fail" in verdicts else "under assumptions" if "unknown" in verdicts else "yes"

    @property
    def chips(self) -> int:
        return self.placement.chips if self.placement else 0

    @property
    def core_count(self) -> int:
        """Cores; a lower bound where some limit is broken."""
        return sum(layer.cores for layer in self.layers)

    @property
    def binding(self) -> str:
        """What decides: the first condition that fails, or else the resource that fills the most cores."""
        failed = [check for check in self.checks if check.verdict == "fail"]
        if failed:
            return str(failed[0])
        by: dict[str, int] = {}
        for layer in self.layers:
            name = layer.binding.split(",")[0]
            by[name] = by.get(name, 0) + layer.cores
        name = max(by, key=lambda n: by[n])
        return f"{name} (fills {by[name]} of {self.core_count} cores)"

    def as_json(self) -> dict[str, Any]:
        """The mapping for machines; docs/mapping.md documents the form."""
        return {
            "network": self.network,
            "target": self.target,
            "form": self.form,
            "fits": self.fits,
            "cores": self.core_count,
            "chips": self.chips,
            "board": self.board,
            "placed": self.placement is not None,
            "binding": self.binding,
            "layers": [
                {
                    "name": x.name,
                    "cores": x.cores,
                    "binding": x.binding,
                    "utilisation": {k: round(v, 4) for k, v in x.utilisation.items()},
                    "use": x.use,
                    "shape": x.shape,
                    "members": x.members,
                    "tile": x.extents,
                    "fits": not x.broken,
                    "remedy": x.remedy,
                }
                for x in self.layers
            ],
            "checks": [
                {"name": c.name, "verdict": c.verdict, "where": c.where, "detail": c.detail, "remedy": c.remedy}
                for c in self.checks
            ],
            "costs": self.costs,
            "samples": self.samples,
            "seed": self.seed,
        }

    def to_text(self) -> str:
        """For the network's file; `from_text` gives the same mapping back."""
        from .text import to_text  # which reads mappings

        return to_text(self)

    @staticmethod
    def from_text(text: str) -> Mapping:
        """Raises `InputError` for a text that `to_text` does not give, or gave in another version."""
        from .text import from_text

        return from_text(text)

    def _repr_html_(self) -> str:
        from .page import notebook

        return notebook(self)
