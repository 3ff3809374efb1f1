"""The projections. Each adds one time-step, as every synapse does: it sends what it computed the step before."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Sequence
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

from ganglion.backends.lava.library.arithmetic import Convolution, Scaling, SparseSum
from ganglion.backends.lava.library.model import StepModel

Map = Convolution | Scaling | SparseSum


def dense(
    *, name: str, weight: np.ndarray, exponent: int = 0, offset: int = 0, channels: int = 0, message_bits: int
) -> Dense:
    """Lava's own Dense with the exact weights `weight << exponent`, (M, K) int8, over the flat input (K,).

    Its result goes to the neurons `offset`, ... of `channels` (0: of M); the others get weights of 0. Weights of mixed
    sign lose their last bit in Lava, as on Loihi; twice the weight and one less in the exponent is exact.
    `message_bits` is the width of the graded spikes that arrive; it must not be 0, which means binary.
    """
    whole = np.zeros((channels or len(weight), weight.shape[1]), np.int32)
    whole[offset : offset + len(weight)] = weight
    return Dense(
        name=name,
        weights=2 * whole,
        weight_exp=exponent - 1,
        sign_mode=SignMode.MIXED,
        num_message_bits=message_bits,
    )


class Projection(AbstractProcess):
    """Base of our own projections: the spikes of the source, a flat population of shape `source`, go through the map
    `operator`; its result << exponent goes to the channels `offset`, ... of `channels` (0: just those of the result),
    the others get nothing.
    """

    def __init__(
        self, name: str, source: tuple[int, ...], operator: Map, exponent: int, offset: int, channels: int
    ) -> None:
        result, *space = operator.output_shape
        channels, inner = channels or result, prod(space)
        if not 0 <= offset <= channels - result:
            raise ValueError(f"'{name}': {result} channels do not fit at {offset} of {channels}")
        place = slice(offset * inner, (offset + result) * inner)
        super().__init__(name=name, operator=operator, exponent=exponent, place=place)
        self.s_in = InPort(shape=(prod(source),))
        self.a_out = OutPort(shape=(channels * inner,))


class Conv2d(Projection):
    """Cross-correlation as in ONNX `Conv`, exact in integers: weight (O, C / groups, kh, kw), input (C, H, W).

    `pads` is (top, left, bottom, right); a negative one crops. `upsample` spreads the input with zeros, `take` says
    which of its channels are read, in which order. (Lava's Conv is a true convolution in W, H, C order with symmetric
    pads, and its model wraps groups, strides and pads to 8 bits.)
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
        upsample: tuple[int, int] = (1, 1),
        take: Sequence[int] | np.ndarray | None = None,
        exponent: int = 0,
        offset: int = 0,
        channels: int = 0,
    ) -> None:
        operator = Convolution(
            weight,
            input_shape,
            strides=strides,
            pads=pads,
            dilations=dilations,
            groups=groups,
            upsample=upsample,
            take=take,
        )
        super().__init__(name, input_shape, operator, exponent, offset, channels)


class OneToOne(Projection):
    """Neuron i to neuron i, of the channels `take` of a source of shape `shape` (None: of all, as they are).

    `weight` is (), one per channel, or one per neuron, of 8 bits and a sign.
    """

    def __init__(
        self,
        *,
        name: str,
        shape: tuple[int, ...],
        weight: object,
        take: Sequence[int] | np.ndarray | None = None,
        exponent: int = 0,
        offset: int = 0,
        channels: int = 0,
    ) -> None:
        super().__init__(name, shape, Scaling(weight, shape, take), exponent, offset, channels)


class Sparse(Projection):
    """y[i] = sum of weight[e] * x[index[e]] over the entries e = pointer[i], ..., pointer[i + 1] - 1 (CSR).

    Neurons are numbered in C order; x has the shape `input_shape`, y has `output_shape`.
    """

    def __init__(
        self,
        *,
        name: str,
        weight: object,
        index: object,
        pointer: object,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        exponent: int = 0,
        offset: int = 0,
        channels: int = 0,
    ) -> None:
        operator = SparseSum(weight, index, pointer, output_shape)
        super().__init__(name, input_shape, operator, exponent, offset, channels)


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

    def step(self, step: int) -> None:
        p = self.proc_params
        if step == 0:
            self.result: np.ndarray = np.zeros(self.a_out.shape, np.int32)
        self.a_out.send(self.result)
        self.result[p["place"]] = p["operator"](self.s_in.recv().astype(np.int32)) << p["exponent"]


@implements(proc=Conv2d, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class Conv2dModel(ProjectionModel):
    """See arithmetic.Convolution."""


@implements(proc=OneToOne, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class OneToOneModel(ProjectionModel):
    """See arithmetic.Scaling."""


@implements(proc=Sparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SparseModel(ProjectionModel):
    """See arithmetic.SparseSum."""


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
