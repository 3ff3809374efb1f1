"""The populations: Group Neuron and readout.

Global steps count from 0. Outside of its windows a population neither integrates nor fires, and what arrives is lost.
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
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ganglion.backends.lava.library.arithmetic import per_channel, per_neuron
from ganglion.backends.lava.library.model import StepModel, check_potential
from ganglion.backends.lava.library.window import Window


class GroupNeuron(AbstractProcess):
    """tau integrate-and-fire members with one shared membrane history and staggered thresholds.

    At each step of a window, after V <- 0 at its first one:

        V <- V + input + bias
        n <- number of k with V >= thresholds[k]
        V <- V - (inhibition[0] + ... + inhibition[n - 1])

    `thresholds` and `inhibition` are integers (tau,) or (tau, C), `bias` is (), (C,) or `shape`, `shape` the
    population's, channels first. Two models: `GradedModel` here sends n as the payload of one spike;
    `cluster.ClusterModel` is built of tau members that send binary spikes. Both send the same sum.
    """

    def __init__(
        self,
        *,
        name: str,
        shape: tuple[int, ...],
        thresholds: object,
        inhibition: object,
        bias: object = 0,
        level: int,
        steps: int,
        samples: int,
    ) -> None:
        super().__init__(
            name=name,
            shape=shape,
            thresholds=per_channel(thresholds, shape[0]),
            inhibition=per_channel(inhibition, shape[0]),
            bias=per_neuron(bias, shape),
            window=Window(level, steps, samples),
        )
        n = prod(shape)
        self.a_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)


class Readout(AbstractProcess):
    """A population that only integrates: V <- V + input + bias; it sends V at every step of a window."""

    def __init__(
        self, *, name: str, shape: tuple[int, ...], bias: object = 0, level: int, steps: int, samples: int
    ) -> None:
        super().__init__(name=name, shape=shape, bias=per_neuron(bias, shape), window=Window(level, steps, samples))
        n = prod(shape)
        self.a_in = InPort(shape=(n,))
        self.v_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)


@implements(proc=GroupNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class GradedModel(StepModel):
    """The whole group in one neuron, which resets at once and sends the count as a graded spike."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def step(self, step: int) -> None:
        p = self.proc_params
        arrived = self.a_in.recv().astype(np.int32)  # a port does not enforce its type
        t = self.proc_params["window"].local(step)
        if t is None:
            self.s_out.send(np.zeros_like(self.v))
            return
        if t == 0:
            self.v[:] = 0
        self.v += arrived + self.proc_params["bias"]
        check_potential(self.v)
        v = self.v.reshape(self.proc_params["shape"][0], -1)  # (C, n / C)
        count, reset = np.zeros_like(v), np.zeros_like(v)
        for threshold, inhibition in zip(p["thresholds"], p["inhibition"], strict=True):
            fired = v >= threshold
            count += fired
            reset += fired * inhibition
        v -= reset
        self.s_out.send(count.ravel())


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ReadoutModel(StepModel):
    """Integrates, never fires."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def step(self, step: int) -> None:
        arrived = self.a_in.recv().astype(np.int32)
        t = self.proc_params["window"].local(step)
        if t is None:
            self.v_out.send(np.zeros_like(self.v))
            return
        if t == 0:
            self.v[:] = 0
        self.v += arrived + self.proc_params["bias"]
        check_potential(self.v)
        self.v_out.send(self.v)
