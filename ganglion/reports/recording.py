"""What a report shows of single samples: spikes neuron by neuron, and both kinds of neurons' firing rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganglion.ir import Array, Graph, size
from ganglion.pipeline import simulate

SPARE, MANY = 96, 60  # neurons of a population; fewer in networks of more than so many populations
FEW = 40
PAIRS = 150  # of firing rates, of each population


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Spike counts of some samples.

    neurons   of each population, which neurons (C order) are shown: evenly spaced (n,)
    counts    of each population, their spikes: (samples, T, n)
    totals    of each population, the spikes of all its neurons: (samples, T)
    classes   what the network says of each sample (samples,)
    """

    neurons: Mapping[str, Array]
    counts: Mapping[str, Array]
    totals: Mapping[str, Array]
    classes: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Firing:
    """A population as integrate-and-fire neurons (tau = 1) and as Group Neurons, at the same T, on the same samples.

    plain, group  mean firing rate of a member: spikes per member and time-step
    pairs         (M, 2): the two rates of some neurons on some samples; those that are silent in both are left out
    """

    plain: float
    group: float
    pairs: Array


def raster_of(net: Graph, x: Array) -> Raster:
    """The network's spikes for every sample of `x`; one sample at a time, so that only one is ever held whole."""
    names = [op.name for op in net.populations]
    most = FEW if len(names) > MANY else SPARE
    neurons = {name: _spread(size(net.typeof(name).shape), most) for name in names}
    counts: dict[str, list[Array]] = {name: [] for name in names}
    totals: dict[str, list[Array]] = {name: [] for name in names}
    classes = []
    for i in range(len(x)):
        run = simulate(net, x[i : i + 1], record="all")
        classes.append(int(run.logits.argmax()))
        for name in names:
            flat = run.counts[name].reshape(net.steps, -1)
            counts[name].append(flat[:, neurons[name]])
            totals[name].append(flat.sum(axis=1, dtype=np.int64))
    return Raster(
        neurons=neurons,
        counts={name: np.stack(found) for name, found in counts.items()},
        totals={name: np.stack(found) for name, found in totals.items()},
        classes=classes,
    )


def firing_of(net: Graph, plain: Graph, x: Array) -> dict[str, Firing]:
    """For each population of `net` with more than one member: its rates, and those of the same one in `plain`.

    `plain` is the same network with tau = 1; a relay population has its own members in both, and is left out. The
    figure follows Lv et al., ICASSP 2024 (arXiv 2402.19061), which compares both neurons' firing rates.
    """
    rng = np.random.default_rng(0)  # the same samples give the same picture
    grown = {op.name for op in net.populations if _members(net, op.name) > _members(plain, op.name) == 1}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in grown}
    pairs: dict[str, list[Array]] = {name: [] for name in grown}
    for i in range(len(x)):
        runs = [simulate(n, x[i : i + 1], record=grown) for n in (plain, net)]
        for name in grown:
            both = np.stack(
                [
                    run.counts[name].reshape(net.steps, -1).mean(axis=0) / _members(n, name)
                    for run, n in zip(runs, (plain, net), strict=True)
                ],
                axis=1,
            )
            rates[name].append((both[:, 0].mean(), both[:, 1].mean()))
            firing = both[both.any(axis=1)]
            chosen = rng.permutation(len(firing))[: max(1, PAIRS // len(x))]
            pairs[name].append(firing[chosen])
    return {
        name: Firing(
            plain=float(np.mean([p for p, _ in rates[name]])),
            group=float(np.mean([g for _, g in rates[name]])),
            pairs=np.concatenate(pairs[name]),
        )
        for name in (op.name for op in net.populations)
        if name in grown
    }


def _members(net: Graph, name: str) -> int:
    """tau of a Group Neuron; 0 for what has no members."""
    members: int = getattr(net[name], "members", 0)
    return members


def _spread(n: int, most: int) -> Array:
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
