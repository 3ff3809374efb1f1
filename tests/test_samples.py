"""Samples from files: mapped, not read; and clear errors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganglion.errors import InputError
from ganglion.samples import array

X = np.random.default_rng(0).uniform(0, 1, (50, 3, 4)).astype(np.float32)


def is_mapped(values: np.ndarray) -> bool:
    base: object = values
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


@pytest.mark.parametrize("values", [X, np.asfortranarray(X), X[0, 0], X.astype(np.uint8)], ids=str)
def test_every_kind_of_file_is_mapped(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", values)
    np.savez(tmp_path / "stored.npz", x=values)
    np.savez_compressed(tmp_path / "packed.npz", x=values)
    for path in sorted(tmp_path.iterdir()):
        read = array(path, "input")
        assert is_mapped(read), path
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)
        with pytest.raises(ValueError, match="read-only"):
            read[0] = 1


def test_an_empty_array_is_no_error(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X[:0])
    assert array(tmp_path / "x.npy", "input").shape == (0, 3, 4)


def test_a_newer_npy_format_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, X, version=(2, 0))
    np.testing.assert_array_equal(array(tmp_path / "x.npy", "input"), X)


def test_files_that_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", X)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-100])
    (tmp_path / "head.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:40])
    (tmp_path / "text.npy").write_text("1, 2, 3", encoding="utf-8")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.savez_compressed(tmp_path / "packed.npz", x=X)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "packed.npz").read_bytes()[:-40])
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    for name in ("cut.npy", "head.npy", "text.npy", "empty.npy", "objects.npy", "cut.npz", "other.npz"):
        with pytest.raises(InputError, match=rf"cannot read the samples .*{name}: it is not a NumPy file of numbers"):
            array(tmp_path / name, "samples")
    with pytest.raises(InputError, match=r"cannot read the labels .*none.npy: No such file"):
        array(tmp_path / "none.npy", "labels")
    np.savez(tmp_path / "two.npz", a=X, b=X)
    with pytest.raises(InputError, match="holds 2 arrays; expected one labels"):
        array(tmp_path / "two.npz", "labels")
