"""Populations whose counts are given: the rest of the network, looked at alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, Spikes, passes
from ganglion.simulator import simulate
from tests import networks
from tests.ir.test_quantize import small
from tests.simulator.test_layer_engine import assert_equal


def counts_for(net: Graph, names: list[str], samples: int, seed: int) -> dict[str, Array]:
    """Counts that those populations could send, drawn at random."""
    rng, found = np.random.default_rng(seed), {}
    for name in names:
        kind = net.typeof(name)
        assert isinstance(kind, Spikes)
        found[name] = rng.integers(kind.low, kind.high + 1, (net.steps, samples, *kind.shape), np.int16)
    return found


@given(networks.integer_networks(), st.integers(1, 5), st.integers(0, 99), st.booleans(), st.booleans(), st.data())
@settings(max_examples=60)
def test_both_engines_see_what_is_given(
    net: Graph, samples: int, seed: int, clusters: bool, record: bool, data: st.DataObject
) -> None:
    if clusters:
        net = passes.run(net, [passes.expand_clusters])
    names = [op.name for op in net.populations]
    some = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    x, counts = networks.samples(net, samples), counts_for(net, some, samples, seed)
    kept = some if record else [n for n in names if n not in some]
    layer = simulate(net, x, given=counts, record=kept, jobs=2)
    step = simulate(net, x, given=counts, record=kept, engine="step", lanes=2)
    assert_equal(layer, step)
    assert layer.counts.keys() == set(kept)


@given(networks.integer_networks(), st.integers(1, 5))
@settings(max_examples=30)
def test_its_own_counts_change_nothing(net: Graph, samples: int) -> None:
    x = networks.samples(net, samples)
    free = simulate(net, x, record="all")
    bound = simulate(net, x, record="all", given=free.counts)
    assert_equal(bound, free)


@given(networks.integer_networks(), st.integers(0, 99))
@settings(max_examples=30)
def test_what_lies_behind_is_as_if_it_had_come_so(net: Graph, seed: int) -> None:
    """The first half given: the other half sees that and nothing of the input, unless it reads it itself."""
    names = [op.name for op in net.populations]
    first = names[: len(names) // 2]
    x = networks.samples(net, 3)
    counts = counts_for(net, first, 3, seed)
    whole = simulate(net, x, given=counts, record="all")
    again = simulate(net, x, given={**whole.counts, **counts})
    np.testing.assert_array_equal(again.logits, whole.logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, counts: {"nobody": counts}, "no population is called nobody"),
        (lambda name, counts: {name: counts[:, :1]}, "have shape"),
        (lambda name, counts: {name: counts + 100}, "are not all within"),
    ],
)
def test_counts_that_cannot_be(change: object, message: str) -> None:
    net = networks.quantized(small(), 2, 3, "loihi2")
    x = networks.samples(net, 2)
    name, counts = next(iter(simulate(net, x, record="all").counts.items()))
    assert callable(change)
    with pytest.raises(InputError, match=message):
        simulate(net, x, given=change(name, counts))
