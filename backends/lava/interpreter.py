"""Finding a Python that has Lava. It needs Python 3.10, so it is seldom the one that runs ganglion."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

from ganglion.errors import EngineError

VARIABLE = "GANGLION_LAVA_PYTHON"
ENVIRONMENT = ".venv-lava"
INSTALL = (
    f"python3.10 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install lava-nc==0.10.0 'numpy<2'; "
    f"or name the interpreter in ${VARIABLE}"
)
PROBE = Path(__file__).parent / "library" / "requirements.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class LavaPython:
    """An interpreter that has Lava: where it is, what it has, and why those before it were rejected."""

    path: Path
    versions: str
    rejected: tuple[str, ...]


def find_python(explicit: str | PathLike[str] | None = None) -> LavaPython:
    """The first Python with Lava of: `explicit`, $GANGLION_LAVA_PYTHON, the current one, `.venv-lava` in the current
    folder and beside ganglion's source.

    One that was named (the first two) and does not work ends the search: nothing else is taken in its place.
    Raises `EngineError` with the reason for every one that was rejected.
    """
    rejected: list[str] = []
    for candidate, where, named in candidates(explicit):
        versions, why = probe(str(candidate))
        if versions:
            return LavaPython(path=candidate, versions=versions, rejected=tuple(rejected))
        rejected.append(f"{candidate} ({where}): {why}")
        if named:
            break
    listed = "".join(f"\n  {r}" for r in rejected)
    raise EngineError(f"no Python with Lava was found:{listed}", hint=INSTALL)


def describe(python: LavaPython) -> str:
    """One line about it."""
    return f"{python.path} ({python.versions})"


def candidates(explicit: str | PathLike[str] | None) -> list[tuple[Path, str, bool]]:
    """(path, where it comes from, whether the user named it), in order, without doubles."""
    named = os.environ.get(VARIABLE)
    listed = [(Path(explicit), "asked for", True)] if explicit else []
    listed += [(Path(named), f"${VARIABLE}", True)] if named else []
    listed.append((Path(sys.executable), "the current one", False))
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        listed.append((folder / ENVIRONMENT / "bin" / "python", ENVIRONMENT, False))
    return list({path: (path, where, mine) for path, where, mine in reversed(listed)}.values())[::-1]


@lru_cache(maxsize=16)
def probe(python: str) -> tuple[str, str]:
    """(what it has, "") where `python` can run Lava, else ("", why not)."""
    try:
        done = subprocess.run(
            [python, str(PROBE)], capture_output=True, text=True, timeout=60, env=clean_environment(), check=False
        )
    except FileNotFoundError:
        return "", "there is no such file"
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"it does not run: {error}"
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or [f"it exits with {done.returncode}"])[-1]
    return done.stdout.strip(), ""


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead another Python to the packages of this one."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")}
