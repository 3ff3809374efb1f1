"""Base of the process models."""

# pyright: reportMissingImports=false

from __future__ import annotations

import os
import sys
import traceback

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel

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


def check_potential(v: np.ndarray) -> None:
    """Raise OverflowError where a potential leaves 24 bits, which the compiler has proved impossible."""
    if v.size and (int(v.max()) > V_MAX or int(v.min()) < -V_MAX - 1):
        raise OverflowError(f"membrane potentials {v.min()}..{v.max()} do not fit 24 bits")
