"""The networks that were trained on the textures, as they are kept: rebuilt from examples/data/textures.npz.

relu   a ResNet-20 of 8, 16 and 32 channels, plain ReLU
qcfs   the same with QCFS activations of 8 levels, trained on from it

Weights are kept in 16 bits; what is rebuilt has the rounded ones, and so have the accuracies that the file states.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from models import BasicBlock, ResNet  # beside this file
from numpy.typing import NDArray
from textures import textures
from torch import Tensor, nn

from ganglion.errors import InputError
from ganglion.frontend.torch import convert
from ganglion.frontend.torch import export as export_onnx
from ganglion.ir.file import write_whole

WIDTHS, BLOCKS, LEVELS = (8, 16, 32), (3, 3, 3), 8
NAMES = ("relu", "qcfs")
TEST_SEED, TEST_IMAGES = 2, 2000
DATA = Path(__file__).parent / "data" / "textures.npz"
ABOUT = "about"  # the entry that is no weight: JSON, with the accuracies


def new(name: str) -> nn.Module:
    """The network of that name in NAMES, with weights that mean nothing yet."""
    model = ResNet(BasicBlock, WIDTHS, BLOCKS)
    return model if name == "relu" else convert(model, LEVELS, max_pool="average")


def inputs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images as the networks take them: float32 in [0, 1], k/255."""
    return images.astype(np.float32) / np.float32(255)


def held_out(count: int = TEST_IMAGES) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The first of the images that no network was trained on, and their labels."""
    images, labels = textures(count, TEST_SEED)
    return inputs(images), labels


@torch.no_grad()
def accuracy(model: nn.Module, x: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The share of `x` that `model`, in eval mode, gives its label."""
    model.eval()
    chosen = torch.cat([model(part).argmax(1) for part in torch.split(torch.from_numpy(x), 250)])
    return float((chosen.numpy() == labels).mean())


def rounded(model: nn.Module) -> dict[str, NDArray[np.float16]]:
    """What `model` is, in 16 bits; raises `InputError` where a value is too large for them."""
    state = {name: np.asarray(t.detach(), np.float16) for name, t in model.state_dict().items() if _kept(name)}
    for name, values in state.items():
        if not np.isfinite(values).all():
            raise InputError(f"'{name}' has values that 16 bits do not hold", hint="train the network again")
    return state


def restore(name: str, state: Mapping[str, NDArray[np.float16]]) -> nn.Module:
    """The network of that name with these weights, in eval mode."""
    model = new(name)
    given = {key: torch.from_numpy(values.astype(np.float32)) for key, values in state.items()}
    missing, unexpected = model.load_state_dict(given, strict=False)
    wrong = [key for key in missing if _kept(key)] + list(unexpected)
    if wrong:
        raise InputError(f"these are not the weights of '{name}': {', '.join(wrong)}")
    return model.eval()


def _kept(name: str) -> bool:
    return not name.endswith("num_batches_tracked")  # batch norms count batches while they are trained


def store(path: Path, states: Mapping[str, Mapping[str, NDArray[np.float16]]], about: Mapping[str, object]) -> None:
    """Write the networks to `path`, with `about`, as one .npz without pickles."""
    arrays = {f"{name}/{key}": values for name, state in states.items() for key, values in state.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays, about=np.array(json.dumps(about)))  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def about(path: Path = DATA) -> dict[str, float]:
    """The accuracy of each network on the test images, as `path` states them."""
    with np.load(path, allow_pickle=False) as data:
        return {name: float(share) for name, share in json.loads(str(data[ABOUT]))["accuracy"].items()}


def load(name: str, path: Path = DATA) -> nn.Module:
    """The trained network of that name in NAMES, in eval mode."""
    with np.load(path, allow_pickle=False) as data:
        prefix = f"{name}/"
        return restore(name, {key.removeprefix(prefix): data[key] for key in data if key.startswith(prefix)})


def export(folder: Path, path: Path = DATA, count: int = TEST_IMAGES, names: Sequence[str] = NAMES) -> None:
    """Write relu.onnx, qcfs.onnx, X.npy and Y.npy (the first `count` test images and their labels) to `folder`.

    `names`: only these networks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    x, labels = held_out(count)
    for name in names:
        example: Tensor = torch.from_numpy(x[:2])
        export_onnx(load(name, path), example, folder / f"{name}.onnx", input_range=(0.0, 1.0), input_step=1 / 255)
    np.save(folder / "X.npy", x)
    np.save(folder / "Y.npy", labels)
