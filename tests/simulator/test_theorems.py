"""The three theorems of the semantics, over drawn networks; and that each test fails when its theorem is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from ganglion import targets
from ganglion.ir import (
    Array,
    Graph,
    GroupNeuron,
    Input,
    LateralInhibition,
    MaxPool,
    Membrane,
    Projection,
    Staircase,
    passes,
)
from ganglion.ir.passes.schedule import levels_of
from ganglion.simulator import arithmetic, simulate
from tests import networks, oracle

FEW = settings(max_examples=60, deadline=None)
SEARCH = settings(max_examples=300, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


def different(a: Any, b: Any) -> bool:
    """Whether two runs differ in any spike count of any population at any step, or in a potential."""
    assert a.counts.keys() == b.counts.keys()
    return any((a.counts[name] != b.counts[name]).any() for name in a.counts) or any(
        (a.potentials[name] != b.potentials[name]).any() for name in a.potentials
    )


# Theorem 1: at T = 1 and tau = L the spiking network computes the staircase network exactly.


def breaks_theorem_1(graph: Graph, x: Array, members: int | None = None) -> bool:
    levels = next((op.levels for op in graph.of(Staircase)), 1)
    net = networks.scheduled(graph, steps=1, members=levels if members is None else members)
    run = simulate(net, x, engine="step", record="all")
    for i, sample in enumerate(x):
        expected = oracle.staircase_network(graph, sample)
        for name, counts in run.counts.items():
            population = net[name]
            if isinstance(population, MaxPool):  # its counts lack the input's zero point; what reads it is compared
                continue
            assert isinstance(population, GroupNeuron)
            if (counts[0, i].reshape(-1) * population.scale != expected[name].reshape(-1)).any():
                return True
        if (run.logits[i] != expected["logits"]).any():
            return True
    return False


@given(networks.imported())
@FEW
def test_theorem_1(graph: Graph) -> None:
    assert not breaks_theorem_1(graph, networks.samples(graph, 2))


@given(networks.imported(), st.integers(0, 100))
@FEW
def test_theorem_1_where_activations_differ_in_levels(graph: Graph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ops = [replace(op, levels=2 ** int(rng.integers(0, 4))) if isinstance(op, Staircase) else op for op in graph.ops]
    mixed = graph.rebuild(ops)
    assert not breaks_theorem_1(mixed, networks.samples(mixed, 2), members=0)


def test_theorem_1_notices_a_strict_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "fire", strict_fire)
    find(networks.imported(), lambda g: breaks_theorem_1(g, networks.samples(g, 2)), settings=SEARCH)


# Theorem 2: with balanced delays, layer by layer over all steps and samples equals step by step.


def breaks_theorem_2(graph: Graph, changed: Graph | None = None) -> bool:
    x = networks.samples(graph, 4)
    step = simulate(changed or graph, x, engine="step", record="all", lanes=2)
    return different(step, simulate(graph, x, engine="layer", record="all"))


@given(networks.integer_networks())
@FEW
def test_theorem_2(graph: Graph) -> None:
    assert not breaks_theorem_2(graph)


@given(networks.imported(), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]))
@FEW
def test_theorem_2_before_quantisation(graph: Graph, steps: int, members: int) -> None:
    assert not breaks_theorem_2(networks.scheduled(graph, steps, members))


@given(networks.imported(), st.integers(0, 1), st.sampled_from([1, 2, 3]))
@FEW
def test_counts_that_wait_in_a_population_are_the_same(graph: Graph, max_delay: int, steps: int) -> None:
    """Where a synapse cannot wait long enough, a population holds the counts: nothing else changes."""
    grouped = passes.run(graph, [passes.compose, partial(passes.group, members=3)])
    levels = levels_of(grouped)
    readers = {name: levels[op.name] for op in grouped.of(Membrane) for name in op.inputs}
    for p in grouped.of(Projection):  # the codes of the input, and maxima of them, are signed: no population holds them
        source = grouped[p.inputs[0]]
        signed = isinstance(source, Input) or (isinstance(source, MaxPool) and source.low < 0)
        assume(not signed or readers[p.name] - levels[source.name] - 1 <= max_delay)
    target = targets.load("loihi2")
    nets = [
        passes.run(
            grouped, [partial(passes.schedule, steps=steps, max_delay=d), partial(passes.quantize, target=target)]
        )
        for d in (None, max_delay)
    ]
    assert max(p.delay for p in nets[1].of(Projection)) <= max_delay
    x = networks.samples(graph, 4)
    free, held = (simulate(net, x, engine="step", record="all", lanes=2) for net in nets)
    for name, counts in free.counts.items():
        np.testing.assert_array_equal(held.counts[name], counts)
    np.testing.assert_array_equal(held.logits, free.logits)


def delayed(graph: Graph, by: int) -> Graph:
    """`graph` with the delay of its last projection but one changed."""
    victim = graph.of(Projection)[-2]
    late = replace(victim, delay=victim.delay + by)
    ops = [late if op is victim else op for op in graph.ops]
    return graph.rebuild(without_proof(ops))


def without_proof(ops: Any) -> list[Any]:
    """A spoiled network may leave the proven intervals; that is not what is tested here."""
    return [replace(op, interval=None) if hasattr(op, "interval") else op for op in ops]


def test_theorem_2_notices_a_delay_off_by_one() -> None:
    find(networks.integer_networks(), lambda g: breaks_theorem_2(g, delayed(g, 1)), settings=SEARCH)


def test_theorem_2_notices_a_dropped_reset_at_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples back to back: without V <- 0 at local step 0 the second one starts from the first one's rest."""
    from ganglion.simulator.step import StepEngine

    integrate = StepEngine.integrate

    def without(self: StepEngine, op: Any, g: int, t: int, inhibition: Any = 0) -> Any:
        return integrate(self, op, g, max(t, 1), inhibition)

    monkeypatch.setattr(StepEngine, "integrate", without)

    def broken(graph: Graph) -> bool:
        return breaks_theorem_2(graph, graph.rebuild(without_proof(graph.ops)))

    find(networks.integer_networks(), broken, settings=SEARCH)


