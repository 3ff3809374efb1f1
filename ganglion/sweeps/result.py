"""What a sweep found: one row per setting, as JSON, as CSV and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganglion.ir import Array
from ganglion.ir.file import write_whole
from ganglion.ir.html import percent, table

from .settings import Members

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting. What is not known is None: the accuracy without labels, all of it where there is a `problem`.

    steps, members         T and tau
    method                 how activations became populations: a name in `ganglion.methods`
    optimized              on how many samples the network was corrected after training; 0: it was not
    members_in_all         of all neurons together, those that take spikes back among them: what the network costs
    accuracy               share of samples whose largest logit is the label's
    agreement              share of samples whose largest logit is the ANN's (onnxruntime's)
    spikes_per_sample      of all populations
    operations_per_sample  synaptic operations: spikes, the input's too, times the synapses at which they arrive
    seconds                that simulating the network took, wherever and whenever it was done
    run_steps              T of the run that the row was read from: its first `steps` steps
    problem                why the target cannot hold the network; "" where it can
    right                  of every sample, whether its largest logit is the label's, bool (N,): for `paired`, and in no
                           file; None without labels
    """

    steps: int
    members: Members
    method: str = "gn"
    optimized: int = 0
    members_in_all: int | None = None
    accuracy: float | None = None
    agreement: float | None = None
    spikes_per_sample: float | None = None
    operations_per_sample: float | None = None
    seconds: float | None = None
    run_steps: int | None = None
    problem: str = ""
    right: Array | None = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """All fields but `right`."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = tuple(f.name for f in fields(Row) if f.name != "right")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What `sweep` found.

    rows          one per setting: method by method, tau by tau, T by T, in the order given
    samples       how many
    ann_accuracy  of the model itself in onnxruntime; None without labels
    runs          networks that were simulated for all these rows
    """

    model: str
    target: str
    samples: int
    ann_accuracy: float | None
    runs: int
    rows: Sequence[Row] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The sweep for machines: the fields of `Sweep`, and in "rows" those of every `Row`."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return found | {"rows": [row.as_json() for row in self.rows]}

    def to_csv(self, path: str | PathLike[str]) -> Path:
        """Write one line per row, the ANN's accuracy in each; empty where a value is None. Returns `path`.

        Raises `InputError` where `path` cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, "ann_accuracy"])
        for row in self.rows:
            values = [*row.as_json().values(), self.ann_accuracy]
            writer.writerow(["" if value is None else value for value in values])
        return write_whole(Path(path), text.getvalue().encode())

    def plot(self, where: str | PathLike[str] | tuple[Axes, Axes]) -> Figure:
        """Accuracy against T and against synaptic operations, one line per method and tau, the ANN's dashed; needs
        matplotlib.

        `where` is a file (.svg, .png or .pdf), or the two axes to draw in. Without labels the agreement with the ANN
        takes the accuracy's place. Raises `InputError` for another file type, a missing matplotlib, or where the file
        cannot be written.
        """
        from .plot import draw

        return draw(self, where)

    @property
    def optimised(self) -> str:
        """What a title says of the corrections; "" where there are none."""
        counts = sorted({row.optimized for row in self.rows if not row.problem})
        several = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}" if counts else "0"
        return "" if several == "0" else f", optimised on {several} samples"

    @property
    def heading(self) -> str:
        """The title of a picture."""
        return f"{self.model} on {self.target}{self.optimised}, {self.samples:,} samples"

    def _repr_html_(self) -> str:
        rows = [
            (
                row.method,
                "L" if row.members == "levels" else str(row.members),
                str(row.steps),
                percent(row.accuracy),
                percent(row.agreement),
                "" if row.spikes_per_sample is None else f"{row.spikes_per_sample:,.1f}",
                "" if row.operations_per_sample is None else f"{row.operations_per_sample:,.1f}",
                row.problem,
            )
            for row in self.rows
        ]
        ann = "" if self.ann_accuracy is None else f"; the ANN has {percent(self.ann_accuracy)}"
        head = ("method", "tau", "T", "accuracy", "as the ANN", "spikes / sample", "synaptic operations / sample", "")
        title = f"{self.model} on {self.target}{self.optimised}: {self.samples} samples{ann}"
        return table(title, head, rows)
