"""Where the layer engine's time goes: one thread, one network, by what is done.

python -m benchmarks.profile [NETWORK ...] [--batch 16] [--steps 4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from .cases import LAYER, MEMBERS, NETWORKS, NUMPY, OURS
from .measuring import machine
from .network import script
from .prepare import INPUTS, compiled
from .tables import plain_table

ROUNDS = 5
PHASES = ("products", "gather", "scan", "counting", "rest")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.profile", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS[1:], metavar="NETWORK")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    a = parser.parse_args(arguments)
    table = plain_table(
        f"T = {a.steps}, tau = {MEMBERS}, batch {a.batch}, one thread", ["network", "engine", "ms", *PHASES], left=2
    )
    for name in a.networks:
        with tempfile.TemporaryDirectory(prefix="ganglion-bench-") as folder:
            script("benchmarks.prepare", "export", name, folder)
            script("benchmarks.prepare", "compile", folder, str(a.steps), str(MEMBERS))
            for engine in (LAYER, NUMPY):
                total, spent = profile(Path(folder), engine, a.batch, a.steps)
                shares = [f"{100 * spent[phase] / total:.0f}%" for phase in PHASES]
                table.add_row(name, engine, f"{1000 * total:.0f}", *shares)
    console = Console(width=100)
    console.print(machine(), highlight=False)
    console.print(table)


def profile(folder: Path, engine: str, batch: int, steps: int) -> tuple[float, dict[str, float]]:
    """Seconds of one call, and of its phases: means over rounds after one that warms up."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    import ganglion

    net = ganglion.load(folder / compiled(steps, MEMBERS))
    x = np.load(folder / INPUTS)[:batch]

    def call() -> None:
        ganglion.simulate(net, x, jobs=1, **OURS[engine])

    with threadpool_limits(1, "blas"), timed_phases() as spent:
        call()
        spent.clear()
        start = time.perf_counter()
        for _ in range(ROUNDS):
            call()
        total = (time.perf_counter() - start) / ROUNDS
    phases = {phase: seconds / ROUNDS for phase, seconds in spent.items()}
    phases["rest"] = total - sum(phases.values())
    return total, defaultdict(float, phases)


@contextmanager
def timed_phases() -> Iterator[dict[str, float]]:
    """The seconds spent in every phase, while it lasts."""
    from ganglion.simulator.keeper import Keeper
    from ganglion.simulator.kernels import neurons, products, projections

    places = [
        (products.ByteProduct, "__call__", "products"),
        (products.FloatProduct, "__call__", "products"),
        (projections.Windows, "gather", "gather"),
        (neurons.GroupScan, "__call__", "scan"),
        (Keeper, "put_window", "counting"),
    ]
    spent: dict[str, float] = defaultdict(float)
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for (owner, name, phase), (_, _, original) in zip(places, originals, strict=True):
        setattr(owner, name, _timed(original, phase, spent))
    try:
        yield spent
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _timed(function: Callable[..., Any], phase: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            spent[phase] += time.perf_counter() - start

    return timed


if __name__ == "__main__":
    main()
