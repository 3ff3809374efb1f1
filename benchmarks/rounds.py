"""Taking turns, and what comes of it: medians and ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .cases import ANN, FLOAT, Case

LEAST, MOST = 3, 7  # rounds
SLOW = 20.0  # seconds; an engine whose turn takes longer gets one
PAUSE = 0.05  # seconds, in which the threads of the engine before stop spinning


def take_turns(
    turns: Mapping[str, Callable[[], float]], budget: float, pause: float = PAUSE, slow: float = SLOW
) -> dict[str, list[float]]:
    """The seconds that each engine reports, one entry a round: a, b, c, a, b, c, ...

    At least three rounds, then more while another one fits in `budget` seconds, up to seven.
    """
    times: dict[str, list[float]] = {engine: [] for engine in turns}
    begin = time.perf_counter()
    for done in range(MOST):
        spent = time.perf_counter() - begin
        if done >= LEAST and spent * (done + 1) / done > budget:
            break
        for engine, turn in turns.items():
            if times[engine] and times[engine][0] > slow:
                continue
            time.sleep(pause)
            times[engine].append(turn())
    return times


def row(case: Case, engine: str, times: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The entry of results.json: the median, and its ratio to T times onnxruntime's float32 time for the same batch.

    The plain network takes one pass whatever T is, so it has no ratio.
    """
    median = statistics.median(times[engine])
    meaningful = engine not in ANN and bool(times.get(FLOAT))
    ratio = median / (case.steps * statistics.median(times[FLOAT])) if meaningful else None
    return {**case._asdict(), "engine": engine, "median_s": median, "ratio": ratio}
