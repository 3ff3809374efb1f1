"""Whose loss it is: hybrid networks, the first k populations of one rung, the rest of the rung before.

Hybrid 0 is the rung before, the last hybrid the rung itself, so what the hybrids lose from one to the next adds up to
what the rung loses. For every sample that is right on one of the two and wrong on the other, halving finds a k at
which that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ganglion.ir import Array

from .meaning import Meanings
from .networks import Network, Trace

Right = Callable[[Array, Array], Array]  # (logits (n, classes), which samples (n,)) -> bool (n,)


def given_below(
    below: Network, spikes: bool, trace: Trace, names: Sequence[str], meanings: Meanings
) -> dict[str, Array]:
    """The values of `trace`, of a rung with or without `spikes`, in the form in which `below` takes them."""
    found = {}
    for name in names:
        value = trace.values[name]
        found[name] = meanings[name].of_counts(value) if spikes and not below.spikes else value
    return found


def attribute(
    below: Network, rung_spikes: bool, trace: Trace, x: Array, items: Sequence[str], meanings: Meanings,
    right_below: Array, right_here: Array, right: Right,
) -> dict[str, int]:  # fmt: skip
    """How many samples more are wrong from where each of `items` is of this rung, whose `trace` this is.

    `items` are the input, the populations and the readout; `x` is the input as `below` saw it. Items at which nothing
    changes are left out.
    """
    net = right_below.astype(int) - right_here
    lost: dict[str, int] = {}
    stack = [(0, len(items), np.flatnonzero(net))]
    while stack:
        low, high, samples = stack.pop()
        if not len(samples):
            continue
        if high - low == 1:
            total = int(net[samples].sum())
            if total:
                lost[items[low]] = total
            continue
        middle = (low + high) // 2
        stepped = [name for name in items[:middle] if name in meanings]
        part = Trace(
            {name: _of(trace.values[name], samples, rung_spikes) for name in stepped},
            trace.logits[samples],
            trace.x[samples],
        )
        seen = part.x if items[0] in items[:middle] else x[samples]
        hybrid = below.run(seen, (), given_below(below, rung_spikes, part, stepped, meanings))
        changed = right(hybrid.logits, samples) == right_here[samples]
        stack += [(low, middle, samples[changed]), (middle, high, samples[~changed])]
    return lost


def _of(values: Array, samples: Array, spikes: bool) -> Array:
    return values[:, samples] if spikes else values[samples]
