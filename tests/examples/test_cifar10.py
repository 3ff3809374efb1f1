"""The CIFAR-10 example, on files of the same form with a few images in each."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ganglion  # noqa: E402
from ganglion.errors import InputError  # noqa: E402
from tests.models import EXAMPLES, load_example  # noqa: E402

if TYPE_CHECKING:
    from examples import cifar10_data, cifar10_training
else:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))  # the script imports what is beside it
        cifar10_data, cifar10_training = load_example("cifar10_data"), load_example("cifar10_training")

pytestmark = pytest.mark.torch
EACH = 12  # images in a file


def batch(seed: int) -> dict[bytes, Any]:
    """Noise, brighter from class to class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, EACH)
    images = (labels[:, None] * 20 + rng.integers(0, 60, (EACH, 3072))).astype(np.uint8)
    return {b"data": images, b"labels": labels.tolist(), b"batch_label": b"of tests", b"filenames": [b"a.png"] * EACH}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cifar-10-batches-py"
    path.mkdir()
    for seed, name in enumerate(cifar10_data.FILES):
        (path / name).write_bytes(pickle.dumps(batch(seed), protocol=2))
    return path


def archived(folder: Path) -> Path:
    path = folder.with_name("cifar-10-python.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def test_the_folder_its_parent_and_the_archive_hold_the_same(folder: Path) -> None:
    (folder / "batches.meta").write_bytes(b"not read")
    for where in (folder, folder.parent, archived(folder)):
        data = cifar10_data.load(where)
        assert data.train_images.shape == (5 * EACH, 3, 32, 32)
        for seed in range(5):
            part = slice(seed * EACH, (seed + 1) * EACH)
            np.testing.assert_array_equal(data.train_images[part].reshape(EACH, -1), batch(seed)[b"data"])
            np.testing.assert_array_equal(data.train_labels[part], batch(seed)[b"labels"])
        np.testing.assert_array_equal(data.test_images[3, 1, 2], batch(5)[b"data"][3, 1024 + 64 : 1024 + 96])
        np.testing.assert_array_equal(data.test_labels, batch(5)[b"labels"])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(folder: Path, protocol: int) -> None:
    (folder / "test_batch").write_bytes(pickle.dumps(batch(9), protocol=protocol))
    np.testing.assert_array_equal(cifar10_data.load(folder).test_labels, batch(9)[b"labels"])


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_pickles_of_every_numpy(folder: Path, core: bytes) -> None:
    """The real files were written long before numpy renamed its core."""
    written = pickle.dumps(batch(9), protocol=2)
    for name in (b"numpy._core", b"numpy.core"):
        written = written.replace(name + b".multiarray\n", core + b".multiarray\n")
    assert core + b".multiarray\n" in written
    (folder / "test_batch").write_bytes(written)
    np.testing.assert_array_equal(cifar10_data.load(folder).test_labels, batch(9)[b"labels"])


class Evil:
    """Runs a command when it is read by an unpickler that lets it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_no_code_in_a_pickle_is_run(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    evil = pickle.dumps(batch(0) | {b"x": Evil(f"touch '{mark}'")}, protocol=2)
    (folder / "data_batch_2").write_bytes(evil)
    with pytest.raises(InputError, match=r"data_batch_2 asks for (posix|nt)\.system.* nothing of it was run"):
        cifar10_data.load(folder)
    assert not mark.exists()
    pickle.loads(evil)  # so that the check says something
    assert mark.exists()


BAD: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], r"holds no dict with b'data' and b'labels'"),
    "no labels": ({b"data": batch(0)[b"data"]}, r"holds no dict"),
    "floats": (batch(0) | {b"data": np.zeros((EACH, 3072))}, r"b'data' is not uint8 \(N, 3072\)"),
    "other images": (batch(0) | {b"data": np.zeros((EACH, 784), np.uint8)}, r"b'data' is not uint8 \(N, 3072\)"),
    "100 classes": (batch(0) | {b"labels": [99] * EACH}, rf"b'labels' are not {EACH} classes from 0 to 9"),
    "fewer labels": (batch(0) | {b"labels": [0]}, rf"b'labels' are not {EACH} classes"),
    "a set": (batch(0) | {b"x": range(3)}, r"asks for (builtins|__builtin__)\.x?range"),
}


@pytest.mark.parametrize("bad", BAD)
def test_other_contents_are_refused(folder: Path, bad: str) -> None:
    contents, message = BAD[bad]
    (folder / "data_batch_4").write_bytes(pickle.dumps(contents, protocol=2))
    with pytest.raises(InputError, match=f"data_batch_4.*{message}") as caught:
        cifar10_data.load(folder)
    assert "cifar-10-batches-py" in caught.value.hint


def test_what_is_missing_or_cut_off_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder or file .*nowhere"):
        cifar10_data.load(folder / "nowhere")
    whole = (folder / "test_batch").read_bytes()
    for cut in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        (folder / "test_batch").write_bytes(whole[:cut])
        with pytest.raises(InputError, match="test_batch is no pickle, or is cut off"):
            cifar10_data.load(folder)
    (folder / "test_batch").unlink()
    (folder / "data_batch_3").unlink()
    for where in (folder, archived(folder)):
        with pytest.raises(InputError, match="has no data_batch_3, test_batch"):
            cifar10_data.load(where)
    archive = archived(folder)
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(InputError, match="it is no tar archive, or is cut off"):
        cifar10_data.load(archive)


def test_images_are_shifted_flipped_and_have_a_hole() -> None:
    """Every pixel tells its place, so that what became of it can be read off."""
    place = torch.arange(1, 1025).reshape(1, 32, 32).float() / 2048
    images = (place + torch.tensor([0.0, 0.5, 0.25]).reshape(3, 1, 1) * (place > 0)).repeat(200, 1, 1, 1)
    changed = cifar10_training.augmented(images, torch.Generator().manual_seed(0))
    assert changed.shape == images.shape
    seen, holes = set(), set()
    mean = torch.tensor(cifar10_training.MEAN).reshape(3, 1, 1)
    for image in changed:
        hole = (image == mean).all(0)
        assert (image[1] - image[0])[(image[0] > 0) & ~hole].allclose(torch.tensor(0.5))
        rows, columns = (hole.any(axis).nonzero().ravel() for axis in (1, 0))
        assert hole.sum() == len(rows) * len(columns)  # one rectangle
        holes.add((len(rows), len(columns)))
        old = (image[0] * 2048).round().long() - 1  # the pixel's old place; -1 where the border was moved in
        inside = (old >= 0) & ~hole
        row, column = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
        down = (old // 32 - row)[inside].unique()
        straight, mirrored = (old % 32 - column)[inside].unique(), (old % 32 + column)[inside].unique()
        assert len(down) == 1
        flipped = len(mirrored) == 1
        right = mirrored - 31 if flipped else straight
        assert len(right) == 1
        seen.add((int(down), int(right), flipped))
        border = (row + down >= 0) & (row + down < 32) & (old >= 0)
        assert (border | hole | (image[0] == 0)).all()
    assert {down for down, _, _ in seen} == {right for _, right, _ in seen} == set(range(-4, 5))
    assert {flipped for *_, flipped in seen} == {True, False}
    assert max(holes) == (16, 16)
    assert min(rows for rows, _ in holes) < 12  # it reaches over the border


SETTINGS = cifar10_training.Settings(width=2, epochs=3, batch=16, rate=0.02)


class Interrupted(Exception):  # noqa: N818
    """What stops a training."""


def test_an_interrupted_training_comes_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    data = cifar10_data.load(folder)
    images, labels = data.train_images, data.train_labels
    whole, pieces = cifar10_training.make(SETTINGS), cifar10_training.make(SETTINGS)
    losses: list[float] = []
    cifar10_training.train(whole, images, labels, SETTINGS, tmp_path / "a.pt", lambda _, loss: losses.append(loss))
    assert len(losses) == 3
    assert losses[2] < losses[0]

    def stop(epochs: int, loss: float) -> None:
        assert loss == losses[epochs - 1]
        raise Interrupted

    for _ in range(2):
        with pytest.raises(Interrupted):
            cifar10_training.train(pieces, images, labels, SETTINGS, tmp_path / "b.pt", stop)
        pieces = cifar10_training.make(SETTINGS)
    told: list[int] = []
    cifar10_training.train(pieces, images, labels, SETTINGS, tmp_path / "b.pt", lambda epochs, _: told.append(epochs))
    assert told == [3]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, pieces.state_dict()[name]), name
    assert not list(tmp_path.glob("*.part"))
    other = replace(SETTINGS, levels=4)
    with pytest.raises(InputError, match=r"is of a training with levels = 8\n") as caught:
        cifar10_training.train(cifar10_training.make(other), images, labels, other, tmp_path / "b.pt")
    assert "another --out" in caught.value.hint
    (tmp_path / "b.pt").write_bytes((tmp_path / "b.pt").read_bytes()[:500])
    with pytest.raises(InputError, match="cannot read the checkpoint"):
        cifar10_training.train(whole, images, labels, SETTINGS, tmp_path / "b.pt")


@pytest.mark.parametrize(("network", "activations"), [("resnet20", 19), ("vgg16", 15)])
def test_both_networks_are_converted(network: str, activations: int) -> None:
    from ganglion.frontend.torch.activation import named_activations

    model = cifar10_training.make(cifar10_training.Settings(network=network, width=2, levels=8))
    found = named_activations(model)
    assert len(found) == activations
    assert all(module.levels == 8 and module.threshold.item() == 8 for _, module in found)
    assert not any(isinstance(module, torch.nn.MaxPool2d | torch.nn.ReLU) for module in model.modules())
    with torch.no_grad():
        assert model.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "cifar10.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
def test_the_script(folder: Path, tmp_path: Path) -> None:
    options = ("--width", "2", "--epochs", "1", "--batch", "20", "--steps", "1,2", "--members", "8")
    done = script("--data", folder, "--out", tmp_path / "out", *options, "--test-images", "10")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{5 * EACH} images to train with, {EACH} to test" in done.stdout
    assert "IF, tau = 1" in done.stdout
    assert "GN, tau = 8" in done.stdout
    table = json.loads((tmp_path / "out" / "table.json").read_text(encoding="utf-8"))
    assert [(row["members"], row["steps"]) for row in table["rows"]] == [(1, 1), (1, 2), (8, 1), (8, 2)]
    assert all(row["accuracy"] is not None for row in table["rows"])
    x = cifar10_data.load(folder).test_images[:10].astype(np.float32) / 255
    net = ganglion.compile(tmp_path / "out" / "resnet20.onnx", steps=1, members=8, target=None)
    assert net.input.real_range == (0.0, 1.0)
    model = cifar10_training.make(replace(SETTINGS, epochs=1))
    model.load_state_dict(torch.load(tmp_path / "out" / "resnet20.pt", weights_only=True)["model"])
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ganglion.simulate(net, x).logits, expected, atol=1e-3)  # T = 1, tau = L: the ANN itself


def test_the_script_says_what_is_wrong(tmp_path: Path) -> None:
    done = script("--data", tmp_path / "nothing", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no folder or file")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert script("--data", tmp_path, "--steps", "0").returncode == 2
