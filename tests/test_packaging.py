"""The wheel and the sdist hold everything, and what is installed from them works without the checkout."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("backends", "frontend", "ir", "simulator", "targets")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True, capture_output=True)
    return out


def sources() -> set[str]:
    """Every file of the package, as the path it has when installed."""
    own = [p for p in (ROOT / "ganglion").iterdir() if not p.is_symlink()]  # the links lead to FOLDERS
    found = {f"ganglion/{p.name}" for p in own if p.is_file()}
    for part in (p for p in own if p.is_dir()):
        kinds = (".py", ".json", ".css")
        found |= {str(path.relative_to(ROOT)) for path in part.rglob("*") if path.suffix in kinds}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".toml"):
                found.add(f"ganglion/{path.relative_to(ROOT)}")
    return found


def test_the_wheel_holds_every_file_once(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = [n for n in wheel.namelist() if ".dist-info/" not in n]
    assert sorted(names) == sorted(sources())


def test_the_sdist_holds_the_sources_and_the_licence(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {n.split("/", 1)[1] for n in sdist.getnames() if "/" in n}
    assert {"LICENSE", "NOTICE", "README.md", "pyproject.toml", "ir/graph.py", "targets/loihi2.toml"} <= names


def test_an_installed_wheel_works_elsewhere(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([python, "-m", "pip", "install", "-q", *constraints, str(wheel)], check=True, capture_output=True)
    done = subprocess.run(
        [python.with_name("ganglion"), "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    code = "import ganglion.targets as t; assert t.load('loihi1').weight_bits == 8; print(t.__file__)"
    where = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) in where
