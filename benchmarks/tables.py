"""What is printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from .cases import BIG, FLOAT, GRID, GROWTH, INT8, LAVA, LAVA_STOCK, LAYER, NUMPY, PEERS, SPIKINGJELLY, STEP, Case
from .rounds import LEAST

Row = dict[str, Any]

SHORT = {LAYER: "layer", NUMPY: "numpy", STEP: "step", SPIKINGJELLY: "SJ"}  # as the columns are headed
LAVAS = {LAVA: "with our connections", LAVA_STOCK: "with Lava's own"}

LEGEND = """\
Medians of rounds in turn, in ms. f32, int8: onnxruntime, the plain ReLU network, default threads.
r: the time by T times that of f32 at the same batch. layer: our default engine. numpy: the same
in numpy alone, nothing compiled, no onnxruntime kernel. step: the definition, measured at batch 16
alone. SJ: the same network in SpikingJelly, where every member compares one shared potential. x: its
time by that of layer; x': with one division in place of the comparisons; own: with a membrane for
every member, as the paper's own code has it."""


def in_grid(row: Row) -> bool:
    """Whether a row belongs to the table of speeds, not only to the growth."""
    return of(row) in GRID or of(row) in BIG


def of(row: Row) -> Case:
    return Case(*(row[key] for key in Case._fields))


def ms(seconds: float | None) -> str:
    """Three digits where they mean something."""
    if seconds is None:
        return ""
    value = 1000 * seconds
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def plain_table(title: str, columns: Sequence[str], *, left: int = 1) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False, pad_edge=False)
    for i, heading in enumerate(columns):
        table.add_column(heading, justify="left" if i < left else "right", no_wrap=True)
    return table


def speed(rows: Sequence[Row]) -> Table:
    """One line per case."""
    cases: dict[Case, dict[str, Row]] = {}
    for row in rows:
        cases.setdefault(of(row), {})[row["engine"]] = row
    members = ", ".join(map(str, sorted({case.members for case in cases})))
    spiking = [engine for engine in SHORT if any(row["engine"] == engine for row in rows)]
    columns = ["network", "T", "batch", "f32", "int8"]
    columns += [heading for engine in spiking for heading in (SHORT[engine], "r")]
    columns += ["x", "x'", "own"] if SPIKINGJELLY in spiking else []
    table = plain_table(f"tau = {members}", columns)
    shown = ""
    for case, engines in cases.items():
        if shown and case.network != shown:
            table.add_section()
        cells = [case.network if case.network != shown else "", str(case.steps), str(case.batch)]
        shown = case.network
        seconds = {engine: row["median_s"] for engine, row in engines.items()}
        cells += [ms(seconds.get(FLOAT)), ms(seconds.get(INT8))]
        for engine in spiking:
            cells += [ms(seconds.get(engine)), f"{engines[engine]['ratio']:.2f}" if engine in engines else ""]
        cells += [f"{seconds[peer] / seconds[LAYER]:.1f}" for peer in PEERS if peer in seconds]
        table.add_row(*cells)
    return table


def large(names: Sequence[str], report: Row) -> Table:
    """What compiling costs, and the memory that a process needs to load the network and run it."""
    table = plain_table(
        "", ["network", "neurons", "compile s", "compile MB", "file MB", "simulate MB", "ort f32 MB", "r"]
    )
    for name in names:
        peaks = report["networks"][name]["peak_mb"]
        ratio = next(row["ratio"] for row in report["rows"] if row["network"] == name and row["engine"] == LAYER)
        for made in report["networks"][name]["compile"]:
            table.add_row(
                name, f"{made['neurons']:,}", f"{made['seconds']:.1f}",
                *(f"{mb:.0f}" for mb in (made["peak_mb"], made["file_mb"], peaks[LAYER], peaks[FLOAT])), f"{ratio:.2f}",
            )  # fmt: skip
    return table


def remarks(report: Row) -> list[str]:
    """Lava, growth, what had few rounds, and what is missing."""
    rows, lines = report["rows"], []
    by_case = {(of(row), row["engine"]): row for row in rows}
    lines += [lava(name, network["lava"]) for name, network in report["networks"].items() if network["lava"]]
    for variable, cases in GROWTH.items():
        found = [(case, by_case.get((case, LAYER))) for case in cases]
        values = [f"{getattr(case, variable)}: {ms(row['median_s'])}" for case, row in found if row]
        if len(values) > 1:
            lines.append(f"layer, growth with {variable}, ms: {', '.join(values)}")
    few = {f"{run['engine']} ({run['network']})": len(run["seconds"]) for run in report["runs"]}
    few = {what: count for what, count in few.items() if count < LEAST}
    if few:
        lines.append(f"Fewer than {LEAST} rounds: {', '.join(f'{what}: {count}' for what, count in few.items())}.")
    lines += [f"Missing: {reason}" for reason in report["missing"]]
    return lines


def lava(network: str, measured: Row) -> str:
    """Lava beside the layer engine, from the turns that they took together."""
    median = {engine: statistics.median(seconds) for engine, seconds in measured["step_s"].items()}
    parts = [f"layer, batch {measured['batch']}: {ms(median[LAYER])}"]
    parts += [
        f"Lava {how}: {ms(median[engine])}, {median[engine] / median[LAYER]:.0f} times that"
        for engine, how in LAVAS.items()
        if engine in median
    ]
    return f"{network}, ms per sample and step, in turns, start-up not counted: {'; '.join(parts)}."
