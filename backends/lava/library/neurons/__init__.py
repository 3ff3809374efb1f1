"""The populations: Group Neuron, phase neuron, max-pool and readout. Global steps count from 0.

`low` and `high` bound what a population sends in one step.
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

from ganglion.backends.lava.library.arithmetic import WindowMaximum, per_channel, per_neuron
from ganglion.backends.lava.library.model import V_MAX, ByStepModel, MembraneModel, StepModel, check_potential
from ganglion.backends.lava.library.window import Window


class GroupNeuron(AbstractProcess):
    """tau integrate-and-fire members with one shared membrane history and staggered thresholds.

    At each step of a window, after V <- 0 at its first one:

        V <- V + input + bias
        n <- number of k with V >= thresholds[k]
        V <- V - (inhibition[0] + ... + inhibition[n - 1])

    Where there are members with thresholds `negative`, they take back what fired too early, never more than the spikes
    S that were sent in this window and not taken back:

        m <- the least of S and the number of j with V < negative[j]
        V <- V + (excitation[0] + ... + excitation[m - 1]), and n - m is sent

    `thresholds` and `inhibition` are integers (tau,) or (tau, C), `negative` and `excitation` likewise, `bias` is (),
    (C,) or `shape`, `bias_by_step` (T,) or (T, C) is added beside it, `shape` the population's, channels first. Two
    models: `GradedModel` here sends n as the payload of one spike; `cluster.ClusterModel` is built of tau members that
    send binary spikes. Both send the same sum.
    """

    def __init__(
        self,
        *,
        name: str,
        shape: tuple[int, ...],
        thresholds: object,
        inhibition: object,
        negative: object = (),
        excitation: object = (),
        bias: object = 0,
        bias_by_step: object = (),
        level: int,
        steps: int,
        samples: int,
    ) -> None:
        table, takers = per_channel(thresholds, shape[0]), per_channel(negative, shape[0])
        super().__init__(
            name=name,
            shape=shape,
            channels=shape[0],
            thresholds=table,
            inhibition=per_channel(inhibition, shape[0]),
            negative=takers,
            excitation=per_channel(excitation, shape[0]),
            bias=per_neuron(bias, shape),
            bias_by_step=per_channel(bias_by_step, shape[0]),
            window=Window(level, steps, samples),
            low=-len(takers),
            high=len(table),
        )
        n = prod(shape)
        self.a_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)


class PhaseNeuron(AbstractProcess):
    """It collects a window of T = `steps` steps from `level` on, and sends one spike in the T steps from the last on.

    At each step of a window it collects, after V <- 0 at its first one: V <- V + input + bias. After its last one
    U <- V, and then, s = 0..T-1, the first of them in that same step:

        n <- payloads[s] where thresholds[s] <= U, and U < thresholds[s - 1] or s = 0;  0 otherwise

    `thresholds` are falling integers (T,) or (T, C), `payloads` (T,), `bias` is (), (C,) or `shape`, `shape` the
    population's, channels first. There are no members: it is one neuron in either form.
    """

    def __init__(
        self,
        *,
        name: str,
        shape: tuple[int, ...],
        thresholds: object,
        payloads: object,
        bias: object = 0,
        level: int,
        steps: int,
        samples: int,
    ) -> None:
        worth = np.asarray(payloads, np.int32)
        super().__init__(
            name=name,
            shape=shape,
            thresholds=per_channel(thresholds, shape[0]),
            payloads=worth,
            bias=per_neuron(bias, shape),
            collects=Window(level, steps, samples),
            window=Window(level + steps - 1, steps, samples),
            low=0,
            high=int(worth.max()),
        )
        n = prod(shape)
        self.a_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)
        self.u = Var(shape=(n,), init=0)


class MaxPool(AbstractProcess):
    """The maximum over windows of space of what has arrived since the window's first step; it sends its growth.

    Its membranes lie at the places of its input, of shape `shape` (C, H, W), and only integrate. After V <- 0 and
    peak <- 0 at the first step of a window of time, at each one:

        V <- V + input
        n <- (maximum of V over each window of space) - peak,  peak <- peak + n

    Windows of space are those of ONNX `MaxPool`: `pads` (top, left, bottom, right) never win.
    """

    def __init__(
        self,
        *,
        name: str,
        shape: tuple[int, int, int],
        kernel: tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilations: tuple[int, int] = (1, 1),
        low: int = 0,
        high: int,
        level: int,
        steps: int,
        samples: int,
    ) -> None:
        operator = WindowMaximum(shape, kernel=kernel, strides=strides, pads=pads, dilations=dilations)
        window = Window(level, steps, samples)
        super().__init__(
            name=name, shape=operator.output_shape, operator=operator, bias=0, window=window, low=low, high=high
        )
        n, places = prod(shape), prod(operator.output_shape)
        self.a_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(places,))
        self.v = Var(shape=(n,), init=0)
        self.peak = Var(shape=(places,), init=0)


class Readout(AbstractProcess):
    """A population that only integrates: V <- V + input + bias; it sends V at every step of a window."""

    def __init__(
        self, *, name: str, shape: tuple[int, ...], bias: object = 0, level: int, steps: int, samples: int
    ) -> None:
        bias, window = per_neuron(bias, shape), Window(level, steps, samples)
        super().__init__(name=name, shape=shape, bias=bias, window=window, low=-V_MAX - 1, high=V_MAX)
        n = prod(shape)
        self.a_in = InPort(shape=(n,))
        self.s_out = OutPort(shape=(n,))
        self.v = Var(shape=(n,), init=0)


@implements(proc=GroupNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class GradedModel(ByStepModel):
    """The whole group in one neuron, which resets at once and sends the count as a graded spike."""

    def fire(self, t: int) -> np.ndarray:
        p = self.proc_params
        v = self.v.reshape(p["shape"][0], -1)  # (C, n / C)
        count, reset = np.zeros_like(v), np.zeros_like(v)
        for threshold, inhibition in zip(p["thresholds"], p["inhibition"], strict=True):
            fired = v >= threshold
            count += fired
            reset += fired * inhibition
        v -= reset
        if len(p["negative"]):
            count -= self.taken_back(v, count, t)
        return count.ravel()

    def taken_back(self, v: np.ndarray, count: np.ndarray, t: int) -> np.ndarray:
        """How many spikes are taken back of each neuron's, whose potential rises by that."""
        p = self.proc_params
        if t == 0:
            self.sent = np.zeros_like(v)  # and not taken back, in this window
        below = np.zeros_like(v)
        for threshold in p["negative"]:
            below += (v < threshold) & (count == 0)
        taken: np.ndarray = np.minimum(below, self.sent)
        for j, excitation in enumerate(p["excitation"]):
            v += (taken > j) * excitation
        self.sent += count - taken
        return taken


