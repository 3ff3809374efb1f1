"""The textures: what a seed draws, and the networks that are kept."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest

import ganglion
from tests.models import EXAMPLES, load_example

textures = load_example("textures")
BESIDE = ("textures_networks", "textures", "models")  # as the scripts import each other


def test_a_seed_gives_the_same_images_on_every_machine() -> None:
    for difficulty, digest in ((textures.EASY, "87f92cb61b7ef220"), (textures.HARD, "ace7b956514b764c")):
        images, labels = textures.textures(20, 0, difficulty)
        assert (images.shape, images.dtype, labels.dtype) == ((20, 3, 32, 32), np.uint8, np.int64)
        assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == digest
        assert list(labels) == 2 * list(range(10))


def test_classes_take_turns_and_seeds_differ() -> None:
    images, labels = textures.textures(510, 5)
    assert set(np.bincount(labels)) == {51}
    np.testing.assert_array_equal(images[:30], textures.textures(30, 5)[0])
    assert len(np.unique(images.reshape(510, -1), axis=0)) == 510  # the second block is drawn anew
    assert (images[:30] != textures.textures(30, 6)[0]).mean() > 0.9
    assert len(textures.CLASSES) == len(set(textures.CLASSES)) == 10


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """examples/textures_networks.py, which imports the files beside it."""
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module(BESIDE[0])
    for name in BESIDE:
        sys.modules.pop(name, None)


@pytest.mark.torch
def test_the_networks_that_are_kept_are_as_good_as_stated(networks: ModuleType) -> None:
    stated = networks.about()
    assert set(stated) == {"relu", "qcfs"}
    x, labels = networks.held_out(400)
    for name, share in stated.items():
        assert 0.85 <= share <= 0.95
        found = networks.accuracy(networks.load(name), x, labels)
        assert abs(found - share) < 3 * (share * (1 - share) / len(x)) ** 0.5  # three standard errors


@pytest.mark.torch
def test_what_is_exported_is_what_is_kept(networks: ModuleType, tmp_path: Path) -> None:
    networks.export(tmp_path, count=60)
    x, labels = np.load(tmp_path / "X.npy"), np.load(tmp_path / "Y.npy")
    np.testing.assert_array_equal(x * 255, np.rint(x * 255))
    for name in networks.NAMES:
        session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"])
        chosen = np.asarray(session.run(["logits"], {"input": x})[0]).argmax(axis=1)
        assert (chosen == labels).mean() == pytest.approx(networks.accuracy(networks.load(name), x, labels), abs=1 / 60)
    net = ganglion.compile(tmp_path / "qcfs.onnx", steps=1, members="levels", target=None)
    assert len(net.populations) == 19


@pytest.mark.torch
def test_other_weights_are_refused(networks: ModuleType) -> None:
    state = networks.rounded(networks.new("relu"))
    networks.restore("relu", state)
    del state["fc.weight"]
    with pytest.raises(ganglion.InputError, match=r"not the weights of 'relu': fc\.weight"):
        networks.restore("relu", state)
    with pytest.raises(ganglion.InputError, match="not the weights of 'qcfs'"):
        networks.restore("qcfs", networks.rounded(networks.new("relu")))
