"""A network in Lava's CPU models, graded form: seconds per time-step, as JSON.

    python -m benchmarks.peers.lava_cpu lava FOLDER STEPS MEMBERS
    python -m benchmarks.peers.lava_cpu "lava stock" FOLDER STEPS MEMBERS

"lava" is the bundle as `ganglion emit` writes it, whose convolutions and shortcuts are processes of our own. In
"lava stock" every projection is one of Lava's processes (stock/): one import of the program is changed, all else is the
same. The readout's membrane potentials must be the simulator's, in every sample at every step.

At every time-step all levels of the pipeline work, each on a sample of its own, so that a time-step is what one step of
one sample costs. The program itself reports the time of its steps: starting Lava's processes does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import LAVA_STOCK
from benchmarks.prepare import INPUTS, compiled
from ganglion.backends.lava import LavaRun, runner
from ganglion.backends.lava.bundle import INSTALLED_AS, LIBRARY_NAME, PROGRAM
from ganglion.errors import EngineError
from ganglion.ir import Array, Graph

SAMPLES = 3
LIMIT = 300.0  # seconds, after which the whole process group is killed
STOCK = Path(__file__).with_name("stock")


def main() -> None:
    engine, folder, steps, members = sys.argv[1:]
    print(json.dumps(measure(engine, Path(folder), int(steps), int(members))))


def measure(engine: str, folder: Path, steps: int, members: int, samples: int = SAMPLES) -> dict[str, Any]:
    """`{"step_s", "time_steps", "samples", "processes", "total_s", "compared"}`, or `{"missing": why}`."""
    import ganglion

    net = ganglion.load(folder / compiled(steps, members))
    x = np.load(folder / INPUTS)[:samples]
    name = net.readout.name
    expected = ganglion.simulate(net, x, record=[name]).potentials[name]
    try:
        run = run_lava(engine, net, net.input.encode(x)[0])
        compared = check_equal(run.potentials[name], expected)
    except EngineError as error:
        return {"missing": str(error)}
    return {
        "step_s": run.run_seconds / run.steps,
        "time_steps": run.steps,
        "samples": samples,
        "processes": run.processes,
        "total_s": run.seconds,
        "compared": compared,
    }


def run_lava(engine: str, net: Graph, codes: Array, record: str | Sequence[str] = ()) -> LavaRun:
    """Emit the network and run it on input `codes` (N, *shape). Raises EngineError."""
    import ganglion

    with tempfile.TemporaryDirectory() as scratch:
        bundle = ganglion.emit(net, "lava", Path(scratch, "bundle"))
        if engine == LAVA_STOCK:
            use_stock(bundle)
        return runner.run(bundle, codes, form="graded", record=record, timeout=LIMIT)


def use_stock(bundle: Path) -> None:
    """Let the program of a bundle take its projections from stock/, which is put beside it."""
    target = bundle / STOCK.name
    target.mkdir()
    for source in STOCK.glob("*.py"):
        text = source.read_text(encoding="utf-8").replace(INSTALLED_AS, LIBRARY_NAME)
        (target / source.name).write_text(text, encoding="utf-8")
    program = bundle / PROGRAM
    before, line, after = program.read_text(encoding="utf-8").partition(f"\nfrom {LIBRARY_NAME}.connections import ")
    assert line, f"{program} does not import its connections in the way it used to"
    program.write_text(f"{before}\nfrom {STOCK.name} import {after}", encoding="utf-8")


def check_equal(found: Array, expected: Array) -> int:
    """How many values (T, N, *shape) are equal: all of them. Raises EngineError where one is not."""
    wrong = int((found != expected).sum())
    if found.shape != expected.shape or wrong:
        raise EngineError(
            f"the readout's potentials differ from the simulator's in {wrong} of {expected.size} values; "
            "so its time is not that of the same network"
        )
    return expected.size


if __name__ == "__main__":
    main()
