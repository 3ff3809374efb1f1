"""Three reports, and the pictures of them in docs/report: the digits, ResNet-18, DenseNet-121.

    python -m benchmarks.report_pictures [digits resnet18 densenet121] [--reports FOLDER] [--pictures docs/report]

Needs Chromium and playwright (sh scripts/browser.sh .venv), and torch. DenseNet-121 takes some minutes, most of it the
ledger. The networks are random but for the digits', which is trained; equal versions give equal reports.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image
from rich.console import Console

import ganglion
from ganglion.ir.file import write_whole
from tests.reports.browser import browser, missing, opened, scrolled

COLOURS = 256  # of a picture's palette, for small files
console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MAKERS)}; by default all")
    parser.add_argument("--reports", type=Path, default=Path("build/reports"), metavar="FOLDER")
    parser.add_argument("--pictures", type=Path, default=Path("docs/report"), metavar="FOLDER")
    parser.add_argument("--keep", action="store_true", help="only take pictures of the reports that are there")
    a = parser.parse_args()
    if problem := missing():
        parser.error(problem)
    if unknown := sorted(set(a.names) - set(MAKERS)):
        parser.error(f"unknown network {', '.join(unknown)}; there are {', '.join(MAKERS)}")
    for folder in (a.reports, a.pictures):
        folder.mkdir(parents=True, exist_ok=True)
    names = a.names or list(MAKERS)
    for name in names:
        page = a.reports / f"{name}.html"
        if a.keep and page.exists():
            continue
        start = time.perf_counter()
        made = MAKERS[name](a.reports)
        console.print(f"{made}; {time.perf_counter() - start:.0f} s, {page.stat().st_size / 1e6:.1f} MB", markup=False)
    with browser() as running:
        for name in names:
            pictures(running, name, a.reports / f"{name}.html", a.pictures)


def digits(folder: Path) -> ganglion.Report:
    """Trained, T = 2 with two members: few enough that something is lost."""
    trained = importlib.import_module("digits").train_digits(folder)
    net = ganglion.compile(trained.onnx, steps=2, members=2)
    x, y = np.load(trained.images), np.load(trained.labels)
    return ganglion.report(net, trained.onnx, x, y, path=folder / "digits.html", members=(1, 2, 4))


def resnet18(folder: Path) -> ganglion.Report:
    """Random weights, QCFS activations (L = 4), CIFAR shape; mapped onto Loihi 2."""
    models = importlib.import_module("models")
    from ganglion.frontend.torch import export

    x = models.random_images((3, 32, 32), 16, seed=3)
    path = export(models.random_network("resnet18"), x[:1], folder / "resnet18.onnx", input_range=(0, 1))
    net = ganglion.compile(path, steps=4, members=4)
    net = replace(net, mapping=ganglion.map(net, "loihi2", x=x.numpy()[:4]).to_text())
    return ganglion.report(net, path, x.numpy(), path=folder / "resnet18.html")


def densenet121(folder: Path) -> ganglion.Report:
    """Random weights, plain ReLUs, 3x224x224, calibrated on four images."""
    zoo = importlib.import_module("zoo")
    path = folder / "densenet121.onnx"
    onnx.save(zoo.zoo_model("densenet121"), path)
    options: dict[str, Any] = {"input_range": zoo.IMAGE_RANGE, "calibration": zoo.zoo_images(4, seed=2)}
    net = ganglion.compile(path, steps=4, members=16, **options)
    x, out = zoo.zoo_images(2, seed=1), folder / "densenet121.html"
    return ganglion.report(net, path, x, path=out, steps=(1, 2, 4), members=(1, 16))


MAKERS = {"digits": digits, "resnet18": resnet18, "densenet121": densenet121}


def pictures(running: Any, name: str, report: Path, folder: Path) -> None:
    """Those that docs/report.md shows of this report; says how long it took to open."""
    if name == "digits":
        found = opened(running, report)
        scrolled(found.page)
        taken(found.page, "#ledger, #activations", folder / "ledger.png")
        phone = opened(running, report, width=390, height=844)
        phone.page.evaluate("document.getElementById('network').scrollIntoView({behavior: 'instant'})")
        phone.page.wait_for_timeout(300)
        saved(phone.page.screenshot(), folder / "phone.png")
        found.problems += phone.problems
    elif name == "resnet18":
        found = opened(running, report)
        scrolled(found.page)
        taken(found.page, "header.top, #summary, #network", folder / "network.png")
        taken(found.page, "#chip-heading, #chip .chip-mesh", folder / "chip.png")
    else:
        found = opened(running, report, scheme="dark")
        found.page.select_option("#graph-colour", "error")
        found.page.select_option("#graph-population", "r661.relay")
        found.page.click("#zoom-fit")
        found.page.wait_for_timeout(500)
        taken(found.page, "#network", folder / "densenet121.png")
    console.print(f"{name} opened in {found.seconds:.2f} s", markup=False)
    for problem in found.problems:
        raise SystemExit(f"{report}: {problem}")


def taken(page: Any, selector: str, path: Path) -> None:
    """A picture of all elements that `selector` finds, which lie one below the other, with a margin."""
    page.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")
    boxes = [element.bounding_box() for element in page.locator(selector).all()]
    top, bottom = min(b["y"] for b in boxes), max(b["y"] + b["height"] for b in boxes)
    top = max(0, top - 20)
    width = page.viewport_size["width"]
    clip = {"x": 0, "y": top, "width": width, "height": bottom + 20 - top}
    saved(page.screenshot(full_page=True, clip=clip), path)


def saved(png: bytes, path: Path) -> None:
    """The picture with a palette: a fraction of the size, and no difference to the eye."""
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
    write_whole(path, small.getvalue())
    console.print(f"{path}: {len(small.getvalue()) / 1000:.0f} kB", markup=False)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
    main()
