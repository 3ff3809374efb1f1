"""The folder of `compile --dump-ir`."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganglion
from ganglion.errors import InputError
from ganglion.inspection import Dump
from tests.inspection.helpers import pooled_stages, small_stages

PASSES = ("import", "compose", "group", "schedule", "quantize", "choose_kernels", "expand_clusters")


def dump(folder: Path, count: int = 7) -> None:
    keep = Dump(folder)
    for name, graph in list(zip(PASSES, small_stages(), strict=True))[:count]:
        keep(name, graph)


def test_what_lies_between_passes_can_be_inspected(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ir"
    dump(folder)
    graphs = small_stages()
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        f"{i}-{name}.{end}" for i, name in enumerate(PASSES) for end in ("txt", "onnx")
    )
    for i, (name, graph) in enumerate(zip(PASSES, graphs, strict=True)):
        text = (folder / f"{i}-{name}.txt").read_text(encoding="utf-8")
        assert text == f"{graph}\n"
        assert ganglion.inspect(folder / f"{i}-{name}.onnx") == str(graph)


def test_an_older_dump_is_replaced_when_a_new_one_begins(tmp_path: Path) -> None:
    dump(tmp_path)
    keep = Dump(tmp_path)
    assert len(list(tmp_path.iterdir())) == 14
    keep("import", pooled_stages()[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0-import.onnx", "0-import.txt"]
    assert "network pooled" in (tmp_path / "0-import.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["notes.md", "0-import.txt", "1-compose.onnx", "0-import.txt.bak", ".hidden"])
def test_what_no_dump_has_written_is_never_touched(tmp_path: Path, name: str) -> None:
    dump(tmp_path, 1)
    (tmp_path / name).write_text("my own words", encoding="utf-8")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(InputError, match=f"holds '{name}', which is no part of a dump"):
        Dump(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_links_and_folders_are_not_ours(tmp_path: Path) -> None:
    ours, elsewhere = tmp_path / "ir", tmp_path / "elsewhere"
    dump(elsewhere, 1)
    ours.mkdir()
    (ours / "0-import.txt").symlink_to(elsewhere / "0-import.txt")
    with pytest.raises(InputError, match="no part of a dump"):
        Dump(ours)
    (ours / "0-import.txt").unlink()
    (ours / "0-import.onnx").mkdir()
    with pytest.raises(InputError, match="no part of a dump"):
        Dump(ours)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write the dump"):
        Dump(tmp_path / "file" / "ir")("import", small_stages()[0])
