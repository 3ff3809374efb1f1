"""What `report` made: the file, and its figures for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganglion.ir import Graph
from ganglion.ledger import Ledger
from ganglion.simulator import Run
from ganglion.sweeps import Sweep

from .recording import Firing, Raster


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that a page shows.

    model   what the source is called: the name of its file
    run     of `net`, on all samples
    sweep   accuracy against T and tau; None where it was not asked for
    firing  by population, beside the network of tau = 1; empty without a sweep, or where the target cannot hold it
    notes   what a reader must know about these figures, sentence by sentence
    """

    net: Graph
    model: str
    run: Run
    ledger: Ledger
    raster: Raster
    sweep: Sweep | None = None
    firing: dict[str, Firing] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures at the top of a report. Accuracies are the share of right classes or, where `labelled` is False, of
    those that the source gives. `chip` is None for a network that was never mapped, {} where its mapping cannot be
    read."""

    network: str
    model: str
    target: str
    steps: int
    members: int | None
    populations: int
    neurons: int
    depth: int
    samples: int
    labelled: bool
    source_accuracy: float
    network_accuracy: float
    spikes_per_sample: float
    operations_per_sample: float
    first_offender: tuple[str, str] | None
    verdict: str
    advice: str
    chip: dict[str, Any] | None


@dataclass(frozen=True)
class Report:
    """What `report` made: `path` is the page."""

    path: Path
    summary: Summary

    def as_json(self) -> dict[str, Any]:
        """The summary for machines, and "output", the page's path."""
        offender = self.summary.first_offender
        named = None if offender is None else dict(zip(("rung", "population"), offender, strict=True))
        return {"output": str(self.path), **asdict(self.summary), "first_offender": named}

    def __str__(self) -> str:
        s = self.summary
        what = "accuracy" if s.labelled else "same class as the source"
        shares = f"{100 * s.network_accuracy:.2f} %, of the source {100 * s.source_accuracy:.2f} %"
        return "\n".join(filter(None, (s.verdict, s.advice, f"{self.path}: {s.samples} samples, {what} {shares}")))
