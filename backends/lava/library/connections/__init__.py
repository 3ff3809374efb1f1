"""The projections. Each adds one time-step, as every synapse does: it sends what it computed the step before."""

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
from lava.proc.dense.process import Dense
from lava.utils.weightutils import SignMode

from ganglion.backends.lava.library.arithmetic import Convolution, per_neuron
from ganglion.backends.lava.library.model import StepModel


def dense(*, name: str, weight: np.ndarray, exponent: int = 0, message_bits: int) -> Dense:
    """Lava's own Dense with the exact weights `weight << exponent`, (M, K) int8, over the flat input (K,).

    Weights of mixed sign lose their last bit in Lava, as on Loihi; twice the weight and one less in the exponent
    is exact. `message_bits` is the width of the graded spikes that arrive; it must not be 0, which means binary.
    """
    return Dense(
        name=name,
        weights=2 * weight.astype(np.int32),
        weight_exp=exponent - 1,
        sign_mode=SignMode.MIXED,
        num_message_bits=message_bits,
    )


class Conv2d(AbstractProcess):
    """Cross-correlation as in ONNX `Conv`, exact in integers: weight (O, C / groups, kh, kw), input (C, H, W).

    `pads` is (top, left, bottom, right); a negative bottom or right pad crops. (Lava's Conv is a true convolution
    in W, H, C order with symmetric pads, and its model wraps groups, strides and pads to 8 bits.)
    """

    def __init__(
        self,
        *,
        name: str,
        weight: np.ndarray,
        input_shape: tuple[int, int, int],
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilations: tuple[int, int] = (1, 1),
        groups: int = 1,
        exponent: int = 0,
    ) -> None:
        operator = Convolution(weight, input_shape, strides=strides, pads=pads, dilations=dilations, groups=groups)
        super().__init__(name=name, operator=operator, exponent=exponent)
        self.s_in = InPort(shape=(prod(input_shape),))
        self.a_out = OutPort(shape=(prod(operator.output_shape),))


class OneToOne(AbstractProcess):
    """Neuron i to neuron i; `weight` is (), (C,) or `shape`, of 8 bits and a sign."""

    def __init__(self, *, name: str, shape: tuple[int, ...], weight: object, exponent: int = 0) -> None:
        weights = per_neuron(weight, shape)
        if np.abs(weights).max() > 255:
            raise ValueError(f"'{name}': one-to-one weights {weights.min()}..{weights.max()} do not fit 8 bits")
        super().__init__(name=name, weights=weights, exponent=exponent)
        self.s_in = InPort(shape=weights.shape)
        self.a_out = OutPort(shape=weights.shape)


class Delay(AbstractProcess):
    """Sends what arrived `steps` steps before (0 in the beginning): an extra delay, in front of a projection."""

    def __init__(self, *, name: str, shape: tuple[int, ...], steps: int) -> None:
        if steps < 1:
            raise ValueError(f"'{name}': a delay of {steps} steps")
        super().__init__(name=name, size=prod(shape), steps=steps)
        self.s_in = InPort(shape=(prod(shape),))
        self.s_out = OutPort(shape=(prod(shape),))


class ProjectionModel(StepModel):
    """Sends the step before's result, then receives and computes; so a loop of connections cannot block."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def apply(self, spikes: np.ndarray) -> np.ndarray:
        """Spikes int32 -> what arrives at the membranes, before the exponent."""
        raise NotImplementedError

    def step(self, step: int) -> None:
        self.a_out.send(np.zeros(self.a_out.shape, np.int32) if step == 0 else self.result)
        self.result: np.ndarray = self.apply(self.s_in.recv().astype(np.int32)) << self.proc_params["exponent"]


@implements(proc=Conv2d, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class Conv2dModel(ProjectionModel):
    """See arithmetic.Convolution."""

    def apply(self, spikes: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.proc_params["operator"](spikes)
        return result


@implements(proc=OneToOne, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class OneToOneModel(ProjectionModel):
    """Elementwise product."""

    def apply(self, spikes: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.proc_params["weights"] * spikes
        return result


@implements(proc=Delay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class DelayModel(StepModel):
    """A ring of the last steps."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def step(self, step: int) -> None:
        if step == 0:
            self.ring = np.zeros((self.proc_params["steps"], self.proc_params["size"]), np.int32)
        slot = step % len(self.ring)
        self.s_out.send(self.ring[slot])
        self.ring[slot] = self.s_in.recv()
