"""A headless Chromium for the tests, and for the pictures in docs/report."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str:
    """Why there is no browser to test in; "" where there is one."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "the package playwright is not installed: pip install 'ganglion[browser]'"
    return "" if executable() else "no Chromium found: install it, or set GANGLION_CHROMIUM (sh scripts/browser.sh)"


def executable() -> str | None:
    """Where Chromium is."""
    return os.environ.get("GANGLION_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Opened:
    """A page; `problems` are console messages, errors and requests that it should not have made."""

    page: Any
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.problems.append(f"asked for {request.url}")


@contextmanager
def browser() -> Iterator[Any]:
    """A running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=executable(), headless=True, args=list(FLAGS))
        yield running
        running.close()


def opened(running: Any, path: Path, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Opened:
    """The report at `path`, ready, in a window of its own."""
    phone = width < 500
    context = running.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=2 if phone else 1,
        has_touch=phone,
        is_mobile=phone,
    )
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.problems.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.problems.append(str(error)))
    found.page.on("request", found.request)
    start = time.perf_counter()
    found.page.goto(path.resolve().as_uri())
    found.page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    found.seconds = time.perf_counter() - start
    return found


def scrolled(page: Any) -> None:
    """Bring every plot into view once, so that all are drawn; back to the top."""
    for y in range(0, page.evaluate("document.documentElement.scrollHeight"), 500):
        page.evaluate(f"window.scrollTo({{top: {y}, behavior: 'instant'}})")
        page.wait_for_timeout(60)
    page.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")
    page.wait_for_timeout(100)
