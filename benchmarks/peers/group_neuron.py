"""The same networks in SpikingJelly: the worker of the peers' environment (requirements-peers.txt), without ganglion.

    python -m benchmarks.peers.group_neuron FOLDER members|floor|own

The neuron is written from the paper (Lv et al., ICASSP 2024, arXiv 2402.19061) on SpikingJelly's base class. It runs
in multi-step mode, as the paper's own networks do: every layer computes all T steps at once, the steps on the batch
axis. The image is sent at every step, and the logits are averaged over T.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from spikingjelly.activation_based import base, functional
from torch import Tensor, nn

from benchmarks.cases import Case
from benchmarks.worker import Call, serve


class GroupNeuron(base.MemoryModule):
    """tau members with thresholds theta', 2 theta', ..., tau theta' and one membrane potential V, theta' = theta/tau.

    V(0) = theta'/2; V += x; S = the number of members whose threshold V has reached; V -= S theta'; output S theta'.
    `form` "members" lets every member compare, as the paper's equations say; "floor" divides once. `OwnMembranes` is
    the third.
    """

    def __init__(self, threshold: float, members: int, steps: int, form: str) -> None:
        super().__init__()
        self.spikes = {"members": self.by_members, "floor": self.by_floor}[form]
        self.unit, self.members, self.steps = threshold / members, members, steps
        self.v: Tensor | None
        self.register_memory("v", None)
        self.step_mode = "m"

    def single_step_forward(self, x: Tensor) -> Tensor:
        v = x + (self.unit / 2 if self.v is None else self.v)
        spikes = self.spikes(v).mul_(self.unit)
        self.v = v.sub_(spikes)
        return spikes

    def by_members(self, v: Tensor) -> Tensor:
        count = torch.zeros_like(v)
        for k in range(1, self.members + 1):
            count += v >= k * self.unit
        return count

    def by_floor(self, v: Tensor) -> Tensor:
        return torch.div(v, self.unit).floor_().clamp_(0, self.members)

    def multi_step_forward(self, x: Tensor) -> Tensor:
        """`x` (T * N, ...)"""
        return torch.cat([self.single_step_forward(step) for step in x.chunk(self.steps)])


class OwnMembranes(GroupNeuron):
    """The same, with a membrane (tau, N, ...) for every member, as the paper's own code keeps them, though all of them
    hold the same potential at all times.
    """

    def __init__(self, threshold: float, members: int, steps: int) -> None:
        super().__init__(threshold, members, steps, "members")
        self.thresholds = self.unit * torch.arange(1, members + 1)

    def single_step_forward(self, x: Tensor) -> Tensor:
        self.v = (x + self.unit / 2).repeat(self.members, *[1] * x.ndim) if self.v is None else self.v.add_(x)
        fired = self.v >= self.thresholds.view(-1, *[1] * x.ndim)
        spikes = fired.sum(0, dtype=x.dtype).mul_(self.unit)
        self.v.sub_(spikes)
        return spikes


def load(path: Path, steps: int, members: int, form: str) -> nn.Module:
    """The network, with a Group Neuron in place of every clip(x, 0, threshold)."""
    network: nn.Module = torch.load(path, weights_only=False)  # prepare.py has written it a minute ago
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Hardtanh):
            threshold = module.max_val
            own = form == "own"
            neuron = OwnMembranes(threshold, members, steps) if own else GroupNeuron(threshold, members, steps, form)
            network.set_submodule(name, neuron)
    return network.eval()


def spiking(folder: Path, form: str, case: Case) -> Call:
    """One call: the whole batch over T steps."""
    network = load(folder / "clipped.pt", case.steps, case.members, form)
    x = torch.from_numpy(np.load(folder / "x.npy")[: case.batch])

    @torch.inference_mode()
    def call() -> Tensor:
        functional.reset_net(network)
        logits: Tensor = network(x.repeat(case.steps, *[1] * (x.ndim - 1)))
        return torch.stack(logits.chunk(case.steps)).mean(0)

    return call


if __name__ == "__main__":
    serve(partial(spiking, Path(sys.argv[1]), sys.argv[2]))
