"""Bases of the process models."""

# pyright: reportMissingImports=false

from __future__ import annotations

import os
import sys
import traceback

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType

EXIT_EXCEPTION = 70
V_MAX = 2**23 - 1  # membrane potentials have 24 bits


class StepModel(PyLoihiProcessModel):
    """A model that handles one time-step in `step`.

    An exception inside a Lava model blocks the whole network for ever, silently. Here it is printed with the
    process's name and ends the OS process, which the main program notices (see guard.py).
    """

    def step(self, step: int) -> None:
        """Handle global step `step`, counted from 0."""
        raise NotImplementedError

    def run_spk(self) -> None:
        try:
            self.step(int(self.time_step) - 1)
        except BaseException:
            name = self.proc_params["name"]
            text = f"process '{name}' failed at step {int(self.time_step) - 1}:\n{traceback.format_exc()}"
            sys.stderr.write(text)
            sys.stderr.flush()
            os._exit(EXIT_EXCEPTION)


class MembraneModel(StepModel):
    """A model with membrane potentials V (n,): V <- V + input + bias at each step of its windows, V <- 0 before the
    first. Outside of its windows it neither integrates nor fires, and what arrives is lost.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def fire(self, t: int) -> np.ndarray:
        """What is sent at local step `t`, int32; may change V."""
        raise NotImplementedError

    def bias(self, t: int) -> np.ndarray:
        """What the bias adds at local step `t`, int32 (n,)."""
        bias: np.ndarray = self.proc_params["bias"]
        return bias

    def inhibition(self) -> np.ndarray | int:
        """What arrives of lateral inhibition; called at every step."""
        return 0

    def step(self, step: int) -> None:
        arrived = self.a_in.recv().astype(np.int32)  # a port does not enforce its type
        inhibition = self.inhibition()
        t = self.proc_params["window"].local(step)
        if t is None:
            self.s_out.send(np.zeros(self.s_out.shape, np.int32))
            return
        if t == 0:  # what is in flight from the window before is dropped with V
            self.v[:] = 0
        else:
            self.v += inhibition
        self.v += arrived + self.bias(t)
        check_potential(self.v)
        self.s_out.send(self.fire(t))


class ByStepModel(MembraneModel):
    """One whose bias may have a part of its own at each step: `bias_by_step`, (T, 1, 1) or (T, C, 1), or empty."""

    def bias(self, t: int) -> np.ndarray:
        p = self.proc_params
        bias: np.ndarray = p["bias"]
        if len(p["bias_by_step"]):
            bias = (bias.reshape(p["channels"], -1) + p["bias_by_step"][t]).ravel()
        return bias


def check_potential(v: np.ndarray) -> None:
    """Raise OverflowError where a potential leaves 24 bits, which the compiler has proved impossible."""
    if v.size and (int(v.max()) > V_MAX or int(v.min()) < -V_MAX - 1):
        raise OverflowError(f"membrane potentials {v.min()}..{v.max()} do not fit 24 bits")
