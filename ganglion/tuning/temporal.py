"""Forward temporal bias correction: a bias for every step of the window and every channel, from samples."""

from __future__ import annotations

import numpy as np

from ganglion.errors import InternalError
from ganglion.ir import Array, GroupNeuron

from .record import Correction
from .search import Case
from .window import Membranes


def temporal(case: Case, iterations: int, momentum: float) -> Correction:
    """The bias of each local step t and channel c by which the mean of what is sent then becomes the source's (FTBC:
    Wu et al., ECCV 2024, arXiv 2403.18388).

        b[t, c] <- b[t, c] + momentum * mean over samples and places of (y - what the spikes of step t stand for)

    in the order of the steps, so that a step sees the corrections of those before; `iterations` times. The paper's code
    goes on with potentials corrected neuron by neuron; here a step is looked at as the network will compute it.
    """
    plain = case.neuron(Correction())
    if not isinstance(plain, GroupNeuron):
        raise InternalError(f"'{plain.name}' is no Group Neuron, whose steps alone have biases of their own")
    arriving = case.arriving(plain)
    by_step: Array = np.zeros((case.steps, case.wanted.shape[1]))
    for _ in range(iterations):
        membranes = Membranes(plain)
        for t in range(case.steps):
            drive = arriving[min(t, len(arriving) - 1)]
            sent = membranes.step(drive + by_step[t], keep=False)
            by_step[t] += momentum * (case.wanted - sent * plain.scale).mean(axis=0)
            membranes.step(drive + by_step[t])
    return Correction(by_step=by_step)
