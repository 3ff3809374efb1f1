"""What could make a run stand still: a wakeup that Lava loses, a process that does not stop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganglion.backends.lava import emit, run
from ganglion.backends.processes import execute
from ganglion.errors import EngineError

from . import networks
from .conftest import Remains
from .reference import simulate

MAIN = 'if __name__ == "__main__":'

# A second message arrives while the first is in the queue, and is put there only when the receiver has taken the
# first and waits again.
LOST = """
import sys, threading
import numpy as np
from lava.magma.compiler.channels import pypychannel
from lava.magma.compiler.channels.watchdog import NoOPWatchdog

if sys.argv[1] == "mended":
    from ganglion_lava import channels
    channels.mend()

arriving, waiting = threading.Event(), threading.Event()

class Queue(pypychannel.CspRecvQueue):
    def put_nowait(self, item):
        if self.qsize():
            arriving.set()
            waiting.wait()
        super().put_nowait(item)

class Condition(threading.Condition):
    def wait(self, timeout=None):
        waiting.set()
        return super().wait(1)  # instead of for ever

class Memory:
    buf = memoryview(bytearray(8))

pypychannel.CspRecvQueue = Queue
arrived = threading.Semaphore(0)
proto = pypychannel.Proto(shape=(1,), dtype=np.int32, nbytes=4)
none = NoOPWatchdog(None)
port = pypychannel.CspRecvPort("port", Memory, proto, 2, arrived, threading.Semaphore(0), none, none)
port.start()
arrived.release()
port.peek()  # the first message is in the queue
arrived.release()
arriving.wait()
port.recv()
selector = pypychannel.CspSelector()
selector._cv = Condition()
woken = []
selector._changed = lambda: woken.append(True)
selector.select((port, lambda: None))
print(len(woken))
"""

# Leaf processes are slow to take a command, so that the next one arrives while it is in the queue; and that one is
# slow to get there, so that the process waits again by then.
SLOW_QUEUES = """
import time
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspRecvQueue

def recv(self, inner=CspRecvPort.recv):
    if self.name.startswith("service_to_process"):
        time.sleep(0.02)
    return inner(self)

def put_nowait(self, item, inner=CspRecvQueue.put_nowait):
    if self.qsize():
        time.sleep(0.05)
    inner(self, item)

CspRecvPort.recv, CspRecvQueue.put_nowait = recv, put_nowait

"""

# The processes do not obey the last command.
NEVER_STOPS = """
import time
from ganglion_lava import program
from lava.magma.core.model.py.model import PyLoihiProcessModel

PyLoihiProcessModel._stop = lambda self: time.sleep(1000)
program.SHUTDOWN = 0.5

"""


@pytest.fixture
def bundle(tmp_path: Path, lava_python: Path) -> Path:
    return emit(networks.mlp(), tmp_path / "bundle")


def insert(bundle: Path, code: str) -> None:
    """Write `code` into the bundle's program, before it runs."""
    program = bundle / "network.py"
    text = program.read_text()
    assert MAIN in text
    program.write_text(text.replace(MAIN, code + MAIN))


@pytest.mark.lava
@pytest.mark.parametrize(("form", "woken"), [("lava's own", "0"), ("mended", "1")])
def test_every_message_wakes_the_receiver(form: str, woken: str, bundle: Path, lava_python: Path) -> None:
    """Lava's own channel does not, which is what `channels.mend` is for."""
    done = subprocess.run(
        [str(lava_python), "-c", LOST, form], cwd=bundle, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == woken, done.stderr


@pytest.mark.lava
def test_slow_queues(bundle: Path) -> None:
    insert(bundle, SLOW_QUEUES)
    codes = networks.codes(networks.mlp(), samples=5)
    lava = run(bundle, codes, timeout=60)
    for name, expected in simulate(networks.mlp(), codes).items():
        np.testing.assert_array_equal({**lava.counts, **lava.potentials}[name], expected)


@pytest.mark.lava
def test_processes_that_do_not_stop(bundle: Path) -> None:
    """The results are there by then, and are used."""
    insert(bundle, NEVER_STOPS)
    remains = Remains(bundle)
    codes = networks.codes(networks.mlp(), samples=2)

    def progress(step: int, steps: int) -> None:
        assert remains.processes()  # learns the name of the run

    lava = run(bundle, codes, timeout=60, progress=progress)
    for name, expected in simulate(networks.mlp(), codes).items():
        np.testing.assert_array_equal({**lava.counts, **lava.potentials}[name], expected)
    assert remains.gone()


@pytest.mark.parametrize(("said", "where"), [("step 3/22", r"\d s after step 3 of 22"), ("", "before its first step")])
def test_the_time_limit_says_where_it_stood_still(said: str, where: str, tmp_path: Path) -> None:
    code = f"import time; print({said!r}, flush=True); time.sleep(1000)"
    with pytest.raises(EngineError, match=rf"the Lava run of 'it' passed its limit of 2 s, {where}"):
        execute(
            [sys.executable, "-c", code],
            tmp_path,
            title="the Lava run of 'it'",
            limit=2,
            variables={},
            progress=None,
        )
