"""What `compare` found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganglion.ir import Array
from ganglion.ir.html import percent, table
from ganglion.ledger import Ledger

STEP_VS_LAYER = "simulator_step_vs_layer"


@dataclass
class Agreement:
    """How many values two engines were compared on, how many differ, and where the first one is.

    `first` is {"sample", "step", "neuron", "expected", "got"}; samples and steps count from 0.
    """

    compared: int = 0
    different: int = 0
    first: dict[str, Any] | None = None

    def add(self, expected: Array, got: Array, first_sample: int) -> None:
        """Compare two recordings (T, N, *shape) that begin with sample `first_sample`."""
        wrong = expected != got
        self.compared += wrong.size
        self.different += int(wrong.sum())
        if self.first is None and wrong.any():
            by_sample = np.moveaxis(wrong, 1, 0)
            n, t, *neuron = (int(i) for i in np.argwhere(by_sample)[0])
            where = (t, n, *neuron)
            self.first = {
                "sample": n + first_sample,
                "step": t,
                "neuron": neuron,
                "expected": int(expected[where]),
                "got": int(got[where]),
            }

    def as_json(self) -> dict[str, Any]:
        return {"compared": self.compared, "different": self.different, "first_difference": self.first}


@dataclass
class Comparison:
    """What `compare` found.

    accuracy    by engine, share of samples whose largest logit is the label's; None where not known
    agreement   by engine, share of samples whose largest logit is onnxruntime's
    distance    by engine, the mean distance of its logits from onnxruntime's, relative to their size
    pairs       by pair of engines, by population (and the readout, whose potentials are compared)
    rates       by population, spikes per neuron and time-step
    samples     how many samples; `executed`, by engine outside the simulator, how many of them ran there
    remarks     what these engines say beside their spikes, a line each
    ledger      where the accuracy goes, if that was asked for
    """

    samples: int
    readout: str
    accuracy: dict[str, float | None] = field(default_factory=dict)
    agreement: dict[str, float | None] = field(default_factory=dict)
    distance: dict[str, float | None] = field(default_factory=dict)
    pairs: dict[str, dict[str, Agreement]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    spikes_per_sample: float = 0.0
    executed: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    ledger: Ledger | None = None

    @property
    def lava_samples(self) -> int:
        """How many samples ran on Lava."""
        return self.executed.get("lava", 0)

    @property
    def equal(self) -> bool:
        """Whether every pair of engines agreed on every value."""
        return not any(a.different for pair in self.pairs.values() for a in pair.values())

    def as_json(self) -> dict[str, Any]:
        """The comparison for machines; the README documents the form."""
        engines = {}
        for pair, by_name in self.pairs.items():
            counts = [a for name, a in by_name.items() if name != self.readout]
            readout = by_name.get(self.readout, Agreement())
            engines[pair] = {
                "compared": sum(a.compared for a in counts),
                "different": sum(a.different for a in counts),
                "readout": {"compared": readout.compared, "different": readout.different},
            }
        populations = []
        for name, rate in self.rates.items():
            by_pair = {pair: by_name[name].as_json() for pair, by_name in self.pairs.items() if name in by_name}
            populations.append(
                {
                    "name": name,
                    "compared": sum(a["compared"] for a in by_pair.values()),
                    "different": sum(a["different"] for a in by_pair.values()),
                    "rate": rate,
                    "pairs": by_pair,
                }
            )
        return {
            "samples": self.samples,
            "lava_samples": self.lava_samples,
            "executed": self.executed,
            "equal": self.equal,
            "accuracy": self.accuracy,
            "agreement_with_onnxruntime": self.agreement,
            "distance_from_onnxruntime": self.distance,
            "engines": engines,
            "populations": populations,
            "spikes_per_sample": self.spikes_per_sample,
            "remarks": self.remarks,
            **({} if self.ledger is None else {"ledger": self.ledger.as_json()}),
        }

    def _repr_html_(self) -> str:
        rows = [
            (engine, percent(self.accuracy[engine]), percent(same), percent(self.distance[engine]))
            for engine, same in self.agreement.items()
            if same is not None
        ]
        verdicts = []
        for pair, by_name in self.pairs.items():
            different, compared = (sum(getattr(a, k) for a in by_name.values()) for k in ("different", "compared"))
            told = f"{different:,} of {compared:,} values differ" if different else "equal to the bit"
            verdicts.append(f"{pair.replace('_', ' ')}: {told}")
        title = f"Comparison of {self.samples} samples, {self.spikes_per_sample:,.1f} spikes per sample"
        head = ("engine", "accuracy", "onnxruntime's class", "distance of its logits")
        below = "" if self.ledger is None else self.ledger._repr_html_()
        return table(title, head, rows, notes=verdicts) + below
