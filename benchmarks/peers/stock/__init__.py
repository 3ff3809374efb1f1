"""The projections of a bundle from Lava's own processes, with the faces of `ganglion_lava.connections`.

    Conv2d      lava.proc.conv.process.Conv
    OneToOne    lava.proc.sparse.process.Sparse, with a diagonal matrix
    Delay       lava.proc.sparse.process.DelaySparse, with the unit matrix
    dense       lava.proc.dense.process.Dense, as in every bundle

lava_cpu.py puts this folder into a bundle, as a package beside network.py. It has what ResNet-20 needs: what Lava's
processes cannot do is refused, and other options of the processes it stands for are not known here.

`Conv2d` and `Delay` are hierarchical processes, so that they have the ports that the program connects; Lava takes them
away when it compiles and leaves the stock process inside, with a virtual port before and after it.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

from math import prod

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.process import Conv
from lava.proc.conv.utils import output_shape
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix, diags  # type: ignore[import-untyped]

from ganglion.backends.lava.library.arithmetic import per_neuron
from ganglion.backends.lava.library.connections import dense

__all__ = ["Conv2d", "Delay", "OneToOne", "dense"]

GRADED = 8  # message bits; any number but 0, which means binary, passes a payload as it is
INT8 = 127  # Lava's Conv holds groups, kernel, strides, pads and dilations in 8 bits and lets them wrap
C_LAST = (2, 1, 0)  # C, H, W <-> W, H, C


class Conv2d(AbstractProcess):
    """Cross-correlation as in ONNX `Conv`: weight (O, C / groups, kh, kw), flat input (C, H, W), by a true convolution
    in W, H, C order. Lava's Conv ignores its exponent, so that the weights carry it; its sums wrap at 24 bits.

    Raises ValueError for pads (top, left, bottom, right) that are not symmetric, and for what Lava would let wrap.
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
        if pads[:2] != pads[2:] or min(pads) < 0:
            raise ValueError(f"'{name}': Lava's Conv has no pads {pads}, only the same before and after")
        if max(groups, *weight.shape[2:], *strides, *pads, *dilations) > INT8:
            raise ValueError(f"'{name}': Lava's Conv lets groups, kernel, strides, pads and dilations wrap at {INT8}")
        options = {
            "name": f"{name}#stock",
            "weight": weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1).astype(np.int32) << exponent,
            "input_shape": input_shape[::-1],
            "padding": pads[1::-1],
            "stride": strides[::-1],
            "dilation": dilations[::-1],
            "groups": groups,
            "num_message_bits": GRADED,
        }
        super().__init__(name=name, input_shape=input_shape, options=options)
        kernel, places = weight.shape[:1:-1], ("stride", "padding", "dilation")
        shape = output_shape(input_shape[::-1], len(weight), kernel, *(options[place] for place in places))
        self.s_in = InPort(shape=(prod(input_shape),))
        self.a_out = OutPort(shape=(int(prod(shape)),))


class Delay(AbstractProcess):
    """Sends what arrived `steps` steps before, 0 in the beginning. A stock synapse takes one step by itself."""

    def __init__(self, *, name: str, shape: tuple[int, ...], steps: int) -> None:
        size = prod(shape)
        unit = csr_matrix(diags(np.ones(size), dtype=int))
        options = {"weights": 2 * unit, "delays": (steps - 1) * unit} | signed(name=f"{name}#stock")
        super().__init__(name=name, options=options)
        self.s_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


def OneToOne(*, name: str, shape: tuple[int, ...], weight: object, exponent: int = 0) -> Sparse:  # noqa: N802
    """Neuron i to neuron i: `weight`, of 8 bits, is (), one per channel or one per neuron."""
    diagonal = diags(per_neuron(weight, shape), dtype=int)
    return Sparse(weights=csr_matrix(2 * diagonal), **signed(name=name, exponent=exponent))


def signed(*, name: str, exponent: int = 0) -> dict[str, object]:
    """The options with which Lava's Sparse is exact: twice the weight, as in `dense`, and one less in the exponent."""
    return {
        "name": name,
        "weight_exp": exponent - 1,
        "sign_mode": SignMode.MIXED,
        "num_message_bits": GRADED,
    }


@implements(proc=Conv2d, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class Conv2dModel(AbstractSubProcessModel):
    """Lava's Conv between two changes of order."""

    def __init__(self, proc: AbstractProcess) -> None:
        p = proc.proc_params
        self.conv = Conv(**p["options"])
        proc.in_ports.s_in.reshape(p["input_shape"]).transpose(C_LAST).connect(self.conv.s_in)
        self.conv.a_out.transpose(C_LAST).flatten().connect(proc.out_ports.a_out)


@implements(proc=Delay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class DelayModel(AbstractSubProcessModel):
    """Lava's DelaySparse under another port's name."""

    def __init__(self, proc: AbstractProcess) -> None:
        self.synapse = DelaySparse(**proc.proc_params["options"])
        proc.in_ports.s_in.connect(self.synapse.s_in)
        self.synapse.a_out.connect(proc.out_ports.s_out)
