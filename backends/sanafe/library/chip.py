"""The loaded chip, and one sample through it.

Every sample is a simulation of its own, which begins with all potentials at 0 and nothing in flight. Global steps are
counted from 1, for the input is there at step 0. A population at level l has its window at the steps l, ..., l + T - 1:
only then its neurons get their current. Before it nothing reaches them; at its end they are silenced.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import sanafe

from ganglion.backends.sanafe.library.network import Network

SILENCE = -(1 << 24)  # more than any potential of 24 bits
PARTS = ("total", "synapse", "dendrite", "soma", "network")


class Result:
    """What one sample made: counts (T, neurons) by population, the readout's potentials (T, neurons), energy in J by
    part of the chip, latency in s."""

    def __init__(self, network: Network) -> None:
        T = network.about["steps"]
        self.values = {m["label"]: np.zeros((T, m["neurons"]), np.int64) for m in network.membranes}
        self.energy = dict.fromkeys(PARTS, 0.0)
        self.latency = 0.0


class Chip:
    """`network` on its chip, ready for samples."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.T = network.about["steps"]
        self.last = network.about["depth"] + self.T - 1
        self.owner = {name: m for m in network.membranes for name in m["groups"]}
        self.chip = sanafe.SpikingChip(network.architecture)
        self.chip.load(network.net)
        mapped = self.chip.mapped_neuron_groups
        self.neurons = {name: list(mapped[name]) for name in self.owner}
        levels = {m["level"] for m in network.membranes}
        self.events = sorted({g for at in levels for g in (1, at, at + self.T, at + self.T + 1) if g <= self.last})

    def run(self, codes: np.ndarray) -> Result:
        """The input codes of one sample through the network."""
        self.chip.reset()
        result, currents = Result(self.network), self.network.currents(codes)
        for g, end in zip(self.events, [*self.events[1:], self.last + 1], strict=True):
            for m in self.network.membranes:
                self._drive(m, g - m["level"], g == 1, currents[m["label"]])
            done = self.chip.sim(
                end - g, processing_threads=1, spike_trace=True, potential_trace=True, write_trace_headers=False
            )
            self._note(result, g, done)
        return result

    def _drive(self, m: dict[str, Any], t: int, first: bool, current: list[int]) -> None:
        """Set the biases of a population as they must be from its local step `t` on, where they change."""
        if t == 0:
            biases = current
        elif t == self.T and not m["readout"]:
            biases = [SILENCE] * len(current)
        elif first or t in (self.T, self.T + 1):
            biases = [0] * len(current)
        else:
            return
        for name in m["groups"]:
            for neuron, bias in zip(self.neurons[name], biases, strict=True):
                neuron.set_attributes(model_attributes={"bias": bias})

    def _note(self, result: Result, first: int, done: dict[str, Any]) -> None:
        """Add what the steps from `first` on made."""
        spikes: dict[tuple[str, int], list[int]] = defaultdict(list)
        for g, sent in enumerate(done["spike_trace"], first):
            for address in sent:
                m = self.owner[address.group_name]
                spikes[m["label"], g - m["level"]].append(address.neuron_offset)
        for (label, t), neurons in spikes.items():
            if not 0 <= t < self.T:
                raise RuntimeError(f"{len(neurons)} spikes of '{label}' at its local step {t}, outside its window")
            np.add.at(result.values[label][t], neurons, 1)
        for m in self.network.membranes:
            for g, potentials in enumerate(done["potential_trace"], first):
                if m["readout"] and 0 <= g - m["level"] < self.T:
                    result.values[m["label"]][g - m["level"]] = whole(potentials)
        for part in PARTS:
            result.energy[part] += done["energy"][part]
        result.latency += done["sim_time"]


def whole(potentials: list[float]) -> np.ndarray:
    """Potentials as the integers they must be."""
    values = np.asarray(potentials)
    if (values != np.rint(values)).any():
        raise RuntimeError("the readout's potentials are not whole numbers")
    return values.astype(np.int64)
