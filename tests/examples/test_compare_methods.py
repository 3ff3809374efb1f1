"""The comparison of all methods: its table, and what it says of the questions."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from tests.models import EXAMPLES
from tests.sweeps.conftest import write_networks

BESIDE = ("compare_methods", "digits", "textures_networks", "textures", "models")  # as the scripts import each other
pytestmark = pytest.mark.torch


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """examples/compare_methods.py, which imports the files beside it."""
    for package in ("torch", "sklearn", "matplotlib"):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module(BESIDE[0])
    for name in BESIDE:
        sys.modules.pop(name, None)


def test_a_line_for_every_method_and_tau_and_answers(script: ModuleType, tmp_path: Path) -> None:
    write_networks(tmp_path)
    case = script.Case(tmp_path / "model.onnx", tmp_path / "X.npy", tmp_path / "Y.npy", tmp_path / "X.npy")
    sweep = script.compare("small", case, tmp_path, ["gn", "signed-gn", "ftbc"], (2, 4), 20)
    lines = [(row.method, row.members) for row in sweep.rows if row.steps == 1]
    assert lines == [("gn", 2), ("gn", 4), ("signed-gn", 2), ("signed-gn", 4), ("ftbc", 1), ("ftbc", 4)]
    assert {row.optimized for row in sweep.rows if row.method == "ftbc"} == {24}
    assert all((tmp_path / f"small.{kind}").is_file() for kind in ("csv", "svg"))
    console = Console(width=script.WIDTH, record=True)
    console.print(script.summary("small", sweep))
    shown = console.export_text()
    assert all(f"\n {method} " in shown for method in ("gn", "signed-gn", "ftbc"))

    rows = {(row.method, row.members, row.steps): row for row in sweep.rows}
    share = rows["gn", 4, 2].accuracy
    first, *others = script.answers({"small": sweep})
    assert first.startswith(f"small: gn at T = 2, tau = 4 has {share:.2%}")
    pairs = [(rows["signed-gn", m, t], rows["gn", m, t]) for m in (2, 4) for t in (2, 4, 8)]
    assert len(others) == sum(signed.accuracy != gn.accuracy for signed, gn in pairs)

    right = rows["gn", 2, 2].right.copy()
    right[np.flatnonzero(right)[0]] = False  # which gn alone has right
    beside = replace(rows["signed-gn", 2, 2], right=right, accuracy=float(right.mean()))
    changed = replace(sweep, rows=[rows["gn", 2, 2], beside])
    (told,) = script.answers({"small": changed})
    assert told.endswith("0 images right by signed-gn alone, 1 by gn alone, p = 1")


def test_other_textures(script: ModuleType, tmp_path: Path) -> None:
    case = script.Case(tmp_path / "model.onnx", tmp_path / "X.npy", tmp_path / "Y.npy", tmp_path / "X.npy")
    other = script.drawn(case, 12, 5)
    assert (np.load(other.samples).shape, list(np.load(other.labels))) == ((12, 3, 32, 32), [*range(10), 0, 1])
    assert other.model == case.model
