"""Train a ResNet-20 or a VGG-16 on CIFAR-10 and convert it into Group Neurons, as the Group Neuron paper does.

    python examples/cifar10.py --data cifar-10-batches-py --out cifar

needs a local copy of CIFAR-10's python version (the folder, or its .tar.gz) and downloads nothing. It writes to --out
the checkpoint of the training (interrupted and started again, it goes on where it was), the trained network as ONNX,
and a table of accuracies: the ANN, plain integrate-and-fire neurons (tau = 1) and Group Neurons at every T. A GPU is
used where torch has one. The defaults are the paper's (arXiv 2402.19061): 300 epochs, L = 8, tau = 6.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cifar10_data  # beside this script
import numpy as np
import torch
from cifar10_training import NETWORKS, Settings, accuracy, make, train
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

import ganglion
from ganglion.frontend.torch import export
from ganglion.ir.file import write_whole


def main() -> int:
    a = arguments()
    console = Console()
    try:
        sweep = run(a, console)
    except ganglion.GanglionError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    console.print(table(sweep, a))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="train on CIFAR-10, convert into Group Neurons, compare")
    parser.add_argument("--data", type=Path, required=True, help="cifar-10-batches-py, or cifar-10-python.tar.gz")
    parser.add_argument("--out", type=Path, default=Path("cifar"), help="the folder to write to (default: cifar)")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="resnet20")
    parser.add_argument("--width", type=int, default=0, help="channels of the first layers (default: the network's)")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--levels", type=int, default=8, help="L of every activation (default: 8)")
    parser.add_argument("--members", type=int, default=6, help="tau, members per Group Neuron (default: 6)")
    parser.add_argument("--steps", type=whole_numbers, default=(1, 2, 4, 8), help="T, a list (default: 1,2,4,8)")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1, help="the learning rate at the start (default: 0.1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test-images", type=int, help="only so many of the 10000 for the spiking networks")
    a = parser.parse_args()
    for name in ("epochs", "levels", "members", "batch"):
        if getattr(a, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if a.width < 0 or not a.rate > 0 or (a.test_images is not None and a.test_images < 1):
        parser.error("--width, --rate and --test-images must be positive")
    return a


def whole_numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < 1:
        raise ValueError
    return numbers


def run(a: argparse.Namespace, console: Console) -> ganglion.Sweep:
    """Everything that the module's docstring says but the table, of which it returns the figures."""
    data = cifar10_data.load(a.data)
    a.out.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        network=a.network, width=a.width, levels=a.levels, epochs=a.epochs, batch=a.batch, rate=a.rate, seed=a.seed
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    console.print(f"{len(data.train_images)} images to train with, {len(data.test_images)} to test, on {device}")
    model = make(settings).to(device)
    columns = (TextColumn("training, loss {task.fields[loss]:.4f}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=a.epochs, loss=float("nan"))
        train(
            model,
            data.train_images,
            data.train_labels,
            settings,
            a.out / f"{a.network}.pt",
            lambda epochs, loss: progress.update(task, completed=epochs, loss=loss),
        )
    trained = accuracy(model, data.test_images, data.test_labels)
    console.print(f"test accuracy of the trained network: {trained:.2%}")

    images, labels = data.test_images[: a.test_images], data.test_labels[: a.test_images]
    x = images.astype(np.float32) / 255
    path = export(model.cpu(), torch.from_numpy(x[:2]), a.out / f"{a.network}.onnx", input_range=(0.0, 1.0))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        bars: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done, total=total)

        taus = tuple(dict.fromkeys((1, a.members)))
        sweep = ganglion.sweep(path, x, labels, steps=a.steps, members=taus, store=a.out / "sweep", progress=tell)
    write_whole(a.out / "table.json", (json.dumps(sweep.as_json(), indent=1) + "\n").encode())
    return sweep


def table(sweep: ganglion.Sweep, a: argparse.Namespace) -> Table:
    """A row per T: plain integrate-and-fire neurons (IF) beside Group Neurons (GN)."""
    ann = f"the ANN has {100 * (sweep.ann_accuracy or 0):.2f} %"
    table = Table(title=f"{a.network} on CIFAR-10, {sweep.samples} test images; {ann}")
    table.add_column("T", justify="right")
    taus = list(dict.fromkeys(row.members for row in sweep.rows))
    for tau in taus:
        name = "IF," if tau == 1 else "GN,"
        for heading in (f"{name} tau = {tau}\naccuracy", "spikes\n/ image", "operations\n/ image"):
            table.add_column(heading, justify="right", vertical="bottom")
    rows = {(row.steps, row.members): row for row in sweep.rows}
    for steps in dict.fromkeys(row.steps for row in sweep.rows):
        cells = []
        for tau in taus:
            row = rows[steps, tau]
            if row.problem:
                cells += ["[red]does not fit[/]", "", ""]
                continue
            cells += [f"{100 * (row.accuracy or 0):.2f} %", f"{row.spikes_per_sample:,.0f}"]
            cells += [f"{(row.operations_per_sample or 0) / 1e6:,.1f} M"]
        table.add_row(str(steps), *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
