"""The page in a real browser: it opens quickly and silently, and works with a mouse, a keyboard, a phone, a printer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganglion.mapping import map_network
from ganglion.reports.page import page as page_of

from .browser import Opened, browser, missing, opened, scrolled
from .helpers import HOSTILE, example_data, renamed, residual_network

pytestmark = pytest.mark.browser
SLOWEST = 10.0  # seconds; on a machine of its own it is well under 2, which the tests print
Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    if problem := missing():
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page_of(example_data()), encoding="utf-8")
    return path


@pytest.fixture
def show(running: Any, report: Path) -> Iterator[Open]:
    """Opens the report; at the end of the test, no page may have had anything to complain about."""
    pages: list[Opened] = []

    def open_it(path: Path = report, **options: Any) -> Opened:
        pages.append(opened(running, path, **options))
        return pages[-1]

    yield open_it
    for found in pages:
        assert found.problems == []
        found.page.context.close()


def chosen(page: Any) -> str:
    """The population whose panel is open; "" where none is."""
    hidden = page.evaluate("document.getElementById('panel').hidden")
    return "" if hidden else page.inner_text("#panel-title")


def place_of(page: Any, index: int) -> tuple[float, float]:
    """Where the population number `index` is on the screen, from the layout in the page and the graph's viewport."""
    spot: list[float] = page.evaluate(
        """i => {
          const box = document.getElementById('graph').getBoundingClientRect();
          const cy = document.getElementById('graph')._cyreg.cy;
          const at = cy.$id(`n${i}`).renderedPosition();
          return [box.x + at.x, box.y + at.y];
        }""",
        index,
    )
    return spot[0], spot[1]


def test_it_opens_quickly_and_the_graph_is_there(show: Open, capsys: pytest.CaptureFixture[str]) -> None:
    found = show()
    with capsys.disabled():
        print(f"\nthe report opened in {found.seconds:.2f} s")
    assert found.seconds < SLOWEST
    assert found.page.locator("#graph canvas").count() > 0
    assert found.page.inner_text("h1") == "residual"
    # something is drawn in the graph's canvas, not just its background
    drawn = found.page.evaluate(
        "new Set(new Uint32Array([...document.querySelectorAll('#graph canvas')].at(-1)"
        ".getContext('2d').getImageData(0, 0, 900, 300).data.buffer)).size"
    )
    assert drawn > 20


def test_a_click_opens_the_panel_and_the_other_parts_follow(show: Open) -> None:
    page = show().page
    page.locator("#network").scroll_into_view_if_needed()
    data = example_data()
    name = data.net.populations[1].name
    page.mouse.click(*place_of(page, 2))
    page.wait_for_timeout(100)
    assert chosen(page) == name
    text = page.inner_text("#panel")
    for words in ("group neuron", "2\u00d75\u00d75", "Ledger", "ONNX nodes".upper(), f"node_{name}"):
        assert words.lower() in text.lower()
    assert page.input_value("#scatter-population") == name
    assert page.input_value("#raster-population") == name
    page.click("#panel-close")
    assert chosen(page) == ""


def test_the_keyboard_reaches_every_population(show: Open) -> None:
    page = show().page
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "graph":
            break
    assert page.evaluate("document.activeElement.id") == "graph"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    names = page.evaluate("JSON.parse(document.getElementById('data').textContent).populations.map(p => p.name)")
    seen = []
    page.keyboard.press("Home")
    for _ in names:
        page.keyboard.press("Enter")
        seen.append(chosen(page))
        assert page.evaluate("document.activeElement.id") == "panel-title"
        page.keyboard.press("Escape")
        assert chosen(page) == ""
        assert page.evaluate("document.activeElement.id") == "graph"
        page.keyboard.press("ArrowDown")
    assert sorted(seen) == sorted(names)
    assert names[-1] in page.inner_text("#live")


def test_the_list_reaches_every_population_too(show: Open) -> None:
    page = show().page
    for name in page.locator("#graph-population option").all_inner_texts():
        page.select_option("#graph-population", name)
        assert chosen(page) == name


def test_every_plot_is_drawn(show: Open) -> None:
    page = show().page
    scrolled(page)
    for plot in page.locator(".chart").all():
        assert plot.locator("svg path, svg rect").count() > 3, plot.get_attribute("id")
    assert page.locator("#heat td.cell").count() == 3 * 5
    assert page.locator("#heat td.offender").count() == 1
    page.select_option("#raster-population", index=1)
    assert page.locator("#raster-plot svg path").count() > 3
    for colour in ("rate", "error", "loss", "kind"):
        page.select_option("#graph-colour", colour)


def test_dark_is_dark(show: Open) -> None:
    page = show(scheme="dark").page
    red, green, blue = page.evaluate(r"getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)")
    assert red + green + blue < 120
    scrolled(page)


@pytest.mark.parametrize("width", [360, 390, 768])
def test_nothing_is_wider_than_a_phone(show: Open, width: int) -> None:
    page = show(width=width, height=844).page
    scrolled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.select_option("#graph-population", index=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_is_white_and_shows_the_whole_graph(show: Open, tmp_path: Path) -> None:
    page = show(scheme="dark").page
    page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert page.evaluate("document.getElementById('graph-print').src").startswith("data:image/png")
    assert page.evaluate("document.documentElement.dataset.theme") is None  # dark again
    page.emulate_media(media="print")
    assert page.is_visible("#graph-print")
    assert not page.is_visible("#graph")


def test_a_hostile_name_is_only_a_name(show: Open, tmp_path: Path) -> None:
    net = residual_network()
    net = renamed(net, net.populations[0].name, HOSTILE)
    path = tmp_path / "hostile.html"
    path.write_text(page_of(example_data(net)), encoding="utf-8")
    page = show(path).page
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.select_option("#graph-population", index=1)
    scrolled(page)
    assert " ".join(chosen(page).split()) == " ".join(HOSTILE.replace("\u2028", " ").split())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_chip_is_drawn_in_the_colours_of_the_page(show: Open, tmp_path: Path, width: int, scheme: str) -> None:
    data = example_data()
    mapping = map_network(data.net, "loihi2")
    path = tmp_path / "mapped.html"
    path.write_text(page_of(replace(data, net=replace(data.net, mapping=mapping.to_text()))), encoding="utf-8")
    page = show(path, width=width, scheme=scheme).page
    assert page.is_visible("#chip")
    assert page.is_visible('nav a[href="#chip"]')
    assert f"Fits loihi2\n{mapping.fits}" in page.inner_text("#tiles")
    page.locator("#chip .mesh").scroll_into_view_if_needed()
    box = page.locator("#chip .mesh").bounding_box()
    assert box["width"] > 250
    assert box["height"] > 100
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink = page.evaluate(
        r"getComputedStyle(document.querySelector('#chip .mesh rect')).stroke.match(/\d+/g).slice(0, 3).map(Number)"
    )
    assert (sum(ink) > 500) == (scheme == "dark")
    assert page.locator("#chip tbody th .swatch").count() == len(mapping.layers)


def test_a_network_that_was_never_mapped_has_no_such_section(show: Open) -> None:
    page = show().page
    assert not page.is_visible("#chip")
    assert not page.is_visible('nav a[href="#chip"]')
    assert "Fits" not in page.inner_text("#tiles")
