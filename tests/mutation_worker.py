"""Runs the commands on model files, one after the other: `mutation_worker.py RESULTS FILE ...`.

One line of JSON per file goes to RESULTS: its exit codes, what went wrong, the seconds, the peak memory so far.
"""

from __future__ import annotations

import faulthandler
import io
import json
import resource
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

import ganglion
from ganglion.cli import main
from ganglion.frontend import read

SECONDS = 90  # for one file
ADDRESSES = 16 << 30  # bytes; protects the machine, far above the memory that a test allows


def codes_of(path: Path) -> list[int]:
    """The exit codes of checking the model, and where that is fine, of compiling it and of running the network."""
    samples, net = path.with_suffix(".npy"), path.with_suffix(".net")
    codes = [main(["check", str(path)])]
    if codes[0] != 0:
        return codes
    (shape,) = [v.shape for v in read(path).graph.inputs if v.uses() or v.is_graph_output()]
    assert shape is not None
    np.save(samples, np.random.default_rng(0).uniform(-1, 1, (4, *shape.numpy()[1:])))
    command = ["compile", str(path), "-o", str(net), "--steps", "1", "--members"]
    codes.append(main([*command, "levels"]))
    if codes[-1] != 0:  # plain ReLUs, for example
        codes.append(main([*command, "4", "--calibration", str(samples)]))
    if codes[-1] == 0:
        np.save(samples, np.zeros((1, *ganglion.load(net).input.shape)))
        codes.append(main(["simulate", str(net), "--input", str(samples)]))
    return codes


def run(path: Path) -> dict[str, object]:
    """What the commands say to one file."""
    out, err, problem, codes = io.StringIO(), io.StringIO(), "", []
    start = time.perf_counter()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            codes = codes_of(path)
    except BaseException:  # SystemExit as well: nothing may escape
        problem = traceback.format_exc()
    text = out.getvalue() + err.getvalue()
    if "Traceback" in text:
        problem += text
    return {
        "file": path.name,
        "codes": codes,
        "problem": problem,
        "said": text,
        "seconds": time.perf_counter() - start,
        "megabytes": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """The largest resident memory of this program so far; ru_maxrss would count what its parent held at the fork."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    with open(sys.argv[1], "a", encoding="utf-8") as results:
        for name in sys.argv[2:]:
            faulthandler.dump_traceback_later(SECONDS, exit=True)  # shows where it hangs, and ends the process
            print(json.dumps(run(Path(name))), file=results, flush=True)
        faulthandler.cancel_dump_traceback_later()
