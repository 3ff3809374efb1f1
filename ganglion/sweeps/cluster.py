"""Blocks on the workers of a Dask cluster. The scheduler keeps what every block needs until it is done, so that what a
lost worker had, another does again.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ganglion.errors import EngineError, GanglionError
from ganglion.ir import Array, Graph
from ganglion.ir.file import from_bytes, to_bytes
from ganglion.version import __version__

from .blocks import Result, measure
from .task import Task

PATIENCE = 10.0  # seconds for the scheduler to answer, and for it to have a worker
RETRIES = 3  # of a block that failed; one whose worker was lost is not counted
AHEAD = 2  # blocks on their way per thread of the workers


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler at `address`, whose workers are there and have this ganglion.

    Raises `EngineError` otherwise.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise EngineError(
            "a Dask cluster needs the package distributed, which is not installed",
            hint="pip install 'ganglion[cluster]'",
        ) from None
    try:  # first, since a client that fails to connect takes its time to give up
        with ThreadPoolExecutor(1) as thread:  # the caller's may run an event loop of its own, as notebooks do
            thread.submit(asyncio.run, _answers(address)).result()
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, asyncio.TimeoutError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {address}", hint="start one (dask scheduler) and give its address, tcp://..."
        ) from error
    with _quiet(), client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except (TimeoutError, asyncio.TimeoutError):
            hint = f"start some: dask worker {address}"
            raise EngineError(f"the Dask scheduler at {address} has no workers", hint=hint) from None
        for worker, version in client.run(version_here, on_error="return").items():
            if version != __version__:
                found = f"ganglion {version}" if isinstance(version, str) else f"no ganglion ({version})"
                hint = "install the same on all machines"
                raise EngineError(f"the worker {worker} has {found}; here is {__version__}", hint=hint)
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracebacks that Dask prints where a scheduler is lost: the error says it."""
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


async def _answers(address: str) -> None:
    comm: Any = importlib.import_module("distributed.comm")
    security = importlib.import_module("distributed.security").Security()
    connecting = comm.connect(address, timeout=PATIENCE, **security.get_connection_args("client"))
    connection = await asyncio.wait_for(connecting, PATIENCE)  # what is no scheduler may accept and say nothing
    await connection.close()


def version_here() -> str:
    """The version of ganglion on the worker that is asked."""
    return __version__


def run(client: Any, tasks: Iterable[Task], jobs: int | None) -> Iterator[tuple[Task, Result]]:
    """The tasks with their results, as they are done; `tasks` is asked for the next when the workers need more.

    Raises what a block raised, or `EngineError` where the cluster failed.
    """
    done = importlib.import_module("distributed").as_completed([], loop=client.loop)
    under_way: dict[Any, Task] = {}
    network: tuple[Graph, Any] | None = None
    for task in tasks:
        with _cluster_errors(task):
            if network is None or network[0] is not task.net:
                network = task.net, _submit(client, bytes, to_bytes(task.net))
            future = _submit(client, measure_on_worker, network[1], task.samples(), jobs or 1)
            under_way[future] = task
            done.add(future)
            most = max(4, AHEAD * sum(client.nthreads().values()))  # workers come and go
        while len(under_way) >= most:
            yield _next(done, under_way)
    network = None
    while under_way:
        yield _next(done, under_way)


def _submit(client: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """A task that the scheduler can give out again, arguments and all: scattered, they would be lost with a worker."""
    with importlib.import_module("dask").config.set({"distributed.admin.large-graph-warning-threshold": "2 GiB"}):
        return client.submit(function, *arguments, pure=False, retries=RETRIES)


def _next(done: Any, under_way: dict[Any, Task]) -> tuple[Task, Result]:
    future = next(done)
    task = under_way.pop(future)
    with _cluster_errors(task):
        return task, future.result()


@contextmanager
def _cluster_errors(task: Task) -> Iterator[None]:
    """What is raised and is no answer to the user becomes an `EngineError`."""
    try:
        yield
    except GanglionError:
        raise
    except Exception as error:  # Dask's have no common base of their own
        kind = type(error).__name__
        raise EngineError(
            f"the Dask cluster failed at samples {task.block.first} to {task.block.stop - 1}: {kind}: {error}",
            hint="what was done is kept where there is a store; start the sweep again",
        ) from error


def measure_on_worker(network: bytes, x: Array, jobs: int) -> Result:
    """`measure`, for a network as its container."""
    return measure(_opened(network), x, jobs)


@lru_cache(maxsize=2)
def _opened(network: bytes) -> Graph:
    return from_bytes(network, "the network that was sent")