# Theorem 3: explicit members with lateral inhibition one step later are the Group Neuron.


def breaks_theorem_3(graph: Graph, change: Callable[[Graph], Graph] = lambda g: g, engine: Any = "step") -> bool:
    x = networks.samples(graph, 4)
    clusters = change(passes.run(graph, [passes.expand_clusters]))
    expected = simulate(graph, x, engine="step", record="all")
    return different(expected, simulate(clusters, x, engine=engine, record="all"))


@given(networks.integer_networks())
@FEW
def test_theorem_3(graph: Graph) -> None:
    assert not breaks_theorem_3(graph)
    assert not breaks_theorem_3(graph, engine="layer")


def test_theorem_3_notices_a_dropped_reset() -> None:
    def uninhibited(graph: Graph) -> Graph:
        ops = [replace(op, weights=op.weights * 0) if isinstance(op, LateralInhibition) else op for op in graph.ops]
        return graph.rebuild(without_proof(ops))

    find(networks.integer_networks(steps=3), lambda g: breaks_theorem_3(g, uninhibited), settings=SEARCH)


def test_theorem_3_notices_a_delay_off_by_one() -> None:
    find(networks.integer_networks(), lambda g: breaks_theorem_3(g, lambda c: delayed(c, 1)), settings=SEARCH)


def test_theorem_3_needs_the_drop_at_the_window() -> None:
    """Inhibition still in flight when a window begins would reach the next sample if it were not dropped."""
    from ganglion.simulator.step import StepEngine

    member = StepEngine.member

    def late(self: StepEngine, op: Any, g: int, t: int) -> Any:
        fired = member(self, op, g, t)
        if t == 0:
            in_flight = self.sent[op.inhibited_by].get(g - 1, 0)
            self.potential[op.name] = self.potential[op.name] + in_flight
            fired = arithmetic.fire(self.potential[op.name], [op.threshold.reshape(-1, *(1,) * (fired.ndim - 2))])
        return fired

    from ganglion.simulator import step

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(step.RULES, passes.expand_clusters.__globals__["IntegrateFire"], late)
        find(networks.integer_networks(), breaks_theorem_3, settings=SEARCH)


# Against the paper's equations, tau separate members, written without the package.


def breaks_the_oracle(graph: Graph, seed: int) -> bool:
    net, q = networks.with_integer_parameters(graph, np.random.default_rng(seed), largest_q=40)
    x = networks.samples(net, 2, seed)
    codes, _ = net.input.encode(x)
    run = simulate(net, x, engine="step", record="all")
    for i in range(len(x)):
        expected = oracle.group_neuron_network(net, q, codes[i])
        if any((run.counts[name][:, i] != expected[name]).any() for name in run.counts):
            return True
        if (run.potentials["logits"][:, i] != expected["logits"]).any():
            return True
    return False


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
@pytest.mark.parametrize("members", range(1, 9))
def test_step_engine_equals_the_papers_equations(steps: int, members: int) -> None:
    @given(networks.imported(blocks=2), st.integers(0, 1000))
    @settings(max_examples=6, deadline=None)
    def check(graph: Graph, seed: int) -> None:
        assert not breaks_the_oracle(networks.scheduled(graph, steps, members), seed)

    check()


def strict_fire(potential: Array, thresholds: Any) -> Array:
    """The mistake of comparing with > in place of >=."""
    return np.asarray(np.sum([potential > t for t in thresholds], axis=0, dtype=np.uint8))


@pytest.mark.parametrize("mistake", ["strict comparison", "reset dropped"])
def test_the_oracle_notices(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mistake == "strict comparison":
        monkeypatch.setattr(arithmetic, "fire", strict_fire)
    else:
        monkeypatch.setattr(arithmetic, "reset", lambda potential, counts, inhibition: potential)
    drawn = networks.imported(blocks=2)
    find(drawn, lambda g: breaks_the_oracle(networks.scheduled(g, 2, 3), 1), settings=SEARCH)


def test_a_search_that_finds_nothing_fails() -> None:
    """The mutation checks rest on `find` raising where no network shows the mistake."""
    with pytest.raises(NoSuchExample):
        find(networks.integer_networks(), breaks_theorem_3, settings=settings(SEARCH, max_examples=20))
