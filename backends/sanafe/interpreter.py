"""Finding a Python that has SANA-FE. Its licence is the GPL: ganglion runs it as a program, and never imports it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from ganglion.backends.interpreters import Need, Python

VARIABLE = "GANGLION_SANAFE_PYTHON"
ENVIRONMENT = ".venv-sanafe"
NEED = Need(
    title="SANA-FE",
    variable=VARIABLE,
    environment=ENVIRONMENT,
    install=f"python3 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install sanafe==2.2.9 numpy; "
    f"or name the interpreter in ${VARIABLE}",
    probe=Path(__file__).parent / "library" / "requirements.py",
)


def find_python(explicit: str | PathLike[str] | None = None) -> Python:
    """The first Python with SANA-FE; see `interpreters.Need.find`."""
    return NEED.find(explicit)
