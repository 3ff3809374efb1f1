"""Two figures after those of the Group Neuron paper (Lv et al., arXiv 2402.19061), on handwritten digits.

    python examples/paper_figures.py --out docs

trains the digits network of examples/digits.py with L = 8 levels, as the paper does, and draws

rates.svg   at the same T: what plain integrate-and-fire neurons (tau = 1) and Group Neurons stand for, against the
            ANN's activations, and how often each value occurs
tau.svg     accuracy against T for several tau

It also prints the relative error of every population. The paper's own figures are of CIFAR; these show the same effect
on data that is at hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from digits import digits_files  # beside this script
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import ganglion
from ganglion import plot

STEPS, MEMBERS = (1, 2, 4, 8), (1, 2, 4, 6, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description="draw firing rates, and accuracy at many T and tau")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where the pictures go (default: figures)")
    parser.add_argument("--work", type=Path, help="where the network is, or is trained (default: OUT/L8, ...)")
    parser.add_argument("--levels", type=int, default=8, help="L of every activation (default: 8)")
    parser.add_argument("--steps", type=int, default=4, help="T of rates.svg (default: 4)")
    parser.add_argument("--members", type=int, default=4, help="tau of rates.svg (default: 4)")
    parser.add_argument("--population", default="block2.relu2", help="of rates.svg (default: block2.relu2)")
    parser.add_argument("--images", type=int, default=360, help="test images (default: all 360)")
    parser.add_argument("--epochs", type=int, default=30, help="of the training, if there has to be one")
    a = parser.parse_args()
    console = Console()
    a.out.mkdir(parents=True, exist_ok=True)

    work = a.work or a.out / f"L{a.levels}"
    model, images, labels = digits_files(work, epochs=a.epochs, levels=a.levels, console=console)
    images, labels = images[: a.images], labels[: a.images]
    exact = ganglion.compile(model, steps=1, members="levels", target=None)  # computes the ANN itself
    ann = activations(exact, images)
    plain, group = (activations(ganglion.compile(model, steps=a.steps, members=tau), images) for tau in (1, a.members))
    console.print(errors(ann, {"IF": plain, f"GN, tau = {a.members}": group}, a.steps))
    console.print(draw_rates(a.out / "rates.svg", a.population, ann, plain, group, a.steps, a.members))

    sweep = ganglion.sweep(model, images, labels, steps=STEPS, members=MEMBERS)
    for row in sweep.rows:
        console.print(f"tau = {row.members}, T = {row.steps}: {100 * (row.accuracy or 0):.2f} %")
    ax = plot.sweep(sweep)
    ax.set_title(f"digits, L = {a.levels}: accuracy on {len(images)} test images", fontsize=11, loc="left")
    console.print(plot.save(ax, a.out / "tau.svg"))


def activations(net: ganglion.Graph, images: Any) -> dict[str, Any]:
    """What the spikes of every Group Neuron stand for, by population: (N, *shape), in the model's units."""
    run = ganglion.simulate(net, images, record="all")
    found = {}
    for op in net.of(ganglion.ir.GroupNeuron):
        found[op.name] = run.counts[op.name].sum(axis=0, dtype=np.int64) * (op.scale / net.steps)
    return found


def errors(ann: dict[str, Any], others: dict[str, dict[str, Any]], steps: int) -> Table:
    """The distance of every population from the ANN, Euclidean over all neurons and images, relative to its size."""
    table = Table(title=f"relative error at T = {steps}")
    for heading in ("population", *others):
        table.add_column(heading, justify="left" if heading == "population" else "right")
    for name, wanted in ann.items():
        far = (np.linalg.norm(other[name] - wanted) / np.linalg.norm(wanted) for other in others.values())
        table.add_row(name, *(f"{100 * error:.1f} %" for error in far))
    return table


def draw_rates(
    path: Path, population: str, ann: dict[str, Any], plain: dict[str, Any], group: dict[str, Any], steps: int, tau: int
) -> Path:
    """Three panels: IF against the ANN, Group Neurons against the ANN, and the distributions of all three."""
    if population not in ann:
        raise ganglion.InputError(f"no population is called {population}", hint=f"the network has {', '.join(ann)}")
    y, v, n = (values[population] for values in (ann, plain, group))
    with matplotlib.rc_context(plot.STYLE):
        figure = Figure(figsize=(13.2, 4.2), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
        plot.rate_against_activation(y, v, left, name=f"IF (τ = 1), T = {steps}")
        plot.rate_against_activation(y, n, middle, name=f"Group Neurons (τ = {tau}), T = {steps}")
        plot.distributions({"ANN": y, "IF": v, f"GN, τ = {tau}": n}, right)
        right.set_title(f"values of {population}", fontsize=11, loc="left")
    return plot.save(left, path)


if __name__ == "__main__":
    main()
