"""What a bundle needs to run: SANA-FE 2.2 or later 2.x, and numpy. This module needs nothing.

Run as a program it prints what this Python has, or says what is wrong with it and exits with 1.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version

EXIT_BAD_INPUT = 2
HELP = """Get SANA-FE and numpy in an environment of their own, and start again:
  python3 -m venv .venv-sanafe && .venv-sanafe/bin/pip install sanafe==2.2.9 numpy
  .venv-sanafe/bin/python run.py ...
or, with uv, which installs them by itself:
  uv run run.py ..."""


def check() -> None:
    """End the program with a message where this Python cannot run SANA-FE."""
    problem = missing()
    if problem:
        print(f"error: {sys.executable} cannot run this network: {problem}\n{HELP}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def missing() -> str:
    """Why this Python cannot run SANA-FE; "" where it can."""
    for name in ("sanafe", "numpy"):
        if not installed(name):
            return f"it has no {name}"
    major, minor = (int(part) for part in installed("sanafe").split(".")[:2])
    if major != 2 or minor < 2:
        return f"it has sanafe {installed('sanafe')}, not 2.2 or a later 2.x"
    return "" if importlib.util.find_spec("sanafe") else "it cannot import sanafe"


def installed(name: str) -> str:
    """The version of a package; "" where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    if missing():
        sys.exit(missing())
    print(f"Python {sys.version.split()[0]}, sanafe {installed('sanafe')}, numpy {installed('numpy')}")
