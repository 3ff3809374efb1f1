"""The main job, end to end, on real data.

    python examples/demo.py --out DIR

Trains a residual network with QCFS activations on handwritten digits, exports it to ONNX, compiles it into
spiking networks for several T and tau, runs all test images in onnxruntime, in the float engine and in both
integer engines, and some on Lava in both forms; compares every spike count and prints one table. Writes the
networks, the Lava bundles and the table to DIR.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from digits import train_digits  # beside this script
from rich.console import Console
from rich.table import Table

import ganglion
from ganglion.backends import lava
from ganglion.comparison import LAVA_VS_SIMULATOR, STEP_VS_LAYER, Comparison

STEPS, MEMBERS, FORMS = (1, 2, 4), (1, 4), ("graded", "cluster")


def main() -> int:
    parser = argparse.ArgumentParser(description="train, compile, simulate, run on Lava and compare")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the folder to write to (default: demo)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lava-images", type=int, default=16, help="test images per Lava run (default: 16)")
    a = parser.parse_args()
    rows = demo(a.out, epochs=a.epochs, lava_images=a.lava_images, console=Console())
    return 0 if all(row["equal"] for row in rows) else 1


def demo(out: Path, *, epochs: int, lava_images: int, console: Console) -> list[dict[str, Any]]:
    """Everything the module's docstring says; returns the rows of the table."""
    console.rule("1. train")
    trained = train_digits(out, epochs=epochs, console=console)
    x, y = np.load(trained.images), np.load(trained.labels)
    console.print(f"test accuracy of the trained network: {trained.accuracy:.2%}, in {trained.onnx}")

    console.rule("2. compile, simulate, run on Lava, compare")
    try:
        lava.find_python()
        forms: tuple[str, ...] = FORMS
    except ganglion.EngineError as error:
        console.print(f"[yellow]skipping Lava[/]: {error}")
        forms = ()
    rows = []
    for steps in STEPS:
        for members in MEMBERS:
            start = time.perf_counter()
            net = ganglion.compile(trained.onnx, steps=steps, members=members)
            path = ganglion.save(net, out / f"digits-T{steps}-tau{members}.onnx")
            ganglion.emit(net, "lava", out / f"lava-T{steps}-tau{members}", overwrite=True)
            result = ganglion.compare(trained.onnx, net, x, labels=y)
            on_lava = {
                form: ganglion.compare(trained.onnx, net, x[:lava_images], labels=y[:lava_images], lava=form)  # type: ignore[arg-type]
                for form in forms
            }
            rows.append(row(steps, members, result, on_lava))
            console.print(f"{path}: {time.perf_counter() - start:.1f} s")

    console.rule("3. the table")
    table = render(rows, len(x))
    console.print(table)
    with (out / "table.txt").open("w", encoding="utf-8") as file:
        Console(file=file, width=100).print(table)
    (out / "table.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    console.print(f"the networks, the Lava bundles and the table are in {out}/")
    return rows


def row(steps: int, members: int, result: Comparison, on_lava: dict[str, Comparison]) -> dict[str, Any]:
    """One line of the table: accuracies, spikes, and how many spike counts were compared and differ."""
    pairs = [result.pairs[STEP_VS_LAYER]] + [c.pairs[LAVA_VS_SIMULATOR] for c in on_lava.values()]
    return {
        "steps": steps,
        "members": members,
        "accuracy": {name: result.accuracy[name] for name in ("onnxruntime", "float", "simulator")},
        "lava_images": next((c.samples for c in on_lava.values()), 0),
        "lava_right": {form: round((c.accuracy["lava"] or 0) * c.samples) for form, c in on_lava.items()},
        "spikes_per_image": result.spikes_per_sample,
        "compared": sum(a.compared for pair in pairs for a in pair.values()),
        "different": sum(a.different for pair in pairs for a in pair.values()),
        "equal": result.equal and all(c.equal for c in on_lava.values()),
    }


def render(rows: list[dict[str, Any]], images: int) -> Table:
    """The rows as a table for people."""
    caption = f"accuracy on {images} test images; " + (
        f"Lava: right of the first {rows[0]['lava_images']}" if rows[0]["lava_images"] else "Lava was skipped"
    )
    table = Table(title="handwritten digits: one ONNX file, every engine", caption=caption)
    for heading in (
        "T",
        "tau",
        "ANN",
        "float\nSNN",
        "int\nSNN",
        "Lava\ngraded",
        "Lava\ncluster",
        "spikes\n/ image",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("differing\ncounts", justify="right", no_wrap=True)
    for r in rows:
        accuracy = [f"{100 * r['accuracy'][name]:.1f} %" for name in ("onnxruntime", "float", "simulator")]
        lava = [f"{r['lava_right'][form]}/{r['lava_images']}" if form in r["lava_right"] else "-" for form in FORMS]
        colour = "green" if r["equal"] else "red"
        differ = f"[{colour}]{r['different']} of {r['compared'] / 1e6:.1f}M[/]"
        table.add_row(str(r["steps"]), str(r["members"]), *accuracy, *lava, f"{r['spikes_per_image']:.0f}", differ)
    return table


if __name__ == "__main__":
    sys.exit(main())
