"""A bundle's folder: written whole or not at all, and replaced only where it is known to be a bundle.

Every bundle has a `ganglion.json`, which says what it is and lists its files with their checksums.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganglion.errors import CompileError, InputError

from .protocol import Diagnostic

MARKER = "ganglion.json"


def refuse(found: list[Diagnostic], where: str) -> None:
    """Raise `CompileError` with everything in `found`, if there is anything; `where` is "run on Lava", for example."""
    if found:
        listed = "\n".join(f"  {d}" for d in found)
        hints = dict.fromkeys(d.hint for d in found if d.hint)
        raise CompileError(f"the network cannot {where}:\n{listed}", hint="; ".join(hints))


def write_folder(
    folder: str | Path, kind: str, version: int, write: Callable[[Path], dict[str, Any]], *, overwrite: bool
) -> Path:
    """Let `write` fill an empty folder beside `folder`, add the marker, and rename it; returns `folder`.

    `write` returns what the marker says beside kind, version and files. A bundle of any kind that is there already is
    replaced only with `overwrite`; a folder that is not a bundle, or holds files that are not the bundle's, never is.
    Raises `InputError` where `folder` may not be written.
    """
    folder = Path(folder)
    check_writable(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            new, old = work / "new", work / "old"
            new.mkdir()
            about = write(new)
            files = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
            marker = {f"ganglion_{kind}_bundle": version, **about}
            marker["files"] = {name: checksum(new / name) for name in files}
            (new / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error}") from error
    return folder


def check_writable(folder: Path, *, overwrite: bool) -> None:
    """Raise `InputError` unless `folder` is free, empty, or a bundle that may be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise InputError(f"{folder} exists and is not a folder", hint="choose another place for the bundle")
    if not any(folder.iterdir()):
        return
    try:
        bundle = _marker(folder)
    except (OSError, ValueError):
        bundle = {}
    if not isinstance(bundle.get("files"), dict) or not any(key.endswith("_bundle") for key in bundle):
        raise InputError(
            f"{folder} exists and was not written by ganglion", hint="choose another folder, or empty this one"
        )
    if not overwrite:
        raise InputError(f"{folder} holds a bundle of '{bundle.get('name')}' already", hint="--overwrite replaces it")
    there = {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }
    foreign = sorted(there - set(bundle["files"]) - {MARKER})
    if foreign:
        raise InputError(f"{folder} holds files that are not the bundle's: {', '.join(foreign)}", hint="move them away")


def read_marker(folder: Path, kind: str, version: int, title: str) -> dict[str, Any]:
    """What a bundle of that kind says of itself. Raises `InputError` where `folder` is not one of them."""
    try:
        bundle = _marker(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} is not a {title} bundle: {error}", hint="write one with `ganglion emit`") from None
    if bundle.get(f"ganglion_{kind}_bundle") != version:
        raise InputError(f"{folder} is not a {title} bundle of version {version}", hint="write it again")
    return bundle


def checksum(path: Path) -> str:
    """The SHA-256 of a file, "" where it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _marker(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
