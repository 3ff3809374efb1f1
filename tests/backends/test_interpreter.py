"""Finding a Python with Lava."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ganglion.backends import interpreters
from ganglion.backends.lava import describe, find_python
from ganglion.backends.lava.interpreter import ENVIRONMENT, NEED, VARIABLE
from ganglion.errors import EngineError


def fake(path: Path, script: str) -> Path:
    """An executable that stands for a Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "/named/python")
    monkeypatch.chdir(tmp_path)
    found = [(str(path), named) for path, _, named in NEED.candidates("/asked/python")]
    assert found[:4] == [
        ("/asked/python", True),
        ("/named/python", True),
        (sys.executable, False),
        (str(tmp_path / ENVIRONMENT / "bin/python"), False),
    ]
    assert len(found) == 5  # and the one beside the source


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_one_that_fails_is_not_replaced(
    by_variable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = fake(tmp_path / ENVIRONMENT / "bin" / "python", "echo 'Python 3.10, lava-nc 0.10.0, numpy 1.26'")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert find_python().path == good
    missing = tmp_path / "missing"
    if by_variable:
        monkeypatch.setenv(VARIABLE, str(missing))
    with pytest.raises(EngineError, match=rf"{missing} .*there is no such file"):
        find_python(None if by_variable else missing)


def test_reasons(tmp_path: Path) -> None:
    bad = fake(tmp_path / "old", "echo 'it has numpy 2.1.0, lava-nc needs numpy < 2' >&2; exit 1")
    with pytest.raises(EngineError, match=r"old \(asked for\): it has numpy 2\.1\.0") as caught:
        find_python(bad)
    assert "pip install lava-nc==0.10.0" in str(caught.value)
    text = tmp_path / "text"
    text.write_text("not a program")
    with pytest.raises(EngineError, match=r"text .*it does not run"):
        find_python(text)


def test_this_python_is_judged_by_what_it_has() -> None:
    versions, why = interpreters.probe(sys.executable, NEED.probe)
    assert versions.startswith("Python 3.10") or why == "it has no lava-nc"


def test_what_was_rejected_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = fake(tmp_path / ENVIRONMENT / "bin" / "python", "echo 'Python 3.10, lava-nc 0.10.0, numpy 1.26'")
    bad = fake(tmp_path / "bad", "echo 'it has no lava-nc' >&2; exit 1")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "executable", str(bad))
    monkeypatch.chdir(tmp_path)
    found = find_python()
    assert describe(found) == f"{good} (Python 3.10, lava-nc 0.10.0, numpy 1.26)"
    assert found.rejected == (f"{bad} (the current one): it has no lava-nc",)
