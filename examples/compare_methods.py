"""All conversion methods, side by side, on the digits and on the textures.

    python examples/compare_methods.py --out DIR

trains the digits network, takes the textures networks that are kept, and sweeps every one of them over T, tau and all
methods: QCFS networks as they are, the plain ReLU network calibrated on 500 images that it was not trained on. FTBC
finds its biases on images that are no test images either. Prints a short table for each and what it says of the
questions that docs/methods.md answers; writes the whole tables, pictures and the results themselves, so that an
interrupted comparison goes on, to DIR.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from digits import load, train_digits  # beside this script
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from textures import textures
from textures_networks import export, inputs

import ganglion
from ganglion.methods import METHODS
from ganglion.sweeps import Row, paired
from ganglion.sweeps.table import table_of

STEPS, MEMBERS = (1, 2, 4, 8), (2, 4, 8, 16)
NEEDY_MEMBERS = (1, 4)  # of methods that need samples: each network is corrected for itself, which takes its time
COST = 4  # T at which the tables tell what it costs
CALIBRATION_SEED, CALIBRATION_IMAGES = 3, 500
WITHIN = 0.01  # one point
WIDTH = 110  # of a table that is not on a terminal
TRAINING_FREE = ("gn", "signed-gn", "h-mt", "deng-gu", "dcgs", "snm", "phase", "ftbc")  # on a plain ReLU network


class Case(NamedTuple):
    """A model, its samples, other samples for what needs some, and whether the model is plain: calibrated on them."""

    model: Path
    samples: Path
    labels: Path
    others: Path
    plain: bool = False


def digits_case(out: Path) -> Case:
    """The network of examples/digits.py, trained unless `out` has one."""
    if not (out / "digits.onnx").exists():
        train_digits(out)
    return Case(out / "digits.onnx", out / "X.npy", out / "Y.npy", _kept(out, load().train_images[:CALIBRATION_IMAGES]))


def textures_case(name: str, out: Path) -> Case:
    """The network of that name in `textures_networks.NAMES`."""
    export(out, names=(name,))
    others = _kept(out, inputs(textures(CALIBRATION_IMAGES, CALIBRATION_SEED)[0]))
    return Case(out / f"{name}.onnx", out / "X.npy", out / "Y.npy", others, plain=name == "relu")


def _kept(out: Path, others: Any) -> Path:
    np.save(out / "calibration.npy", others)
    return out / "calibration.npy"


CASES: dict[str, Callable[[Path], Case]] = {
    "digits": digits_case,
    "textures-qcfs": partial(textures_case, "qcfs"),
    "textures-relu": partial(textures_case, "relu"),
}


def drawn(case: Case, count: int, seed: int) -> Case:
    """With `count` textures of another seed, instead of the test images."""
    images, labels = textures(count, seed)
    samples, classes = (case.model.with_name(f"{letter}-{seed}.npy") for letter in "XY")
    np.save(samples, inputs(images))
    np.save(classes, labels)
    return case._replace(samples=samples, labels=classes)


def compare(
    name: str,
    case: Case,
    out: Path,
    methods: Sequence[str],
    members: Sequence[int] = MEMBERS,
    samples: int | None = None,
    jobs: int | None = None,
) -> ganglion.Sweep:
    """The sweep of one network, which goes on where an earlier one stopped; the methods that need samples last."""
    needy = [method for method in methods if METHODS[method].calibrated]
    others = np.load(case.others)
    given: dict[str, Any] = {"steps": STEPS, "calibration": others if case.plain else None}
    given |= {"store": out / f"{name}.sweep", "jobs": jobs}
    x, labels = np.load(case.samples)[:samples], np.load(case.labels)[:samples]
    free = [method for method in methods if method not in needy]
    sweep = ganglion.sweep(case.model, x, labels, methods=free, members=members, **given)
    if needy:
        more = ganglion.sweep(case.model, x, labels, methods=needy, members=NEEDY_MEMBERS, optimize=others, **given)
        sweep = replace(sweep, rows=[*sweep.rows, *more.rows], runs=sweep.runs + more.runs)
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
        rows = {(r.method, r.members, r.steps): r for r in sweep.rows if r.accuracy is not None}
        share = {key: row.accuracy or 0.0 for key, row in rows.items()}
        if name != "textures-relu" and ("gn", 4, 2) in share:
            gn = share["gn", 4, 2]
            found.append(f"{name}: gn at T = 2, tau = 4 has {gn:.2%}, the ANN {ann:.2%}: {_within(ann - gn)}")
        beside = [(row, rows["gn", m, t]) for (way, m, t), row in rows.items() if way == "signed-gn" and t > 1]
        told = [_beside(signed, gn) for signed, gn in beside if signed.accuracy != gn.accuracy]
        found += [f"{name}: signed-gn beside gn at {line}" for line in told]
        if name == "textures-relu":
            best = max((k for k in share if k[0] in TRAINING_FREE and k[2] == 4), key=lambda k: share[k])
            found.append(
                f"{name}: the best training-free method at T = 4 is {best[0]} with tau = {best[1]}: {share[best]:.2%}, "
                f"the ANN {ann:.2%}: {_within(ann - share[best])}"
            )
    return found


def _beside(signed: Row, gn: Row) -> str:
    only, other, p = paired(signed, gn)
    return (
        f"T = {gn.steps}, tau = {gn.members}: {signed.accuracy:.2%} and {gn.accuracy:.2%}, "
        f"{only} images right by signed-gn alone, {other} by gn alone, p = {p:.2g}"
    )


def _within(lost: float) -> str:
    return f"{100 * lost:.2f} points lost, {'within' if lost <= WITHIN else 'NOT within'} one point"


def main() -> None:
    parser = argparse.ArgumentParser(description="compare all conversion methods")
    parser.add_argument("--out", type=Path, default=Path("methods"), help="the folder to write to (default: methods)")
    parser.add_argument("--samples", type=int, help="only the first so many test images")
    parser.add_argument("--seed", type=int, help="so many other images of the textures, of this seed")
    parser.add_argument("--only", action="append", choices=tuple(CASES), help="only the network of this name")
    parser.add_argument("--methods", default=",".join(METHODS), help="only these, gn and signed-gn among them")
    parser.add_argument("--members", default=",".join(map(str, MEMBERS)), help="only these tau (default: 2,4,8,16)")
    parser.add_argument("--jobs", type=int, help="threads (default: one per core)")
    a = parser.parse_args()
    methods, members = a.methods.split(","), [int(m) for m in a.members.split(",")]
    if not {"gn", "signed-gn"} <= set(methods):
        parser.error("--methods: gn and signed-gn are compared in any case")
    if a.seed is not None and (a.samples is None or "digits" in (a.only or CASES)):
        parser.error("--seed draws textures: give --samples, and --only for their networks")
    a.out.mkdir(parents=True, exist_ok=True)
    screen, sweeps = Console(), {}
    if not screen.is_terminal:
        screen = Console(width=WIDTH)
    for name in a.only or CASES:
        case = CASES[name](a.out / name)
        if a.seed is not None:
            case = drawn(case, a.samples, a.seed)
        sweeps[name] = compare(name, case, a.out, methods, members, a.samples, a.jobs)
        screen.print(summary(name, sweeps[name]))
        with (a.out / f"{name}.txt").open("w", encoding="utf-8") as file:
            Console(file=file, width=WIDTH).print(table_of(sweeps[name]))
    lines = answers(sweeps)
    screen.print("\n".join(lines), highlight=False, soft_wrap=True)
    (a.out / "answers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
