"""Finding a Python that has Lava. It needs Python 3.10, so it is seldom the one that runs ganglion."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from ganglion.backends import interpreters
from ganglion.backends.interpreters import Python as LavaPython
from ganglion.backends.interpreters import describe

VARIABLE = "GANGLION_LAVA_PYTHON"
ENVIRONMENT = ".venv-lava"
PROBE = Path(__file__).parent / "library" / "requirements.py"
NEED = interpreters.Need(
    title="Lava",
    variable=VARIABLE,
    environment=ENVIRONMENT,
    install=f"python3.10 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install lava-nc==0.10.0 'numpy<2'; "
    f"or name the interpreter in ${VARIABLE}",
    probe=PROBE,
)


def find_python(explicit: str | PathLike[str] | None = None) -> LavaPython:
    """The first Python with Lava; see `interpreters.Need.find`."""
    return NEED.find(explicit)


__all__ = ["ENVIRONMENT", "NEED", "PROBE", "VARIABLE", "LavaPython", "describe", "find_python"]
