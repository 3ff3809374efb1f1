"""The parts of a cluster: integrate-and-fire member and collector."""

# pyright: reportMissingImports=false

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ganglion.backends.lava.library.model import ByStepModel, StepModel
from ganglion.backends.lava.library.window import Window


class IntegrateFire(AbstractProcess):
    """A population of members with one threshold. They fire binary spikes while V >= threshold, and never reset
    themselves: what resets them is the lateral inhibition that arrives at `r_in` one step after a spike.

    `r_in` is a port of its own, so that what is in flight at the first step of a window can be dropped there.
    `bias` is (n,), `threshold` (1, 1) or (C, 1), `bias_by_step` empty, (T, 1, 1) or (T, C, 1).
    """

    def __init__(
        self,
        *,
        name: str,
        channels: int,
        bias: np.ndarray,
        bias_by_step: np.ndarray,
        threshold: np.ndarray,
        window: Window,
    ) -> None:
        super().__init__(
            name=name, channels=channels, bias=bias, bias_by_step=bias_by_step, threshold=threshold, window=window
        )
        n = len(bias)
        self.a_in = InPort(shape=(n,))
        self.r_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)


class TakeBack(AbstractProcess):
    """The members that take the j-th spike back, `rank` = j. They fire while V < threshold and at least j of the spikes
    of their cluster are not taken back yet. What these were one step ago arrives at `c_in`.
    """

    def __init__(
        self,
        *,
        name: str,
        channels: int,
        bias: np.ndarray,
        bias_by_step: np.ndarray,
        threshold: np.ndarray,
        rank: int,
        window: Window,
    ) -> None:
        super().__init__(
            name=name,
            channels=channels,
            bias=bias,
            bias_by_step=bias_by_step,
            threshold=threshold,
            rank=rank,
            window=window,
        )
        n = len(bias)
        self.a_in = InPort(shape=(n,))
        self.r_in = InPort(shape=(n,))
        self.c_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)


class Collector(AbstractProcess):
    """Sums the spikes of the members in the same step, less those that arrive at `b_in`, so that a cluster has one
    output.

    (Lava keeps only the last source's transformation when several stand behind one hierarchical port.)
    """

    def __init__(self, *, name: str, size: int) -> None:
        super().__init__(name=name)
        self.a_in = InPort(shape=(size,))
        self.b_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=IntegrateFire, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class IntegrateFireModel(ByStepModel):
    """V <- V + input + bias + lateral inhibition; s = V >= threshold."""

    r_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def inhibition(self) -> np.ndarray:
        arrived: np.ndarray = self.r_in.recv().astype(np.int32)
        return arrived

    def fire(self, t: int) -> np.ndarray:
        fired: np.ndarray = self.v.reshape(self.proc_params["channels"], -1) >= self.proc_params["threshold"]
        return fired.ravel().astype(np.int32)


@implements(proc=TakeBack, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class TakeBackModel(ByStepModel):
    """V <- V + input + bias + lateral inhibition; s = V < threshold, where something is left to take back."""

    r_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def inhibition(self) -> np.ndarray:
        arrived: np.ndarray = self.r_in.recv().astype(np.int32)
        self.sent_before: np.ndarray = self.c_in.recv().astype(np.int32)
        return arrived

    def fire(self, t: int) -> np.ndarray:
        # at the first step of a window, what was sent in the one before is forgotten
        self.sent: np.ndarray = np.zeros_like(self.sent_before) if t == 0 else self.sent + self.sent_before
        below = self.v.reshape(self.proc_params["channels"], -1) < self.proc_params["threshold"]
        fired: np.ndarray = below.ravel() & (self.sent >= self.proc_params["rank"])
        return fired.astype(np.int32)


@implements(proc=Collector, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class CollectorModel(StepModel):
    """Passes on the sum."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    b_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def step(self, step: int) -> None:
        self.s_out.send(self.a_in.recv().astype(np.int32) - self.b_in.recv().astype(np.int32))
