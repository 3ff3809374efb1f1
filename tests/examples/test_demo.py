"""`make demo`, with less training and fewer images on Lava."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ganglion
from ganglion.backends import lava

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.torch]
DEMO = Path(__file__).resolve().parent.parent.parent / "examples" / "demo.py"


def test_the_demo(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), "--out", str(tmp_path), "--epochs", "2", "--lava-images", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [(r["steps"], r["members"]) for r in rows] == [(1, 1), (1, 4), (2, 1), (2, 4), (4, 1), (4, 4)]
    try:
        lava.find_python()
        forms = {"graded", "cluster"}
    except ganglion.EngineError:
        forms = set()
        assert "skipping Lava" in done.stdout
    for r in rows:
        assert r["different"] == 0
        assert r["compared"] > 360 * r["steps"] * 5120
        assert set(r["lava_right"]) == forms
        net = ganglion.load(tmp_path / f"digits-T{r['steps']}-tau{r['members']}.onnx")
        assert (net.steps, net.members) == (r["steps"], r["members"])
        assert (tmp_path / f"lava-T{r['steps']}-tau{r['members']}" / "network.py").is_file()
    assert "handwritten digits" in (tmp_path / "table.txt").read_text(encoding="utf-8")