@implements(proc=PhaseNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PhaseModel(StepModel):
    """One neuron with two potentials: the one that collects, and the one of the window before, which it compares."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    u: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def step(self, step: int) -> None:
        p = self.proc_params
        arrived = self.a_in.recv().astype(np.int32)
        t = p["collects"].local(step)
        if t is not None:
            if t == 0:
                self.v[:] = 0
            self.v += arrived + p["bias"]
            check_potential(self.v)
            if t == p["collects"].steps - 1:
                self.u[:] = self.v
        s = p["window"].local(step)
        self.s_out.send(np.zeros(self.u.shape, np.int32) if s is None else self.fire(s))

    def fire(self, s: int) -> np.ndarray:
        p = self.proc_params
        u = self.u.reshape(p["shape"][0], -1)
        fired = u >= p["thresholds"][s]
        if s:
            fired &= u < p["thresholds"][s - 1]
        sent: np.ndarray = (fired * p["payloads"][s]).astype(np.int32)
        return sent.ravel()


@implements(proc=MaxPool, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class MaxPoolModel(MembraneModel):
    """Sends what the maximum has grown by, as a graded spike; it may be negative where its input is."""

    peak: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def fire(self, t: int) -> np.ndarray:
        if t == 0:
            self.peak[:] = 0
        growth: np.ndarray = self.proc_params["operator"](self.v) - self.peak
        self.peak += growth
        return growth


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ReadoutModel(MembraneModel):
    """Integrates, never fires."""

    def fire(self, t: int) -> np.ndarray:
        return self.v
