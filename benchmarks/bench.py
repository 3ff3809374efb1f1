"""How fast the simulator is, beside onnxruntime, SpikingJelly and Lava, on the same networks with the same weights.

    python -m benchmarks.bench [--quick] [--only NETWORK ...] [--budget SECONDS] [--out FOLDER]

Every engine is a process of its own that stays warm; they take turns, never two at a time, in rounds. Written are
results.json (medians and ratios), details.json (every time, compile time, memory) and growth.svg. --quick measures
ResNet-18 at batch 16, T = 4 alone, without the peers, and writes nothing; with --only, nothing is written unless
--out says where.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from . import tables
from .cases import LARGE, LAVAS, QUICK, SPIKINGJELLY, STEP, Case, all_cases, engines_of
from .measuring import machine
from .network import Measured, measure_network
from .rounds import row
from .worker import ROOT

HERE = Path(__file__).resolve().parent
PEERS = ROOT / ".venv-peers" / "bin" / "python"
PROBE = "import torch, spikingjelly.activation_based.base as b; from importlib.metadata import version as v; "
PROBE += "print(f\"SpikingJelly {v('spikingjelly')}, torch {torch.__version__}, {torch.get_num_threads()} threads\")"
WIDTH = 106
BUDGET = 20.0  # seconds of rounds for one case, after the three that every engine gets


def main(arguments: Sequence[str] | None = None) -> None:
    cases = all_cases()
    names = list(dict.fromkeys(case.network for case in cases))
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="ResNet-18 at batch 16, T = 4 alone; under a minute")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NETWORK", help=f"of {', '.join(names)}")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of rounds for one case (%(default)g)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the files go; by default benchmarks/")
    a = parser.parse_args(arguments)
    if a.quick:
        cases = [QUICK]
    elif a.only:
        cases = [case for case in cases if case.network in a.only]
    peers, version = (None, "") if a.quick else find_peers(PEERS)
    report = run(cases, peers, quick=a.quick, budget=a.budget)
    report["spikingjelly"] = version
    console = Console(width=WIDTH)
    show(report, console)
    out = a.out or (None if a.quick or a.only else HERE)
    if out:
        write(report, out)
        console.print(f"written: {', '.join(path.name for path in sorted(out.glob('*.json')))}, growth.svg")


def find_peers(python: Path) -> tuple[Path | None, str]:
    """The interpreter that has SpikingJelly and what it has; or None, and why not."""
    try:
        done = subprocess.run([python, "-c", PROBE], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        return None, f"there is no {python.parent.parent.name}; `make bench` builds it"
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        return None, f"{python.parent.parent.name} is broken ({last}); remove it, and `make bench` builds it again"
    return python, done.stdout.strip()


def run(cases: Sequence[Case], peers: Path | None, *, quick: bool, budget: float) -> dict[str, Any]:
    """Measure network after network; returns all there is to tell. `quick`: no peers, and no step engine."""
    log = Console(stderr=True)
    report: dict[str, Any] = {"machine": machine(), "rows": [], "runs": [], "networks": {}, "missing": []}
    if not quick and peers is None:
        report["missing"].append(f"{SPIKINGJELLY}: {find_peers(PEERS)[1]}")
        log.print(f"without {report['missing'][-1]}", style="bold red", highlight=False)
    for name in dict.fromkeys(case.network for case in cases):
        own = [case for case in cases if case.network == name]
        with tempfile.TemporaryDirectory(prefix="ganglion-bench-") as folder:
            measured = measure_network(
                own,
                Path(folder),
                peers,
                leave_out=[STEP] if quick else [],
                lava=not quick,
                budget=budget,
                log=log,
            )
        add(report, name, own, measured)
    return report


def add(report: dict[str, Any], name: str, cases: Sequence[Case], measured: Measured) -> None:
    """Put what was measured of one network into the report."""
    report["networks"][name] = {"compile": measured.compiled, "peak_mb": measured.peaks, "lava": measured.lava}
    report["missing"] += [f"{name}: {reason}" for reason in measured.missing]
    for case in cases:
        times, agreement = measured.times[case], measured.agreement[case]
        report["rows"] += [row(case, engine, times) for engine in (*engines_of(case), *LAVAS) if engine in times]
        runs = [{**case._asdict(), "engine": engine, "seconds": seconds} for engine, seconds in times.items()]
        report["runs"] += [{**one, "agreement": agreement.get(one["engine"])} for one in runs]


def show(report: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    rows = report["rows"]
    console.print(report["machine"], highlight=False)
    console.print(tables.speed([r for r in rows if tables.in_grid(r)]))
    console.print(tables.LEGEND, highlight=False)
    if large := [name for name in report["networks"] if name in LARGE]:
        console.print()
        console.print(tables.large(large, report))
    console.print()
    for line in tables.remarks(report):
        console.print(line, highlight=False, markup=False)


def write(report: dict[str, Any], folder: Path) -> None:
    """results.json, details.json and the plot."""
    from .growth import draw

    folder.mkdir(parents=True, exist_ok=True)
    details = {key: value for key, value in report.items() if key != "rows"}
    (folder / "results.json").write_text(lines(report["rows"]), encoding="utf-8")
    whole = ",\n".join(
        f"{json.dumps(key)}: {lines(value) if isinstance(value, list) else json.dumps(value, indent=1)}"
        for key, value in details.items()
    )
    (folder / "details.json").write_text(f"{{\n{whole}\n}}\n", encoding="utf-8")
    draw(report["rows"], folder / "growth.svg", report["machine"])


def lines(rows: list[Any]) -> str:
    """A list as JSON, one entry a line."""
    return "[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows) + "\n]\n"


if __name__ == "__main__":
    main()
