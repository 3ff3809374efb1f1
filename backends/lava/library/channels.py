"""A lost wakeup in Lava 0.10.0, mended.

A thread of each receiving port queues what arrives, and the process waits in `CspSelector.select` until it calls the
port's observer. Lava calls it only if the queue was empty a moment *before* the message went in. If the process takes
the last message and waits again in that moment, nobody wakes it: it waits for ever with a command in its queue, and
the network with it. Every call of `run` risks this at every process, with the two commands "this was the last step"
and "next step", which are sent without an answer in between.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lava.magma.compiler.channels.pypychannel import CspRecvPort


def mend() -> None:
    """Have the ports of this process, and of those it forks, wake whoever waits at every message."""
    CspRecvPort._req_callback = receive


def receive(port: Any, arrived: Any) -> None:
    """The thread of a receiving port: a message is in shared memory whenever the semaphore `arrived` says so."""
    with suppress(EOFError):
        while arrived.acquire() and not port._done:
            port._queue.put_nowait(0)
            observer = port.observer  # read once: `select` takes it away at any time
            if observer:
                observer()
