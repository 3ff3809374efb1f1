"""A network in Lava's CPU models, graded form: seconds per time-step, as JSON.

    python -m benchmarks.peers.lava_cpu FOLDER STEPS MEMBERS

At every time-step all levels of the pipeline work, each on a sample of its own, so that a time-step is what one step of
one sample costs. The program itself reports the time of its steps: starting Lava's processes does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.prepare import INPUTS, compiled

SAMPLES = 6
LIMIT = 300.0  # seconds, after which the whole process group is killed


def main() -> None:
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))


def measure(folder: Path, steps: int, members: int, samples: int = SAMPLES) -> dict[str, Any]:
    """`{"step_s", "time_steps", "samples", "processes", "total_s"}`, or `{"missing": why}`."""
    import ganglion
    from ganglion.backends.lava import runner

    net = ganglion.load(folder / compiled(steps, members))
    codes, _ = net.input.encode(np.load(folder / INPUTS)[:samples])
    try:
        with tempfile.TemporaryDirectory() as scratch:
            bundle = ganglion.emit(net, "lava", Path(scratch, "bundle"))
            run = runner.run(bundle, codes, form="graded", record=[], timeout=LIMIT)
    except ganglion.EngineError as error:
        return {"missing": str(error)}
    return {
        "step_s": run.run_seconds / run.steps,
        "time_steps": run.steps,
        "samples": samples,
        "processes": run.processes,
        "total_s": run.seconds,
    }


if __name__ == "__main__":
    main()
