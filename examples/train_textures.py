"""Train the networks on the textures, or write the trained ones as ONNX files.

    python examples/train_textures.py --out examples/data --work DIR

trains a ResNet-20 with plain ReLU, on easier images first, then the same with QCFS activations from its weights
(thresholds from the activations first), and writes textures.npz, in a quarter of an hour of one core. DIR keeps a
checkpoint after every epoch: started again with the same DIR, it goes on where it was. The weights that are kept come
from this command and seed 0, on a CPU with one thread; other machines round otherwise and end elsewhere.

    python examples/train_textures.py --export DIR

writes relu.onnx, qcfs.onnx, X.npy and Y.npy (the test images and their labels) from the weights that are kept.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from textures import EASY, HARD, Difficulty, textures
from textures_networks import LEVELS, NAMES, WIDTHS, accuracy, export, held_out, inputs, new, restore, rounded, store
from torch import Tensor, nn
from torch.nn import functional

from ganglion.frontend.torch import calibrate_thresholds

TRAIN_SEED, TRAIN_IMAGES = 1, 20_000
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Stage:
    """SGD with Nesterov momentum 0.9: the rate rises for an epoch to `rate`, then falls as a cosine."""

    network: str
    images: Difficulty
    epochs: int
    rate: float
    decay: float = 5e-4


STAGES = {  # one after the other, each from the weights of the one before
    "easy": Stage(network="relu", images=EASY, epochs=18, rate=0.1),
    "relu": Stage(network="relu", images=HARD, epochs=4, rate=0.03),
    "qcfs": Stage(network="qcfs", images=HARD, epochs=2, rate=0.02),
    "qcfs-again": Stage(network="qcfs", images=HARD, epochs=3, rate=0.02),
}


def train(out: Path, work: Path, seed: int) -> None:
    """Both networks; writes textures.npz to `out`."""
    work.mkdir(parents=True, exist_ok=True)
    tested = held_out()
    states, shares = {}, {}
    torch.manual_seed(seed)
    models = {name: new(name) for name in NAMES}
    for label, stage in STAGES.items():
        images, labels = textures(TRAIN_IMAGES, TRAIN_SEED, stage.images)
        x, y = torch.from_numpy(inputs(images)), torch.from_numpy(labels)
        name, model = stage.network, models[stage.network]
        if name == "qcfs" and name not in states:
            model.load_state_dict(models["relu"].state_dict(), strict=False)  # all but the thresholds
            calibrate_thresholds(model, x[:1000])
        fit(model, x, y, stage, seed, work / f"{label}.pt", tested)
        states[name] = rounded(model)
        shares[name] = accuracy(restore(name, states[name]), *tested)
        print(f"{label}: {shares[name]:.2%} of the test images, weights rounded", flush=True)
    facts = {"accuracy": shares, "widths": WIDTHS, "levels": LEVELS, "seed": seed, "train_images": TRAIN_IMAGES}
    store(out / "textures.npz", states, facts)


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    stage: Stage,
    seed: int,
    checkpoint: Path,
    tested: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    """Train `model`, going on from `checkpoint` where it is there."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU
    optimiser = torch.optim.SGD(
        model.parameters(), lr=stage.rate, momentum=0.9, weight_decay=stage.decay, nesterov=True
    )
    batches = math.ceil(len(images) / BATCH)

    def rate(step: int) -> float:
        if step < batches:
            return (step + 1) / batches
        return 0.5 * (1 + math.cos(math.pi * (step - batches) / (batches * (stage.epochs - 1))))

    falling = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    parts: dict[str, Any] = {"model": model, "optimiser": optimiser, "rate": falling}
    first = 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        first = kept["epoch"]
        for key, part in parts.items():
            part.load_state_dict(kept[key])
    for epoch in range(first, stage.epochs):
        start, total = time.perf_counter(), 0.0
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        model.train()
        for chosen in torch.split(torch.randperm(len(images), generator=generator), BATCH):
            batch = augmented(images[chosen], generator).contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(model(batch), labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            falling.step()
            total += loss.item() * len(chosen)
        state = {"epoch": epoch + 1} | {key: part.state_dict() for key, part in parts.items()}
        torch.save(state, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)
        seconds, share = time.perf_counter() - start, accuracy(model, *tested)
        print(f"{checkpoint.stem} epoch {epoch + 1}/{stage.epochs}: loss {total / len(images):.4f}, ", end="")
        print(f"test accuracy {share:.2%}, {seconds:.0f} s", flush=True)


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """The batch turned by a random quarter and mirrored or not, all alike, and each moved by up to 2 pixels: a class
    stays what it is.
    """
    turn, mirror = torch.randint(4, (), generator=generator).item(), torch.randint(2, (), generator=generator).item()
    images = torch.rot90(images, int(turn), (2, 3))
    if mirror:
        images = images.flip(3)
    padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    down, right = torch.randint(5, (2, len(images), 1), generator=generator)
    side = torch.arange(images.shape[-1])
    rows, columns = (down + side)[:, None, :, None], (right + side)[:, None, None, :]
    one = torch.arange(len(images))[:, None, None, None]
    return padded[one, torch.arange(images.shape[1])[:, None, None], rows, columns]


def main() -> None:
    parser = argparse.ArgumentParser(description="train networks on the textures, or write the trained ones")
    parser.add_argument("--out", type=Path, help="train, and write textures.npz to this folder")
    parser.add_argument("--work", type=Path, default=Path("textures.work"), help="the folder of the checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", type=Path, metavar="DIR", help="write the trained networks as ONNX files")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    if a.out:
        train(a.out, a.work, a.seed)
    if a.export:
        export(a.export)
    if not a.out and not a.export:
        parser.error("one of --out and --export is needed")


if __name__ == "__main__":
    main()
