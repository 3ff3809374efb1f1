"""Train a small residual network with QCFS activations on handwritten digits, and export it to ONNX.

    python examples/digits.py --out DIR

writes digits.onnx, X.npy (the test images) and Y.npy (their labels) to DIR. The data is scikit-learn's copy of
the UCI handwritten digits: 1797 real images of 8x8 pixels with 17 grey levels.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional

from ganglion.frontend.torch import convert, export

GREY_LEVELS = 16  # pixels are k/16 with k = 0..16
TEST_IMAGES = 360


class ResidualBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)); with a stride or a new width the shortcut is a 1x1 conv."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        y: Tensor = self.relu2(out + self.shortcut(x))
        return y


class DigitsNet(nn.Module):
    """A residual CNN for 1x8x8 images: stem, three blocks (the second halves the image), average pool, logits."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.block1 = ResidualBlock(width, width)
        self.block2 = ResidualBlock(width, 2 * width, stride=2)
        self.block3 = ResidualBlock(2 * width, 2 * width)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(2 * width * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.stem(x))))
        logits: Tensor = self.head(self.pool(x).flatten(1))
        return logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """The data: images (N, 1, 8, 8) float32 in [0, 1], labels (N,) int64; a fixed, stratified split."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What `train_digits` leaves: the model (QCFS, eval mode), its accuracy on the test images, and the files."""

    model: nn.Module
    accuracy: float
    onnx: Path
    images: Path
    labels: Path


def load() -> Digits:
    pixels, labels = load_digits(return_X_y=True)
    images = (np.asarray(pixels).reshape(-1, 1, 8, 8) / GREY_LEVELS).astype(np.float32)
    labels = np.asarray(labels, np.int64)
    train, test = train_test_split(np.arange(len(labels)), test_size=TEST_IMAGES, stratify=labels, random_state=0)
    return Digits(
        train_images=images[train], train_labels=labels[train], test_images=images[test], test_labels=labels[test]
    )


def train_digits(
    out: str | os.PathLike[str],
    *,
    epochs: int = 30,
    seed: int = 0,
    levels: int = 4,
    dynamo: bool = True,
    console: Console | None = None,
) -> Trained:
    """Train on the digits, write digits.onnx, X.npy and Y.npy to the folder `out`, and return what came of it.

    Equal seeds on one machine give equal networks. Progress appears on `console` if that is a terminal.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    data = load()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = convert(DigitsNet(), levels)
        fit(model, torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels), epochs, seed, console)
    model.eval()
    accuracy = evaluate(model, torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels))
    path = export(
        model,
        torch.from_numpy(data.test_images[:2]),
        out / "digits.onnx",
        input_range=(0.0, 1.0),
        input_step=1 / GREY_LEVELS,
        dynamo=dynamo,
    )
    np.save(out / "X.npy", data.test_images)
    np.save(out / "Y.npy", data.test_labels)
    return Trained(model=model, accuracy=accuracy, onnx=path, images=out / "X.npy", labels=out / "Y.npy")


def digits_files(
    out: str | os.PathLike[str], *, epochs: int = 30, levels: int = 4, console: Console | None = None
) -> tuple[Path, NDArray[np.float32], NDArray[np.int64]]:
    """digits.onnx in the folder `out`, the test images and their labels; trained first where they are not there."""
    paths = [Path(out) / name for name in ("digits.onnx", "X.npy", "Y.npy")]
    if not all(path.is_file() for path in paths):
        train_digits(out, epochs=epochs, levels=levels, console=console)
    return paths[0], np.load(paths[1]), np.load(paths[2])


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    seed: int,
    console: Console | None = None,
    batch: int = 64,
    rate: float = 0.05,
) -> None:
    """SGD with momentum 0.9, weight decay 5e-4 and a cosine schedule, as in the Group Neuron paper's code."""
    console = console or Console(stderr=True)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    columns = (TextColumn("training, loss {task.fields[loss]:.4f}"), BarColumn(), MofNCompleteColumn())
    model.train()
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=epochs, loss=float("nan"))
        for _ in range(epochs):
            total = 0.0
            for chosen in torch.split(torch.randperm(len(images), generator=generator), batch):
                loss = functional.cross_entropy(model(images[chosen]), labels[chosen])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.item() * len(chosen)
            schedule.step()
            progress.update(task, advance=1, loss=total / len(images))


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of `images` that `model` classifies as `labels` say."""
    right: Tensor = model(images).argmax(1) == labels
    return right.double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="train a residual QCFS network on handwritten digits")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the folder to write to (default: demo)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--levels", type=int, default=4, help="quantisation levels L of every activation (default: 4)")
    arguments = parser.parse_args()
    trained = train_digits(arguments.out, epochs=arguments.epochs, seed=arguments.seed, levels=arguments.levels)
    Console().print(f"test accuracy {trained.accuracy:.2%}, network in {trained.onnx}")


if __name__ == "__main__":
    main()
