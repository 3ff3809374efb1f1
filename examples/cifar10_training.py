"""Training with QCFS activations on CIFAR-10, interrupted and resumed at will.

SGD with momentum 0.9, weight decay 5e-4 and a cosine schedule, thresholds initialised at L, max pools as average pools:
as in the code of the Group Neuron paper (Lv et al., arXiv 2402.19061) and of QCFS (Bu et al., ICLR 2022). Images are
shifted by up to 4 pixels, flipped, normalised, and have a square of 16x16 pixels blanked (Cutout, DeVries and Taylor,
arXiv 1708.04552). AutoAugment, which the code of QCFS also has, is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models import cifar_resnet, vgg16  # beside this script
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ganglion.errors import InputError
from ganglion.frontend.torch import convert

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # of CIFAR-10's channels, in [0, 1]
SHIFT, HOLE = 4, 16  # pixels
MOMENTUM, DECAY = 0.9, 5e-4
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "resnet20": lambda width: cifar_resnet(3, width or 16),
    "vgg16": lambda width: vgg16(width=width or 64, hidden=64 * (width or 64)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides how a training goes; `width` 0 is the network's own."""

    network: str = "resnet20"
    width: int = 0
    levels: int = 8
    epochs: int = 300
    batch: int = 128
    rate: float = 0.1
    seed: int = 0


class Normalise(nn.Module):
    """(x - mean) / deviation by channel: inside the network, so that its input is the 8-bit image itself."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def make(settings: Settings) -> nn.Module:
    """The network with QCFS in place of every ReLU and average pools in place of max pools, untrained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = NETWORKS[settings.network](settings.width)
        return nn.Sequential(Normalise(), convert(network, settings.levels, max_pool="average"))


def train(
    model: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    settings: Settings,
    checkpoint: Path,
    tell: Callable[[int, float], None] = lambda epoch, loss: None,
) -> None:
    """Train `model` where its weights are (CPU or GPU), from the last epoch that `checkpoint` holds, if any.

    `images` (N, 3, 32, 32), `labels` (N,). After each epoch the checkpoint is written, whole or not at all, and then
    `tell(epochs done, mean loss)` called. On a CPU, a training that was interrupted comes to the weights that it would
    have had. Raises `InputError` for a checkpoint of other settings, or one that cannot be read.
    """
    device = next(model.parameters()).device
    pixels, classes = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    generator = torch.Generator().manual_seed(settings.seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=settings.rate, momentum=MOMENTUM, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs)
    torch.manual_seed(settings.seed)  # dropout's
    first = 0
    if checkpoint.exists():
        state = read(checkpoint, settings, device)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        generator.set_state(state["generator"].cpu())
        torch.set_rng_state(state["torch"].cpu())
        first = state["epochs"]
    model.train()
    for epoch in range(first, settings.epochs):
        total = 0.0
        for chosen in torch.split(torch.randperm(len(images), generator=generator), settings.batch):
            batch = augmented(pixels[chosen.to(device)].float() / 255, generator)
            loss = functional.cross_entropy(model(batch), classes[chosen.to(device)])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.item() * len(chosen)
        schedule.step()
        state = {
            "settings": asdict(settings),
            "epochs": epoch + 1,
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "generator": generator.get_state(),
            "torch": torch.get_rng_state(),
        }
        part = checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, checkpoint)
        tell(epoch + 1, total / len(images))
    model.eval()


def read(checkpoint: Path, settings: Settings, device: torch.device) -> dict[str, Any]:
    """The state in `checkpoint`; raises `InputError` where it cannot be read, or is of other settings."""
    try:
        state: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
        found = state["settings"]
    except Exception as error:  # torch's, pickle's or zipfile's
        raise InputError(f"cannot read the checkpoint {checkpoint}: {error}", hint="remove it to begin anew") from error
    wanted = asdict(settings)
    other = [f"{name} = {found.get(name)}" for name in wanted if found.get(name) != wanted[name]]
    if other:
        raise InputError(
            f"the checkpoint {checkpoint} is of a training with {', '.join(other)}",
            hint="give the same options to go on with it, or another --out",
        )
    return state


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """`images` (N, 3, 32, 32), real, in [0, 1]: each shifted, perhaps flipped, and with a hole of the mean colour."""
    n, _, height, width = images.shape
    draw = partial(torch.randint, generator=generator, dtype=torch.int64)
    rows = draw(2 * SHIFT + 1, (n, 1)) + torch.arange(height)
    columns = draw(2 * SHIFT + 1, (n, 1)) + torch.arange(width)
    columns = torch.where(draw(2, (n, 1)) == 1, columns.flip(1), columns)
    hole = _hole(draw(height, (n, 1)), height)[:, :, None] & _hole(draw(width, (n, 1)), width)[:, None, :]
    rows, columns, hole = (t.to(images.device) for t in (rows, columns, hole))
    samples, channels = (torch.arange(k, device=images.device) for k in (n, 3))
    padded = functional.pad(images, (SHIFT,) * 4)
    shifted = padded[
        samples[:, None, None, None], channels[:, None, None], rows[:, None, :, None], columns[:, None, None, :]
    ]
    mean = torch.tensor(MEAN, device=images.device).reshape(1, 3, 1, 1)
    return torch.where(hole[:, None], mean, shifted)


def _hole(centre: Tensor, extent: int) -> Tensor:
    """Which of the places 0 to `extent` - 1 lie in a hole around `centre` (N, 1); it may reach over the border."""
    offset = torch.arange(extent) - centre
    return (offset >= -HOLE // 2) & (offset < HOLE // 2)


@torch.no_grad()
def accuracy(model: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64], batch: int = 500) -> float:
    """The share of `images` that `model`, in eval mode, classifies as `labels` say."""
    device, right = next(model.parameters()).device, 0
    for first in range(0, len(images), batch):
        pixels = torch.from_numpy(images[first : first + batch]).to(device)
        chosen = model(pixels.float() / 255).argmax(1).cpu().numpy()
        right += int((chosen == labels[first : first + batch]).sum())
    return right / len(images)
