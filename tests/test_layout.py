"""The house: links, package list, one-way imports, nothing loaded twice."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ganglion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
FOLDERS = ("backends", "frontend", "ir", "simulator", "targets")
SOURCES = [
    p
    for folder in ("ganglion", *FOLDERS)
    for p in sorted((ROOT / folder).rglob("*.py"))
    if "ganglion/" + folder not in str(p)
]


def configuration() -> dict[str, object]:
    tools: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    return tools


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_link_leads_to_the_folder(folder: str) -> None:
    link = ROOT / "ganglion" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder
    assert (link / "__init__.py").is_file()


def test_the_package_list_is_complete() -> None:
    found = {"ganglion", *(f"ganglion.{p.parent.name}" for p in (ROOT / "ganglion").glob("*/__init__.py"))}
    for folder in FOLDERS:
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join(("ganglion", *init.parent.relative_to(ROOT).parts)))
    assert set(configuration()["packages"]) == found  # type: ignore[call-overload]


def test_nothing_loads_twice() -> None:
    """A module reached both as `ganglion.ir.x` and as `ir.x` would give two of every class."""
    code = (
        "import sys, ganglion.cli, ganglion.frontend, ganglion.backends.lava\n"
        "files = [m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)]\n"
        "import os; real = [os.path.realpath(f) for f in files if f'{os.sep}ganglion{os.sep}' in f]\n"
        "assert len(real) == len(set(real)), sorted(f for f in real if real.count(f) > 1)\n"
        "assert not {'ir', 'frontend', 'simulator', 'backends', 'targets'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_and_size(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path}:{node.lineno}: write the absolute name"
            first = (node.module or "").split(".")[0]
            assert node.level or first not in FOLDERS, f"{path}:{node.lineno}: write ganglion.{first}"
        if isinstance(node, ast.Import):
            assert not {a.name.split(".")[0] for a in node.names} & set(FOLDERS), f"{path}:{node.lineno}"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_imports_point_one_way() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_torch_onnx_and_lava_stay_in_their_places() -> None:
    allowed = {
        "torch": ("frontend/torch/",),
        "onnx": ("frontend/", "ir/file.py", "ganglion/", "simulator/kernels/products.py", "backends/onnx/"),
        "onnx_ir": ("frontend/",),
        "onnxscript": ("frontend/",),
        "onnxruntime": ("frontend/", "simulator/kernels/products.py", "backends/onnx/"),
        "numba": ("simulator/kernels/cache.py",),
        "lava": ("backends/lava/library/",),
        "sanafe": ("backends/sanafe/library/",),
        "h5py": ("backends/nir/",),
        "nir": ("ir/nir.py",),
    }
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for module in modules:
                places = allowed.get(module.split(".")[0])
                assert places is None or name.startswith(places), f"{name} imports {module}"


def test_the_core_works_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import ganglion, ganglion.cli, ganglion.frontend, ganglion.backends\n"
        "assert not any(m == 'lava' or m.startswith('lava.') for m in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_is_quick_about_what_it_loads() -> None:
    """`import ganglion` must not load the heavy packages that only compiling and comparing need."""
    code = (
        "import sys, ganglion\n"
        "assert not {'torch', 'onnxruntime', 'onnxscript', 'scipy', 'nir', 'h5py'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_all_is_complete() -> None:
    for name in ganglion.__all__:
        assert hasattr(ganglion, name)
    public = {n for n, v in vars(ganglion).items() if not n.startswith("_") and not isinstance(v, type(ast))} - {
        "annotations"
    }
    assert public <= set(ganglion.__all__), public - set(ganglion.__all__)


def test_nothing_names_a_machine() -> None:
    """No absolute path of a developer's machine in any committed text."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".sh", ".yml") or name in ("Makefile", ".ci/run"):
            text = path.read_text(encoding="utf-8")
            assert "/" + "work/" not in text, name
            assert "/" + "root/" not in text, name
