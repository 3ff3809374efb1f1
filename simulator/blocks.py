"""The layer engine over any number of samples: in blocks that fit the cache, on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from itertools import pairwise
from threading import Lock
from types import ModuleType

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from ganglion.ir import Array, Graph
from ganglion.ir.exact import Kernel

from .crew import ALONE, Crew
from .keeper import Keeper
from .layer import NOTHING, Given, LayerEngine
from .synapses import TILE_PRODUCTS

BLOCK_BYTES = 1 << 22  # of the spike counts that one block of samples holds at a time


def by_layer(
    graph: Graph,
    encoded: Callable[[slice], Array],
    keeper: Keeper,
    kernel: Kernel | None,
    loops: ModuleType,
    jobs: int | None,
    progress: Callable[[int, int], None] | None,
    given: Given = NOTHING,
) -> None:
    """All samples of `keeper` through the layer engine; `encoded(part)` gives the codes of some of them.

    Threads share the blocks of samples, or, where there are fewer blocks than threads, the tiles of each layer.
    """
    engine = graph.derived((LayerEngine, kernel, loops), lambda: LayerEngine(graph, kernel, loops))
    worth = engine.products_per_sample * keeper.samples // TILE_PRODUCTS  # threads that have something to do
    jobs = min(jobs or available_cores(), max(worth, 1))
    parts = blocks(keeper.samples, max(1, BLOCK_BYTES // engine.bytes_per_sample), jobs)
    done, lock = 0, Lock()

    def run(part: slice, within: Crew = ALONE) -> None:
        nonlocal done
        engine.run(encoded(part), partial(keeper.put_window, part.start), within, given.part(part))
        with lock:
            done += part.stop - part.start
            if progress:
                progress(done, keeper.samples)

    with single_threaded_blas() if engine.uses_blas and jobs > 1 else nullcontext(), Crew(jobs) as crew:
        if len(parts) >= jobs:
            crew.each(run, parts)
        else:
            for part in parts:
                run(part, crew)


def blocks(samples: int, most: int, jobs: int) -> list[slice]:
    """`samples` in blocks of at most `most`, alike in size, as many as keep `jobs` threads busy to the end."""
    n = -(-samples // most)
    if n > 1 or samples >= 2 * jobs:
        n = min(-(-n // jobs) * jobs, samples)
    bounds = [samples * i // n for i in range(n + 1)] if n else []
    return [slice(a, b) for a, b in pairwise(bounds)]


def single_threaded_blas() -> AbstractContextManager[object]:
    """While it lasts, BLAS uses the calling thread alone: two levels of threads get into each other's way."""
    limit: AbstractContextManager[object] = _threadpools().limit(limits=1, user_api="blas")
    return limit


@cache
def _threadpools() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, which takes a while


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
