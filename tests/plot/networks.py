"""A small network with a skip connection, or with two branches."""

from __future__ import annotations

from functools import partial

import numpy as np

from ganglion.ir import Conv2d, Dense, Graph, Input, Op, Readout, Reshape, Staircase, Sum, passes
from tests.networks import quantized


def residual(*, steps: int, members: int, branches: bool = False) -> Graph:
    """x -> a -> b -> c -> logits, and beside b a skip from a to c, or (`branches`) a population d.

    Quantised for Loihi 2; without steps it stops where it has no levels yet.
    """
    rng = np.random.default_rng(0)

    def conv(name: str, source: str, inputs: int, outputs: int) -> Op:
        weight = rng.integers(-8, 9, (outputs, inputs, 3, 3)) / 8
        return Conv2d(name=name, inputs=(source,), weight=weight, pads=(1, 1, 1, 1), origin=(name,))

    def stairs(name: str, source: str) -> Op:
        return Staircase(name=name, inputs=(source,), step=0.5, levels=4, origin=(name,))

    side = [conv("skip", "d" if branches else "a", 2, 1)]
    ops = [
        Input(name="x", shape=(1, 4, 4), scale=1 / 8, low=0, high=8, origin=("x",)),
        conv("to a", "x", 1, 2),
        stairs("a", "to a"),
        conv("to b", "a", 2, 2),
        stairs("b", "to b"),
        *([conv("to d", "a", 2, 2), stairs("d", "to d")] if branches else []),
        *side,
        conv("to c", "b", 2, 1),
        Sum(name="sum", inputs=("to c", "skip"), origin=("sum",)),
        stairs("c", "sum"),
        Reshape(name="flat", inputs=("c",), shape=(16,), origin=("flat",)),
        Dense(name="fc", inputs=("flat",), weight=rng.integers(-8, 9, (3, 16)) / 8, origin=("fc",)),
        Readout(name="logits", inputs=("fc",), unit=np.array(1.0), origin=("logits",)),
    ]
    imported = Graph(ops=tuple(ops), name="drawn")
    if not steps:
        return passes.run(imported, [passes.compose, partial(passes.group, members=members)])
    return quantized(imported, steps, members, "loihi2")
