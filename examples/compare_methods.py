"""All conversion methods, side by side, on the digits and on the textures.

    python examples/compare_methods.py --out DIR

trains the digits network, takes the textures networks that are kept, and sweeps every one of them over T, tau and all
methods: QCFS networks as they are, the plain ReLU network calibrated on 500 images that it was not trained on. Prints a
short table for each and what it says of the questions that docs/methods.md answers; writes the whole tables, pictures
and the results themselves, so that an interrupted comparison goes on, to DIR.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from digits import train_digits  # beside this script
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from textures import textures
from textures_networks import export, inputs

import ganglion
from ganglion.methods import METHODS
from ganglion.sweeps.table import table_of

STEPS, MEMBERS = (1, 2, 4, 8), (2, 4, 8, 16)
COST = 4  # T at which the tables tell what it costs
CALIBRATION_SEED, CALIBRATION_IMAGES = 3, 500
WITHIN = 0.01  # one point
WIDTH = 110  # of a table that is not on a terminal
TRAINING_FREE = ("gn", "signed-gn", "h-mt", "deng-gu", "dcgs", "snm")  # on a plain ReLU network


class Case(NamedTuple):
    """A model, its samples, and what calibrates it, if it is plain."""

    model: Path
    samples: Path
    labels: Path
    calibration: Any = None


def digits_case(out: Path) -> Case:
    """The network of examples/digits.py, trained unless `out` has one."""
    if not (out / "digits.onnx").exists():
        train_digits(out)
    return Case(out / "digits.onnx", out / "X.npy", out / "Y.npy")


def textures_case(name: str, out: Path) -> Case:
    """The network of that name in `textures_networks.NAMES`; a plain one with its calibration."""
    export(out, names=(name,))
    calibration = inputs(textures(CALIBRATION_IMAGES, CALIBRATION_SEED)[0]) if name == "relu" else None
    return Case(out / f"{name}.onnx", out / "X.npy", out / "Y.npy", calibration)


CASES: dict[str, Callable[[Path], Case]] = {
    "digits": digits_case,
    "textures-qcfs": partial(textures_case, "qcfs"),
    "textures-relu": partial(textures_case, "relu"),
}


def compare(
    name: str, case: Case, out: Path, methods: Sequence[str], samples: int | None, jobs: int | None
) -> ganglion.Sweep:
    """The sweep of one network, which goes on where an earlier one stopped."""
    sweep = ganglion.sweep(
        case.model,
        np.load(case.samples)[:samples],
        np.load(case.labels)[:samples],
        steps=STEPS,
        members=MEMBERS,
        methods=methods,
        calibration=case.calibration,
        store=out / f"{name}.sweep",
        jobs=jobs,
    )
    sweep.to_csv(out / f"{name}.csv")
    sweep.plot(out / f"{name}.svg")
    return sweep


def summary(name: str, sweep: ganglion.Sweep) -> Table:
    """A line for every method and tau: accuracy at every T, and what T = 4 costs."""
    title = f"{name}: {sweep.samples} samples; the ANN has {100 * (sweep.ann_accuracy or 0):.2f} %"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", no_wrap=True)
    accuracies = [f"T = {t}" for t in STEPS]
    for heading in ("tau", "members", *accuracies, f"spikes at T = {COST}", "operations"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = {(r.method, r.members, r.steps): r for r in sweep.rows}
    for method, members in dict.fromkeys((r.method, r.members) for r in sweep.rows):
        found = [rows[method, members, t] for t in STEPS]
        shares = ["-" if r.accuracy is None else f"{100 * r.accuracy:.1f} %" for r in found]
        one = rows[method, members, COST]
        costs = ["-" if v is None else f"{v:,.0f}" for v in (one.spikes_per_sample, one.operations_per_sample)]
        everyone = max(r.members_in_all or 0 for r in found)
        table.add_row(method, str(members), f"{everyone:,}", *shares, *costs)
    return table


def answers(sweeps: dict[str, ganglion.Sweep]) -> list[str]:
    """What the rows say, a sentence a question."""
    found = []
    for name, sweep in sweeps.items():
        ann = sweep.ann_accuracy or 0.0
        share = {(r.method, r.members, r.steps): r.accuracy for r in sweep.rows if r.accuracy is not None}
        if name != "textures-relu":
            gn = share["gn", 4, 2]
            found.append(f"{name}: gn at T = 2, tau = 4 has {gn:.2%}, the ANN {ann:.2%}: {_within(ann - gn)}")
        worse = [
            f"T = {t}, tau = {m}: {share['signed-gn', m, t]:.2%} and {share['gn', m, t]:.2%}"
            for m in MEMBERS
            for t in STEPS[1:]
            if share["signed-gn", m, t] < share["gn", m, t]
        ]
        found.append(f"{name}: signed-gn is below gn at {'; '.join(worse) or 'no T of 2, 4, 8 and no tau'}")
        if name == "textures-relu":
            best = max((k for k in share if k[0] in TRAINING_FREE and k[2] == 4), key=lambda k: share[k])
            found.append(
                f"{name}: the best training-free method at T = 4 is {best[0]} with tau = {best[1]}: {share[best]:.2%}, "
                f"the ANN {ann:.2%}: {_within(ann - share[best])}"
            )
    return found


def _within(lost: float) -> str:
    return f"{100 * lost:.2f} points lost, {'within' if lost <= WITHIN else 'NOT within'} one point"


def main() -> None:
    parser = argparse.ArgumentParser(description="compare all conversion methods")
    parser.add_argument("--out", type=Path, default=Path("methods"), help="the folder to write to (default: methods)")
    parser.add_argument("--samples", type=int, help="only the first so many test images")
    parser.add_argument("--only", action="append", choices=tuple(CASES), help="only the network of this name")
    parser.add_argument("--methods", default=",".join(METHODS), help="only these, gn and signed-gn among them")
    parser.add_argument("--jobs", type=int, help="threads (default: one per core)")
    a = parser.parse_args()
    methods = a.methods.split(",")
    if not {"gn", "signed-gn"} <= set(methods):
        parser.error("--methods: gn and signed-gn are compared in any case")
    a.out.mkdir(parents=True, exist_ok=True)
    screen, sweeps = Console(), {}
    if not screen.is_terminal:
        screen = Console(width=WIDTH)
    for name in a.only or CASES:
        sweeps[name] = compare(name, CASES[name](a.out / name), a.out, methods, a.samples, a.jobs)
        screen.print(summary(name, sweeps[name]))
        with (a.out / f"{name}.txt").open("w", encoding="utf-8") as file:
            Console(file=file, width=WIDTH).print(table_of(sweeps[name]))
    lines = answers(sweeps)
    screen.print("\n".join(lines), highlight=False, soft_wrap=True)
    (a.out / "answers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
