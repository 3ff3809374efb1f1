"""What a network needs to run: Python 3.10, lava-nc 0.10 and numpy < 2. This module needs nothing.

Run as a program it prints what this Python has, or says what is wrong with it and exits with 1.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version

EXIT_BAD_INPUT = 2
HELP = """Lava runs with Python 3.10, lava-nc 0.10.0 and numpy < 2. Get them, and start again:
  python3.10 -m venv .venv-lava && .venv-lava/bin/pip install lava-nc==0.10.0 'numpy<2'
  .venv-lava/bin/python network.py ...
or, with uv, which installs them by itself:
  uv run network.py ..."""


def check() -> None:
    """End the program with a message where this Python cannot run Lava."""
    problem = missing()
    if problem:
        print(f"error: {sys.executable} cannot run this network: {problem}\n{HELP}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def missing() -> str:
    """Why this Python cannot run Lava; "" where it can."""
    for name in ("lava-nc", "numpy"):
        if not installed(name):
            return f"it has no {name}"
    if not installed("lava-nc").startswith("0.10."):
        return f"it has lava-nc {installed('lava-nc')}, not 0.10"
    if int(installed("numpy").split(".")[0]) >= 2:
        return f"it has numpy {installed('numpy')}, lava-nc needs numpy < 2"
    return "" if importlib.util.find_spec("lava") else "it cannot import lava"


def installed(name: str) -> str:
    """The version of a package; "" where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    if missing():
        sys.exit(missing())
    print(f"Python {sys.version.split()[0]}, lava-nc {installed('lava-nc')}, numpy {installed('numpy')}")
