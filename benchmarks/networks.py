"""Compile time, peak memory and simulation time of the example networks, beside onnxruntime's own time.

    python benchmarks/networks.py [--json FILE]

Every network runs in a process of its own, so that the peak memory is its own. The simulator's time is compared with
T times onnxruntime's float32 time for the plain network on the same batch; the two are measured in turn, and the
ratio is that of the medians. Random weights; thresholds from activations; T = 4, tau = 4.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

NAMES = ("mlp", "lenet", "resnet20", "resnet18", "vgg16")
STEPS, MEMBERS, BATCH, ROUNDS = 4, 4, 16, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--export", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.export:
        export(a.export[0], Path(a.export[1]))
        return
    if a.measure:
        print(json.dumps(measure(a.measure[0], Path(a.measure[1]))))
        return
    console = Console()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in track(NAMES, "measuring", console=Console(stderr=True), disable=not sys.stderr.isatty()):
            step(["--export", name, folder])
            rows.append(json.loads(step(["--measure", name, folder])))
    table = Table(title=f"T = {STEPS}, tau = {MEMBERS}, batch {BATCH}; {machine()}")
    for heading in ("network", "neurons", "compile\ns", "peak\nMB", "layer\nms", "step\nms", "ort\nms", "ratio"):
        table.add_column(heading, justify="left" if heading == "network" else "right", no_wrap=True)
    for r in rows:
        table.add_row(
            r["network"], f"{r['neurons']:,}", f"{r['compile_s']:.1f}", f"{r['compile_peak_mb']:.0f}",
            *(f"{1000 * r[e]:.1f}" for e in ("layer_s", "step_s", "onnxruntime_s")), f"{r['ratio']:.2f}",
        )  # fmt: skip
    console.print(table)
    console.print("peak: memory of compiling. layer, step: the simulator's engines. ort:")
    console.print("onnxruntime, float32, plain network. ratio: layer / (T x ort). Medians of rounds in turn.")
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def step(arguments: list[str]) -> str:
    """This script with `arguments`, in a process that inherits no memory; returns what it prints."""
    return subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True).stdout


def export(name: str, folder: Path) -> None:
    """Write the ONNX file and the samples of one network; torch stays out of the measured process."""
    from ganglion.frontend.torch import export as export_onnx

    examples = importlib.import_module("models")  # examples/models.py
    x = examples.random_images(examples.NETWORKS[name].shape, BATCH, seed=5)
    export_onnx(examples.random_network(name), x[:1], folder / f"{name}.onnx", input_range=(0.0, 1.0))
    np.save(folder / f"{name}.npy", x.numpy())


def measure(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one network, in this process."""
    import onnxruntime  # type: ignore[import-untyped]

    import ganglion

    path, x = folder / f"{name}.onnx", np.load(folder / f"{name}.npy")
    compile_s, net = timed(lambda: ganglion.compile(path, steps=STEPS, members=MEMBERS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    engines: dict[str, Callable[[], Any]] = {
        "onnxruntime_s": lambda: session.run(None, feed),
        "layer_s": lambda: ganglion.simulate(net, x),
        "step_s": lambda: ganglion.simulate(net, x, engine="step", lanes=BATCH),
    }
    times: dict[str, list[float]] = {engine: [] for engine in engines}
    for round_ in range(ROUNDS + 1):
        for engine, call in engines.items():
            seconds, _ = timed(call)
            if round_:  # the first one warms up
                times[engine].append(seconds)
    medians = {engine: statistics.median(t) for engine, t in times.items()}
    return {
        "network": name,
        "neurons": sum(int(np.prod(net.typeof(op.name).shape)) for op in net.populations),
        "compile_s": compile_s,
        "compile_peak_mb": peak,
        **medians,
        "ratio": medians["layer_s"] / (STEPS * medians["onnxruntime_s"]),
    }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
    main()
