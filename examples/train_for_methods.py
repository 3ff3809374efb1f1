"""Networks trained for the conversion method that runs them, on the digits.

    python examples/train_for_methods.py [--epochs 30]

trains the residual network of examples/digits.py five times from the same first weights: with QCFS; with QCFS and noise
(NQ); with a threshold ReLU whose thresholds are balanced half-way, without and with the shift for 8 steps (Deng & Gu);
and with learnable clipping thresholds (error compensation). Each is compiled by the methods it is meant for, with one
member, and, to compare, by plain integrate-and-fire neurons; the table has the test accuracies of the spiking networks.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import digits  # beside this script
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import nn

import ganglion
from ganglion.frontend.torch import QCFS, ThresholdReLU, calibrate_thresholds, convert, export

STEPS = (1, 2, 4, 8)
LEVELS = 4
NOISE = 0.3  # of a step


class Training(NamedTuple):
    """A way to train, and the methods its networks are for."""

    name: str
    methods: tuple[str, ...]
    activation: Callable[[], QCFS | ThresholdReLU]
    balanced: bool = False
    shift_steps: int = 0


TRAININGS = (
    Training("QCFS, L = 4", ("if",), lambda: QCFS(LEVELS)),
    Training("QCFS, L = 4, noise", ("if",), lambda: QCFS(LEVELS, noise=NOISE)),
    Training("threshold ReLU", ("deng-gu", "if"), lambda: ThresholdReLU(trainable=False), balanced=True),
    Training(
        "threshold ReLU, shifted",
        *(("deng-gu", "if"), lambda: ThresholdReLU(trainable=False)),
        balanced=True,
        shift_steps=STEPS[-1],
    ),
    Training("learnable threshold", ("dual-threshold", "if"), lambda: ThresholdReLU()),
)


def train(training: Training, data: digits.Digits, epochs: int, seed: int, console: Console) -> nn.Module:
    """The trained network, in eval mode."""
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = convert(digits.DigitsNet(), activation=training.activation())
        if training.balanced:  # thresholds mean something only when the network has learnt what to tell
            digits.fit(model, images, labels, epochs // 2, seed, console)
            calibrate_thresholds(model, images, percentile=100)
            for module in model.modules():
                if isinstance(module, ThresholdReLU):
                    module.shift_steps = training.shift_steps
        digits.fit(model, images, labels, epochs - epochs // 2 * training.balanced, seed, console)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    console, data = Console(), digits.load()
    title = f"digits, {len(data.test_labels)} test images"
    table = Table("trained with", "ANN", "method", box=SIMPLE_HEAD, title=title)
    for steps in STEPS:
        table.add_column(f"T = {steps}", justify="right")
    for training in TRAININGS:
        model = train(training, data, a.epochs, a.seed, console)
        right = digits.evaluate(model, torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels))
        with tempfile.TemporaryDirectory(prefix="ganglion-") as folder:
            path = export(
                model,
                torch.from_numpy(data.test_images[:2]),
                Path(folder) / "digits.onnx",
                input_range=(0, 1),
                input_step=1 / digits.GREY_LEVELS,
            )
            for method in training.methods:
                row = []
                for steps in STEPS:
                    net = ganglion.compile(path, steps=steps, method=method)
                    logits = ganglion.simulate(net, data.test_images).logits
                    row.append(f"{(logits.argmax(1) == data.test_labels).mean():.1%}")
                table.add_row(training.name, f"{right:.1%}", method, *row)
    console.print(table)


if __name__ == "__main__":
    main()
