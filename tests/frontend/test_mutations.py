"""Damaged and hostile files: every command ends with an answer, in bounded time and memory, not in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests import hostile
from tests.mutations import KINDS, mutants, seeds

WORKER = Path(__file__).parents[1] / "mutation_worker.py"
COUNT, MORE = 200, 2000
MEGABYTES = 2000


@dataclass(frozen=True)
class Runs:
    """What came of each file, and what went wrong, a line each."""

    results: dict[str, dict[str, Any]]
    problems: list[str]


def run(folder: Path, files: Sequence[Path], workers: int = 2) -> Runs:
    """All commands on all files, in processes side by side."""
    with ThreadPoolExecutor(workers) as pool:
        shares = [files[i::workers] for i in range(workers)]
        done = list(pool.map(_work, [folder / f"results-{i}" for i in range(workers)], shares))
    return Runs({k: v for runs in done for k, v in runs.results.items()}, [p for runs in done for p in runs.problems])


def _work(results: Path, files: Sequence[Path]) -> Runs:
    """One process; a new one where it dies, for the files after the one that killed it."""
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    left = list(files)
    while left:
        results.write_text("", encoding="utf-8")
        command = [sys.executable, "-W", "error", str(WORKER), str(results), *map(str, left)]
        process = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        found |= {line["file"]: line for line in lines}
        if process.returncode == 0:
            break
        problems.append(f"{left[len(lines)].name}: ended with {process.returncode}\n{process.stderr[-3000:]}")
        left = left[len(lines) + 1 :]
    for name, result in found.items():
        if result["problem"] or not set(result["codes"]) <= {0, 1, 2}:
            problems.append(f"{name}: {result['codes']} {result['problem'][-1500:]}")
        if result["megabytes"] > MEGABYTES:
            problems.append(f"{name}: {result['megabytes']:.0f} MB, or one before it")
    return Runs(found, problems)


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def test_the_models_that_mutants_come_from_compile(tmp_path: Path) -> None:
    runs = run(tmp_path, write(tmp_path, {f"{n}.onnx": m.SerializeToString() for n, m in seeds().items()}))
    assert not runs.problems
    assert [runs.results[f"{name}.onnx"]["codes"] for name in seeds()] == [[0, 0, 0]] * 3 + [[0, 2, 0, 0]]


def test_mutants(tmp_path: Path) -> None:
    _check(run(tmp_path, write(tmp_path, dict(mutants(COUNT)))), COUNT)


@pytest.mark.slow
def test_many_more_mutants(tmp_path: Path) -> None:
    _check(run(tmp_path, write(tmp_path, dict(mutants(MORE, seed=1)))), MORE)


def _check(runs: Runs, count: int) -> None:
    assert not runs.problems, "\n\n".join(runs.problems)
    assert len(runs.results) == count
    first = Counter(result["codes"][0] for result in runs.results.values())
    assert all(first[code] > count / 20 for code in (0, 1, 2)), f"a test of little variety: {first}"
    assert all(result["said"] for result in runs.results.values())


def test_mutants_are_the_same_again() -> None:
    assert list(mutants(40)) == list(mutants(40))
    assert dict(mutants(40)) != dict(mutants(40, seed=1))
    assert len(set(dict(mutants(COUNT)).values())) > 0.9 * COUNT
    whole = {model.SerializeToString() for model in seeds().values()}
    assert not whole & set(dict(mutants(COUNT)).values())
    assert len(KINDS) * len(seeds()) < COUNT


def test_hostile_files(tmp_path: Path) -> None:
    files = {f"{name.replace(' ', '-')}.onnx": model.SerializeToString() for name, model in hostile.models().items()}
    runs = run(tmp_path, write(tmp_path, files), workers=1)
    assert not runs.problems, "\n\n".join(runs.problems)
    for name, (*_, node, _said) in hostile.CASES.items():
        codes = runs.results[f"{name.replace(' ', '-')}.onnx"]["codes"]
        assert codes == ([1] if node else [0, 0, 0]), name


def test_a_worker_that_dies_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    text = WORKER.read_text(encoding="utf-8")
    worker.write_text(text.replace('"""What the commands say to one file."""', 'if "bad" in path.name: os.abort()'))
    worker.write_text("import os\n".join(["", worker.read_text().replace("from __future__ import annotations", "")]))
    monkeypatch.setattr("tests.frontend.test_mutations.WORKER", worker)
    data = onnx.ModelProto().SerializeToString()
    runs = run(tmp_path, write(tmp_path, {"a.onnx": data, "bad.onnx": data, "c.onnx": data}), workers=1)
    assert set(runs.results) == {"a.onnx", "c.onnx"}
    assert [p.split(":")[0] for p in runs.problems] == ["bad.onnx"]
