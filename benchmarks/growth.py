"""How the simulation time grows with T, tau, the batch and the depth: four panels drawn from results.json.

`python -m benchmarks.growth [RESULTS.json [GROWTH.svg]]` draws them again; by default the files of this folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import BASE, FLOAT, GROWTH, LAYER, Case

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HERE = Path(__file__).resolve().parent
OURS, REFERENCE, INK, GRID = "#1f6feb", "#8a8f98", "#24292f", "#e6e8eb"
TITLES = {"steps": "steps T", "members": "members tau", "batch": "batch", "network": "depth (layers)"}
FIXED = {
    "steps": "batch 16, tau 4",
    "members": "batch 16, T 4",
    "batch": "T 4, tau 4",
    "network": "batch 16, T 4, tau 4",
}
STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "axes.edgecolor": REFERENCE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "growth",  # equal figures give equal files
    "svg.fonttype": "path",
}


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results.json"
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "growth.svg"
    details = source.with_name("details.json")
    machine = json.loads(details.read_text(encoding="utf-8"))["machine"] if details.exists() else ""
    draw(json.loads(source.read_text(encoding="utf-8")), target, machine)


def series(rows: Sequence[dict[str, Any]], cases: Sequence[Case], variable: str) -> dict[str, list[tuple[int, float]]]:
    """(x, ms) of the cases that were measured: the layer engine, and T times onnxruntime's float32."""
    medians = {(Case(*(row[key] for key in Case._fields)), row["engine"]): row["median_s"] for row in rows}
    result: dict[str, list[tuple[int, float]]] = {LAYER: [], FLOAT: []}
    for case in cases:
        value = getattr(case, variable)
        x = int(value.removeprefix("resnet")) if variable == "network" else value
        for engine, factor in ((LAYER, 1), (FLOAT, case.steps)):
            if (case, engine) in medians:
                result[engine].append((x, 1000 * factor * medians[case, engine]))
    return result


def draw(rows: Sequence[dict[str, Any]], path: Path, machine: str = "") -> None:
    """Write the plot; the file name says in which format."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # it wants to know the keys
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        axes = figure.subplots(1, len(GROWTH))
        for axis, (variable, cases) in zip(axes, GROWTH.items(), strict=True):
            if variable != "network" and axis is not axes[0]:
                axis.sharey(axes[0])  # before there is anything in it: afterwards it would not be scaled again
            panel(axis, series(rows, cases, variable), variable)
        axes[0].set_ylabel("ms per batch")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
        axes[0].yaxis.set_major_formatter("{x:g}")
        figure.supxlabel(machine, fontsize=7, color=REFERENCE)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def panel(axis: Axes, lines: dict[str, list[tuple[int, float]]], variable: str) -> None:
    depth = variable == "network"
    scale = "linear" if depth else "log"
    ticks = sorted({x for points in lines.values() for x, _ in points})
    for engine, label, color, style in (
        (LAYER, f"layer engine, {BASE} (last panel: its family)", OURS, "o-"),
        (FLOAT, "T x onnxruntime float32, plain ReLU network", REFERENCE, "--"),
    ):
        points = lines[engine]
        axis.plot([x for x, _ in points], [y for _, y in points], style, color=color, label=label, ms=4, lw=1.6)
    axis.set_xscale(scale, **({} if depth else {"base": 2}))
    axis.set_yscale(scale)
    axis.set_xticks(ticks, [str(x) for x in ticks])
    axis.minorticks_off()
    if depth:
        axis.set_ylim(bottom=0)
    axis.set_xlabel(TITLES[variable])
    axis.set_title(FIXED[variable], fontsize=8.5, color=REFERENCE)
    axis.grid(color=GRID, lw=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
