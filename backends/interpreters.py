"""Finding a Python that has what a bundle needs: seldom the one that runs ganglion."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

from ganglion.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """An interpreter that has what is needed: where it is, what it has, and why those before it were rejected."""

    path: Path
    versions: str
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is looked for.

    `title` is its name for people, `variable` the environment variable that may name an interpreter, `environment` the
    folder in which it is usually installed, `install` the hint where there is none. `probe` is a program that prints
    what an interpreter has, or says on its last line why it does not do and exits with 1.
    """

    title: str
    variable: str
    environment: str
    install: str
    probe: Path

    def find(self, explicit: str | PathLike[str] | None = None) -> Python:
        """The first that does of: `explicit`, $`variable`, the current one, `environment` in the current folder and
        beside ganglion's source.

        One that was named (the first two) and does not work ends the search: nothing else is taken in its place.
        Raises `EngineError` with the reason for every one that was rejected.
        """
        rejected: list[str] = []
        for candidate, where, named in self.candidates(explicit):
            versions, why = probe(str(candidate), self.probe)
            if versions:
                return Python(path=candidate, versions=versions, rejected=tuple(rejected))
            rejected.append(f"{candidate} ({where}): {why}")
            if named:
                break
        listed = "".join(f"\n  {r}" for r in rejected)
        raise EngineError(f"no Python with {self.title} was found:{listed}", hint=self.install)

    def candidates(self, explicit: str | PathLike[str] | None) -> list[tuple[Path, str, bool]]:
        """(path, where it comes from, whether the user named it), in order, without doubles."""
        named = os.environ.get(self.variable)
        listed = [(Path(explicit), "asked for", True)] if explicit else []
        listed += [(Path(named), f"${self.variable}", True)] if named else []
        listed.append((Path(sys.executable), "the current one", False))
        for folder in (Path.cwd(), Path(__file__).resolve().parents[1]):
            listed.append((folder / self.environment / "bin" / "python", self.environment, False))
        return list({path: (path, where, mine) for path, where, mine in reversed(listed)}.values())[::-1]


def describe(python: Python) -> str:
    """One line about it."""
    return f"{python.path} ({python.versions})"


@lru_cache(maxsize=32)
def probe(python: str, program: Path) -> tuple[str, str]:
    """(what it has, "") where `python` does, else ("", why not)."""
    try:
        done = subprocess.run(
            [python, str(program)], capture_output=True, text=True, timeout=60, env=clean_environment(), check=False
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
