"""--update-operators: write docs/operators.md from what the tests find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cases import load
from .outcome import Outcome
from .page import PAGE, read, write

UPDATE = "--update-operators"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(UPDATE, action="store_true", help="write docs/operators.md instead of comparing with it")


def pytest_configure(config: pytest.Config) -> None:
    if updating(config) and config.getoption("numprocesses", default=None):
        raise pytest.UsageError(f"{UPDATE} needs one process: add -n 0")


def updating(config: pytest.Config) -> bool:
    """Whether the page is to be written. (The option is only known where this folder is named on the command line.)"""
    return bool(config.getoption(UPDATE, default=False))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The cases are those of the page, so that collecting them costs nothing; all that onnx has, to write it."""
    if "case_name" in metafunc.fixturenames:
        every = updating(metafunc.config)
        names = load() if every else [name for _, name in read(PAGE.read_text(encoding="utf-8"))]
        metafunc.parametrize("case_name", sorted(names))


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config) -> Iterator[dict[tuple[str, str], Outcome] | None]:
    """Where to put outcomes that are to be written; None where they are to be compared."""
    if not updating(pytestconfig):
        yield None
        return
    found: dict[tuple[str, str], Outcome] = {}
    yield found
    known = {(case.operator, name) for name, case in load().items()}
    before = read(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    rows = {key: row for key, row in {**before, **found}.items() if key in known}
    PAGE.write_text(write(rows), encoding="utf-8")
