"""Where data enters and leaves. It travels in process parameters and files: Lava's `Var.get` and `Var.set` take
20 microseconds per value.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

from math import prod

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ganglion.backends.lava.library.model import StepModel
from ganglion.backends.lava.library.window import Window


class InputSource(AbstractProcess):
    """Sends sample after sample, each for `steps` time-steps (direct coding), then zeros.

    `codes` are integers (N, *shape).
    """

    def __init__(self, *, name: str, codes: np.ndarray, steps: int) -> None:
        super().__init__(name=name, codes=codes.reshape(len(codes), -1), window=Window(0, steps, len(codes)))
        self.s_out = OutPort(shape=(prod(codes.shape[1:]),))


class Recorder(AbstractProcess):
    """Stores what a population sends at every step of its windows in the file `path`: (steps, samples, *shape).

    `dtype` must hold every value; another value is an error, and so is a spike outside of the windows.
    """

    def __init__(self, *, name: str, shape: tuple[int, ...], window: Window, path: str, dtype: str) -> None:
        super().__init__(name=name, shape=shape, window=window, path=path, dtype=dtype)
        self.a_in = InPort(shape=(prod(shape),))


@implements(proc=InputSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class InputSourceModel(StepModel):
    """Constant over each window."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def step(self, step: int) -> None:
        codes, window = self.proc_params["codes"], self.proc_params["window"]
        inside = window.local(step) is not None
        self.s_out.send(codes[window.sample(step)].astype(np.int32) if inside else np.zeros(codes.shape[1:], np.int32))


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class RecorderModel(StepModel):
    """Writes one row per step into a memory-mapped .npy file, complete after the last step of the last window."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def step(self, step: int) -> None:
        p, window = self.proc_params, self.proc_params["window"]
        arrived = self.a_in.recv()
        t = window.local(step)
        if t is None:
            if arrived.any():
                raise ValueError("a spike outside of the population's windows")
            return
        if step == window.level:
            shape = (window.steps, window.samples, *p["shape"])
            self.rows = np.lib.format.open_memmap(p["path"], mode="w+", dtype=p["dtype"], shape=shape)
        limits = np.iinfo(p["dtype"])
        if int(arrived.min()) < limits.min or int(arrived.max()) > limits.max:
            raise OverflowError(f"values {arrived.min()}..{arrived.max()} do not fit {p['dtype']}")
        self.rows[t, window.sample(step)] = arrived.reshape(p["shape"])
        if step == window.level + window.steps * window.samples - 1:
            self.rows.flush()
            del self.rows
