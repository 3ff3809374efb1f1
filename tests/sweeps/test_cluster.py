"""Blocks on a Dask cluster: the results of this machine, and workers that may die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ganglion
from ganglion.sweeps import cluster

from .helpers import measured, swept

distributed: Any = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """A scheduler here, and two worker processes."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as local:
        yield local


def test_a_killed_worker_costs_time_and_no_results(workers: Any, files: Path) -> None:
    pids = {worker.pid for worker in workers.workers.values()}
    assert os.getpid() not in pids
    killed: list[int] = []

    def kill(what: str, done: int, total: int) -> None:
        if what == "simulating" and done > total // 4 and not killed:
            killed.append(next(worker.pid for worker in workers.workers.values()))
            os.kill(killed[0], signal.SIGKILL)

    sweep = swept(files, block=1, scheduler=workers.scheduler_address, progress=kill)
    assert len(killed) == 1
    assert measured(sweep) == measured(swept(files))


def test_what_is_in_the_store_is_not_sent(workers: Any, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, address = files / "store", workers.scheduler_address
    first = swept(files, store=store, members=(4,))
    sent: list[str] = []
    original = cluster._next

    def counting(*args: Any) -> Any:
        task, result = original(*args)
        sent.append(task.network)
        return task, result

    monkeypatch.setattr(cluster, "_next", counting)
    both = swept(files, store=store, scheduler=address)
    assert len(sent) == 5  # tau = 1 only
    assert len(set(sent)) == 1
    assert measured(both)[3:] == measured(first)
    assert swept(files, store=store) == both  # and the cluster's results are kept


def test_what_goes_wrong_on_a_worker_is_told(workers: Any, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "RETRIES", 0)
    monkeypatch.setattr(cluster, "to_bytes", lambda net: b"no network")
    with pytest.raises(ganglion.InputError, match="the network that was sent is not an ONNX file"):
        swept(files, scheduler=workers.scheduler_address)
    monkeypatch.setattr(cluster, "to_bytes", lambda net: "no bytes")
    with pytest.raises(ganglion.EngineError, match=r"the Dask cluster failed at samples \d+ to \d+: TypeError"):
        swept(files, scheduler=workers.scheduler_address)


def test_a_lost_scheduler_ends_the_sweep_and_keeps_what_is_done(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 2)
    store = files / "store"
    settings: dict[str, Any] = {"block": 1, "members": (4,)}
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0", silence_logs=60) as local:

        def close(what: str, done: int, total: int) -> None:
            if what == "simulating" and done > total // 4:
                local.close()

        with pytest.raises(ganglion.EngineError, match="the Dask cluster failed at samples"):
            swept(files, store=store, scheduler=local.scheduler_address, progress=close, **settings)
    assert len(list(store.glob("*.npz"))) > 6
    assert measured(swept(files, store=store, **settings)) == measured(swept(files, **settings))


def test_workers_with_another_ganglion(workers: Any, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "__version__", "99")
    with pytest.raises(ganglion.EngineError, match="here is 99"):
        swept(files, scheduler=workers.scheduler_address)


def test_no_scheduler_or_no_workers(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 1.5)

    def refused(address: str, message: str) -> None:
        with pytest.raises(ganglion.EngineError, match=message):
            swept(files, scheduler=address)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        refused(address, f"no Dask scheduler answers at {address}")
    refused(address, "no Dask scheduler answers")  # closed now
    refused("nonsense", "no Dask scheduler answers at nonsense")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        refused(empty.scheduler_address, "has no workers")
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused("tcp://127.0.0.1:1", "needs the package distributed")


def test_dask_is_loaded_only_for_a_cluster() -> None:
    code = (
        "import sys, ganglion.cli, ganglion.sweeps; assert not {'dask', 'distributed', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
