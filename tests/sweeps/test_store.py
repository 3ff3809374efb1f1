"""A sweep begun again goes on where it was, and never on what is not its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion.sweeps import blocks
from ganglion.sweeps.store import MARK

from .conftest import write_networks
from .helpers import measured, swept

BLOCKS = 5  # of 5 samples


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """T of every block that is computed."""
    calls: list[int] = []
    original = blocks.measure

    def counting(net: Any, *args: Any) -> Any:
        calls.append(net.steps)
        return original(net, *args)

    monkeypatch.setattr("ganglion.sweeps.task.measure", counting)
    return calls


def test_an_interrupted_sweep_goes_on(files: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    store = files / "store"

    class EnoughError(Exception):
        pass

    def interrupt(what: str, done: int, total: int) -> None:
        if len(computed) == 7:
            raise EnoughError

    with pytest.raises(EnoughError):
        swept(files, store=store, progress=interrupt)
    assert len(computed) == 7
    resumed = swept(files, store=store)
    assert len(computed) == 2 * BLOCKS
    monkeypatch.setattr("ganglion.frontend.run_onnxruntime", lambda *_: pytest.fail("the model ran again"))
    assert swept(files, store=store) == resumed  # the times too: nothing was computed
    assert len(computed) == 2 * BLOCKS
    monkeypatch.undo()
    assert measured(resumed) == measured(swept(files))


def test_a_killed_process_loses_only_what_it_was_at(files: Path, computed: list[int]) -> None:
    store = files / "store"
    code = (
        "import sys, time; from pathlib import Path; from tests.sweeps.helpers import swept\n"
        f"swept(Path({str(files)!r}), store={str(store)!r}, block=1, progress=lambda *_: time.sleep(0.02))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], start_new_session=True)
    try:
        limit = time.monotonic() + 60
        while len(list(store.glob("*.npz"))) < 12 and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it was killed"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept = len(list(store.glob("*.npz"))) - 1  # one is onnxruntime's
    assert kept >= 11
    resumed = swept(files, store=store, block=1)
    assert len(computed) == 2 * 24 - kept
    assert measured(resumed) == measured(swept(files))


def test_shorter_windows_and_other_labels_need_no_work(files: Path, computed: list[int]) -> None:
    store = files / "store"
    first = swept(files, store=store)
    computed.clear()
    np.save(files / "Y.npy", (np.load(files / "Y.npy") + 1) % 3)
    again = swept(files, store=store, steps=(4, 2))
    assert not computed
    assert {row.run_steps for row in again.rows} == {4}
    assert measured(again) == measured(swept(files, steps=(4, 2)))
    assert again.ann_accuracy != first.ann_accuracy
    computed.clear()
    swept(files, store=store, steps=(6, 2), members=(1,))
    assert computed == [6] * BLOCKS


@pytest.mark.parametrize("change", ["model", "one sample", "input_range", "input_step", "target", "more samples"])
def test_what_changes_the_result_is_computed(files: Path, computed: list[int], change: str) -> None:
    store, left = files / "store", 2 * BLOCKS
    options: dict[str, Any] = {}
    swept(files, store=store)
    if change == "model":
        (files / "other").mkdir()
        write_networks(files / "other", seed=1)
        (files / "other" / "model.onnx").replace(files / "model.onnx")
    elif change == "one sample":
        x = np.load(files / "X.npy")
        x[7, 0, 0, 0] = 1 - x[7, 0, 0, 0]
        np.save(files / "X.npy", x)
        left = 2
    elif change == "more samples":
        for name in ("X.npy", "Y.npy"):
            np.save(files / name, np.concatenate([np.load(files / name)] * 2)[:30])
        left = 2 * 2
    else:
        options = {change: {"input_range": (-1, 1), "input_step": 1 / 128, "target": "loihi1"}[change]}
    computed.clear()
    changed = swept(files, store=store, **options)
    assert len(computed) == left
    assert (measured(changed), changed.ann_accuracy) == (
        measured(swept(files, **options)),
        swept(files, **options).ann_accuracy,
    )


def test_weights_in_a_file_beside_the_model(files: Path) -> None:
    """The reference too must notice: the model's own file stays the same."""
    model = onnx.load(files / "model.onnx")
    onnx.save(model, files / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    before = swept(files, store=files / "store")
    data = np.fromfile(files / "weights", np.float32)
    np.where(np.abs(data) < 0.5, -data, data).astype(np.float32).tofile(files / "weights")
    after = swept(files, store=files / "store")
    fresh = swept(files)
    assert after.ann_accuracy == fresh.ann_accuracy
    assert measured(after) == measured(fresh) != measured(before)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other", "array", "shape"])
def test_a_damaged_file_is_computed_again(files: Path, computed: list[int], damage: str) -> None:
    store = files / "store"
    first = swept(files, store=store)
    path = sorted(store.glob("*-5.npz"))[2]
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-40])
    elif damage == "bit":
        place = data.index(b"classes.npy") + 200
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif damage == "other":
        np.savez(path, a=np.arange(3))
    else:
        with np.load(path) as kept:
            np.savez(path, **{k: v[:, :1] if k == "classes" else v for k, v in kept.items()})
    computed.clear()
    with pytest.warns(ganglion.GanglionWarning, match="is damaged: computed again"):
        again = swept(files, store=store)
    assert computed == [5]
    assert measured(again) == measured(first)
    swept(files, store=store)  # mended
    assert computed == [5]


def test_another_version_of_ganglion_computed_it(
    files: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(files, store=files / "store")
    computed.clear()
    monkeypatch.setattr("ganglion.sweeps.run.__version__", "99")
    swept(files, store=files / "store")
    assert len(computed) == 2 * BLOCKS


def test_a_folder_that_is_no_store(files: Path, computed: list[int]) -> None:
    def refused(store: Path, message: str) -> None:
        with pytest.raises(ganglion.InputError, match=message):
            swept(files, store=store)

    refused(files, "holds other files")
    refused(files / "X.npy", "is not a folder")
    refused(files / "no" / "store", "there is no folder")
    store = files / "store"
    store.mkdir()
    (store / MARK).write_text("{", encoding="utf-8")
    refused(store, "is damaged")
    (store / MARK).write_text('{"format": 99}', encoding="utf-8")
    refused(store, "another version")
    assert not computed
    (store / MARK).rename(store / f".{MARK}.part")  # what a killed process left
    assert swept(files, store=store)
