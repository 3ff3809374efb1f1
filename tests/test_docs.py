"""The documentation is true: its code runs, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ganglion.arguments import parser, sources

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize(("page", "blocks"), [("adding-an-op", 7), ("adding-a-method", 4), ("step-model", 3)])
def test_what_is_added_runs(page: str, blocks: int, tmp_path: Path) -> None:
    """Every block of the page, in order, in a process of its own (some register something)."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(found) == blocks
    script = tmp_path / "page.py"
    script.write_text("\n".join(found), encoding="utf-8")
    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_commands_of_the_page_on_inspect_are_right() -> None:
    text = (ROOT / "docs" / "inspect.md").read_text(encoding="utf-8")
    commands = re.findall(r"^(?:\$ )?ganglion (inspect [^#\n]*)", text, flags=re.MULTILINE)
    commands += re.findall(r"`ganglion (inspect [^`]+)`", text)
    assert len(commands) == 8
    for command in commands:
        arguments = parser().parse_args(command.split())
        assert sources(arguments), command


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
