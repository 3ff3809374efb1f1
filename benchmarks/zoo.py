"""Nine well-known networks from plain ReLU to integers: what compiling costs, and how near the logits come.

    python benchmarks/zoo.py [NAME ...] [--steps 4] [--members 16] [--images 4] [--json FILE]

Every network (examples/zoo.py, random weights) is made in one process and compiled and simulated in another, so that
the peak memory is its own. Thresholds come from calibration images; the logits of other images are compared with
onnxruntime's. LRN is left out, on both sides; the JSON says how far that alone moves onnxruntime's logits.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

CALIBRATION = 16  # images that thresholds are taken from
LEFT_OUT = "LRN"


def main() -> None:
    zoo = importlib.import_module("zoo")  # examples/zoo.py
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(zoo.zoo_names())}; by default all")
    parser.add_argument("--steps", type=int, default=4, help="T, time-steps per image")
    parser.add_argument("--members", type=int, default=16, help="tau, members per Group Neuron")
    parser.add_argument("--images", type=int, default=4, help="how many images are simulated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--prepare", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if unknown := sorted(set(a.names) - set(zoo.zoo_names())):
        parser.error(f"unknown network {', '.join(unknown)}; there are {', '.join(zoo.zoo_names())}")
    if a.prepare:
        print(json.dumps(prepare(zoo, a.names[0], a.prepare, a.images)))
        return
    if a.measure:
        print(json.dumps(measure(a.names[0], a.measure, a.steps, a.members, zoo.IMAGE_RANGE)))
        return
    progress = Console(stderr=True)
    rows = []
    for name in track(a.names or zoo.zoo_names(), "measuring", console=progress, disable=not progress.is_terminal):
        with tempfile.TemporaryDirectory() as folder:
            options = [f"--{key}={getattr(a, key)}" for key in ("steps", "members", "images")]
            row = {"model": name, **step([name, "--prepare", folder, *options])}
            if "failed" not in row:
                row |= step([name, "--measure", folder, *options])
            rows.append(row)
    machine = importlib.import_module("measuring").machine()  # benchmarks/measuring.py
    console = Console()
    console.print(table(rows, f"T = {a.steps}, tau = {a.members}, {a.images} images; {machine}"))
    console.print("s, MB: time and peak memory of compiling. cosine, least: the integer logits' with")
    console.print("onnxruntime's, mean and least over the images. class: images given the same one.")
    for row in rows:
        for word in ("refused", "failed"):
            if word in row:
                console.print(f"{row['model']} {word}: {row[word]}", markup=False, highlight=False)
    if a.json:
        figures = {"steps": a.steps, "members": a.members, "images": a.images, "machine": machine, "models": rows}
        a.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if any("failed" in row for row in rows):
        raise SystemExit(1)


def step(arguments: Sequence[str]) -> dict[str, Any]:
    """The figures that this script prints with `arguments`, from a process that inherits no memory."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"failed": last if done.returncode > 0 else f"killed by signal {-done.returncode}"}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def prepare(zoo: Any, name: str, folder: Path, images: int) -> dict[str, Any]:
    """Write the model, images to calibrate and to simulate, and onnxruntime's logits of the latter."""
    import onnx

    model, x = zoo.zoo_model(name), zoo.zoo_images(images, seed=1)
    onnx.save(model, folder / "model.onnx")
    figures: dict[str, Any] = {"nodes": len(model.graph.node)}
    logits = zoo.zoo_logits(model, x)
    if any(node.op_type == LEFT_OUT for node in model.graph.node):
        whole, logits = logits, zoo.zoo_logits(zoo.without(model, [LEFT_OUT]), x)
        figures |= {"drop": [LEFT_OUT], "drop_cosine": cosines(whole, logits).tolist()}
    np.savez(folder / "arrays.npz", calibration=zoo.zoo_images(CALIBRATION, seed=2), x=x, logits=logits)
    (folder / "drop.json").write_text(json.dumps(figures.get("drop", [])), encoding="utf-8")
    return figures


def measure(name: str, folder: Path, steps: int, members: int, input_range: tuple[float, float]) -> dict[str, Any]:
    """The figures of one network, in this process."""
    import ganglion
    from ganglion.ir import Graph

    timed = importlib.import_module("measuring").timed
    arrays, drop = np.load(folder / "arrays.npz"), json.loads((folder / "drop.json").read_text(encoding="utf-8"))
    options = {"steps": steps, "members": members, "input_range": input_range, "calibration": arrays["calibration"]}
    net: Graph
    try:
        seconds, net = timed(lambda: ganglion.compile(folder / "model.onnx", drop=drop, **options))
    except (ganglion.CompileError, ganglion.InputError) as error:
        return {"refused": str(error)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    simulate_s, run = timed(lambda: ganglion.simulate(net, arrays["x"]))
    logits = run.logits.reshape(len(arrays["x"]), -1)
    return {
        "neurons": sum(int(np.prod(net.typeof(op.name).shape)) for op in net.populations),
        "populations": len(net.populations),
        "relays": sum(".relay" in op.name for op in net.populations),
        "compile_s": seconds,
        "compile_peak_mb": peak,
        "simulate_s": simulate_s,
        "spikes_per_image": run.spikes_per_sample,
        "cosine": cosines(logits, arrays["logits"]).tolist(),
        "agreement": float((logits.argmax(1) == arrays["logits"].argmax(1)).mean()),
    }


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """The cosine of the angle between each row of `a` and that of `b`, both (N, C): (N,)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.asarray((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)))


def table(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """One line per network; "refused" or "failed" where there are no figures."""
    result = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False, pad_edge=False)
    columns = "nodes", "neurons", "popul.", "relays", "s", "MB", "cosine", "least", "class"
    for heading in ("model", *columns):
        result.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for row in rows:
        cells = [row["model"], str(row.get("nodes", ""))]
        if "cosine" in row:
            cells += [f"{row['neurons'] / 1e6:.2f} M", str(row["populations"]), str(row["relays"])]
            cells += [f"{row['compile_s']:.1f}", f"{row['compile_peak_mb']:.0f}"]
            cells += [f"{np.mean(row['cosine']):.3f}", f"{min(row['cosine']):.3f}", f"{row['agreement']:.0%}"]
        else:
            cells.append("refused" if "refused" in row else "failed")
        result.add_row(*cells)
    return result


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
    main()
