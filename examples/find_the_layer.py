"""Find the layer that loses accuracy.

    python examples/find_the_layer.py --out DIR

takes the digits network of examples/digits.py from DIR (or trains it there) and compiles it with fewer time-steps and
members than it was trained for, so that accuracy goes. The ledger then says on which step from the ONNX model to the
integers it goes, in which population, and what to do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from digits import digits_files  # beside this script
from rich.console import Console
from rich.table import Table

import ganglion
from ganglion.ledger import Ledger


def main() -> None:
    parser = argparse.ArgumentParser(description="compile a network with too few members and find out what that costs")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the folder of the network (default: demo)")
    parser.add_argument("--steps", type=int, default=1, help="T, time-steps per image (default: 1)")
    parser.add_argument("--members", type=int, default=1, help="tau, members per Group Neuron (default: 1)")
    parser.add_argument("--epochs", type=int, default=30, help="of the training, if there has to be one")
    parser.add_argument("--plot", type=Path, help="draw the errors to this file (.svg, .png, .pdf)")
    a = parser.parse_args()

    model, images, labels = digits_files(a.out, epochs=a.epochs)
    net = ganglion.compile(model, steps=a.steps, members=a.members)
    ledger = ganglion.compare(model, net, images, labels=labels, ledger=True).ledger
    assert ledger is not None

    console = Console()
    console.print(f"{net!r}: {100 * ledger.accuracy[ledger.rungs[0]]:.1f} % become", end=" ", markup=False)
    console.print(f"{100 * ledger.accuracy[ledger.rungs[-1]]:.1f} %")
    console.print(where_it_goes(ledger))
    console.print(ledger.summary, markup=False)
    console.print(ledger.advice, style="bold", markup=False)
    if a.plot:
        console.print(f"the errors are drawn in {ganglion.plot.save(ganglion.plot.ledger(ledger), a.plot)}")


def where_it_goes(ledger: Ledger) -> Table:
    """A row per population: relative error on the last rung, and the points that are lost there on all rungs."""
    lost: dict[str, float] = {}
    for attribution in ledger.attributions:
        lost[attribution.population] = lost.get(attribution.population, 0.0) + attribution.loss
    last = ledger.rungs[-1]
    errors = {entry.name: entry.relative_error for entry in ledger.entries if entry.rung == last}
    table = Table(title=f"where {ledger.loss:.2f} points of accuracy go")
    for heading in ("population", "relative error", "points lost"):
        table.add_column(heading, justify="left" if heading == "population" else "right")
    offender = ledger.first_offender[1] if ledger.first_offender else None
    for name in [*ledger.populations, *(name for name in lost if name not in ledger.populations)]:
        error = f"{100 * errors[name]:.1f} %" if name in errors else ""
        table.add_row(name, error, f"{lost.get(name, 0.0):.2f}", style="red" if name == offender else None)
    return table


if __name__ == "__main__":
    main()
