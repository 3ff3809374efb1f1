"""What is optimised after training: closer to the source, never further, the same every time, and kept in the file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion import frontend, methods, tuning
from ganglion.errors import InputError
from ganglion.ir import (
    Array,
    Graph,
    GroupNeuron,
    Input,
    MaxPool,
    Neuron,
    Projection,
    Readout,
    Staircase,
    linear,
    passes,
    per_channel,
)
from ganglion.ir.fingerprint import fingerprint
from ganglion.ledger import ledger_of
from ganglion.methods import METHODS, TemporalBias, method_of
from ganglion.pipeline import imported, spiking
from ganglion.simulator.values import ValueNetwork, as_in_model
from ganglion.tuning import Tuning
from tests import networks
from tests.frontend.test_quantize_static import quantised
from tests.ledger.test_meaning import relu_net

RANGE = (-1.0, 1.0)
CHOSEN = sorted(METHODS)


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return relu_net()


@pytest.fixture(scope="module")
def x() -> Array:
    return np.random.default_rng(1).uniform(-1, 1, (60, 2, 6, 6)).astype(np.float32)


def compiled(model: onnx.ModelProto, x: Array, **options: Any) -> Graph:
    given: dict[str, Any] = {
        "steps": 2,
        "members": 1,
        "calibration": x[:20],
        "input_range": RANGE,
        "optimize": x,
    } | options
    return ganglion.compile(model, **given)


def relative_errors(model: onnx.ModelProto, net: Graph, x: Array) -> dict[str, float]:
    """Of the mean of every population's window, and of the logits: by the simulator, against the source."""
    options = replace(frontend.Options.from_recipe(net.recipe), input_range=RANGE)
    composed = passes.run(imported(model, options), [passes.compose])
    names = [op.name for op in net.ops if isinstance(op, Neuron)]
    wanted, logits = ValueNetwork(composed, as_in_model).run(x, {}, names)
    run = ganglion.simulate(net, x, record=names)
    found = {name: run.counts[name].mean(axis=0) * net[name].scale for name in names}  # type: ignore[attr-defined]
    wanted, found = wanted | {net.readout.name: logits}, found | {net.readout.name: run.logits}
    return {n: float(np.sqrt(np.sum((found[n] - wanted[n]) ** 2) / np.sum(wanted[n] ** 2))) for n in found}


@pytest.mark.parametrize("method", [name for name in CHOSEN if not METHODS[name].calibrated])
def test_every_population_comes_closer_to_the_source(model: onnx.ModelProto, x: Array, method: str) -> None:
    """As the simulator has it; and what the record says of that is true."""
    plain = relative_errors(model, compiled(model, x, method=method, optimize=None, target=None), x)
    net = compiled(model, x, method=method, target=None)
    tuned = relative_errors(model, net, x)
    found = Tuning.from_text(net.tuning)
    assert found.samples == len(x)
    assert len(found.corrections) >= 4
    assert tuned[net.readout.name] <= plain[net.readout.name]
    for name, correction in found.corrections.items():
        assert correction.before == pytest.approx(plain[name], rel=1e-9)
        assert correction.after == pytest.approx(tuned[name], rel=1e-9)
    assert all(c.after <= c.before for c in found.corrections.values())
    assert sum(c.after < 0.99 * c.before for c in found.corrections.values()) >= 3


@pytest.mark.parametrize("method", CHOSEN)
def test_the_file_holds_what_the_same_network_is_made_of(
    model: onnx.ModelProto, x: Array, tmp_path: Path, method: str
) -> None:
    net = compiled(model, x, method=method)
    again = ganglion.load(ganglion.save(net, tmp_path / "net.onnx"))
    assert again.tuning == net.tuning != ""
    assert Tuning.from_text(again.tuning).to_text() == net.tuning
    ledger = ledger_of(model, again, x)
    assert "recompiled" not in ledger.rungs
    result = ganglion.compare(model, again, x)
    assert result.equal
    assert ledger.accuracy["integer spikes"] > 0


def test_nothing_is_random(model: onnx.ModelProto, x: Array) -> None:
    nets = [compiled(model, x) for _ in range(2)]
    assert nets[0].tuning == nets[1].tuning
    assert fingerprint(nets[0]) == fingerprint(nets[1])
    assert nets[0].tuning != compiled(model, x[:30]).tuning


@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
def test_clusters_send_the_same_spikes(model: onnx.ModelProto, x: Array, target: str) -> None:
    net = compiled(model, x, target=target, method="signed-gn", members=2)
    form = ganglion.expand_clusters(net)
    one, other = (ganglion.simulate(n, x[:5], engine="step", record="all") for n in (net, form))
    assert all((one.counts[op.name] == other.counts[op.name]).all() for op in net.populations)


def test_an_exact_network_stays_as_it_is() -> None:
    """At T = 1 with as many members as levels there is nothing to be better at."""
    graph = qcfs(levels=3)
    x = networks.samples(graph, 40)
    found = tuning.optimise(graph, x, members=3, method=method_of("gn"), steps=1)
    record = Tuning.from_text(found.tuning)
    assert all(c.after == c.before == 0 for c in record.corrections.values())
    path = spiking(steps=1, members=3, target=None)
    assert fingerprint(passes.run(found, path)) == fingerprint(passes.run(graph, path))


def qcfs(levels: int = 4, seed: int = 0) -> Graph:
    """A composed network of two convolutions and a dense layer between staircases, all numbers dyadic."""
    b = networks.Builder(np.random.default_rng(seed))
    b.add(Input(name="x", shape=(2, 5, 5), scale=1 / 8, low=-8, high=8), (2, 5, 5))
    b.conv(4, 3, 1, (1, 1, 1, 1), 1, 1)
    b.bias(per_neuron=True)
    b.staircase(levels)
    b.conv(4, 3, 2, (0, 0, 0, 0), 1, 1)
    b.staircase(levels)
    b.dense(3)
    b.add(Readout(name="logits", inputs=(b.value,), unit=np.array(1.0)), b.shape)
    return passes.run(Graph(ops=tuple(b.ops), name="qcfs"), [passes.compose])


@settings(max_examples=25, deadline=None)
@given(
    networks.imported(),
    st.sampled_from(CHOSEN),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_the_logits_are_never_further_from_the_source(graph: Graph, method: str, steps: int, members: int) -> None:
    """Of any network and method; those of FTBC only come out as the record says."""
    way = method_of(method)
    members = 1 if way.one_member else members
    rng = np.random.default_rng(steps)
    composed = passes.run(graph, [passes.compose])
    ops = [
        replace(op, weight=op.weight * rng.uniform(0.9, 1.1, op.weight.shape))  # no sum is a threshold to the bit
        if isinstance(op, Projection) and not any(isinstance(r, MaxPool) for r in composed.consumers(op.name))
        else op
        for op in composed.ops
    ]
    composed = composed.rebuild(ops)
    x = networks.samples(graph, 12)
    _, wanted = ValueNetwork(composed, as_in_model).run(x, {}, ())
    found = tuning.optimise(composed, x, members=members, method=way, steps=steps)
    path = spiking(steps=steps, members=members, target=None, method=way)
    error = np.sum((ganglion.simulate(passes.run(found, path), x).logits - wanted) ** 2)
    last = Tuning.from_text(found.tuning).corrections[graph.readout.name]
    if wanted.any():
        assert last.after == pytest.approx(np.sqrt(error / np.sum(wanted**2)), rel=1e-6, abs=1e-9)
    if not way.calibrated:
        plain = ganglion.simulate(passes.run(composed, path), x).logits
        assert error <= np.sum((plain - wanted) ** 2) * (1 + 1e-9) + 1e-18


def test_own_integers_of_a_model_keep_theirs(tmp_path: Path) -> None:
    """Another theta would make real numbers of the weights that act on spike counts."""
    model, images = quantised(tmp_path, "QDQ", "QUInt8", "QInt8", True)
    plain = ganglion.compile(model, steps=2, members=1)
    net = ganglion.compile(model, steps=2, members=1, optimize=images)
    found = Tuning.from_text(net.tuning)
    assert all(c.scale == 1 for c in found.corrections.values())
    assert any(c.after < c.before for c in found.corrections.values())
    for a, b in zip(plain.of(Projection), net.of(Projection), strict=True):
        assert (a.weight == b.weight).all()


def test_ftbc_is_what_its_equation_says() -> None:
    """Two layers and three steps, computed again neuron by neuron."""
    graph = qcfs()
    x = networks.samples(graph, 10)
    method = TemporalBias(iterations=3, momentum=0.25)
    found = Tuning.from_text(tuning.optimise(graph, x, members=1, method=method, steps=3).tuning)
    first, second = (op for op in graph.ops if isinstance(op, Staircase))
    wanted, _ = ValueNetwork(graph, as_in_model).run(x, {}, (first.name, second.name))
    drive = [arriving(graph, first.name, np.asarray(x, float))] * 3
    for op in (first, second):
        b = np.zeros((3, 4))
        theta = op.step * op.levels
        for _ in range(3):
            V = np.zeros(wanted[op.name].shape)
            sent = []
            for t in range(3):
                before = V + drive[t] + b[t][:, None, None]
                b[t] += 0.25 * (wanted[op.name] - theta * (before >= theta / 2)).mean(axis=(0, 2, 3))
                V = V + drive[t] + b[t][:, None, None]
                sent.append(theta * (theta / 2 <= V))
                V = V - sent[-1]
        by_step = found.corrections[op.name].by_step
        assert by_step is not None
        np.testing.assert_allclose(by_step, b, atol=1e-12)
        assert b.any()
        drive = [arriving(graph, second.name, s) for s in sent] if op is first else []


def arriving(graph: Graph, name: str, values: Array) -> Array:
    """What one projection brings to `name`, with its bias."""
    op: Any = graph[name]
    (projection,) = (graph[p] for p in op.inputs)
    arrived = linear.apply(projection, values, projection.weight)  # type: ignore[attr-defined,arg-type]
    return np.asarray(arrived + (0 if op.bias is None else per_channel(op.bias, graph.typeof(name).shape)))


def test_ftbc_makes_the_mean_of_every_step_the_source_s(model: onnx.ModelProto, x: Array) -> None:
    """Nearly, in every channel; an integrate-and-fire neuron's are further away."""
    net = compiled(model, x, method="ftbc", target=None)
    populations = [op for op in net.of(GroupNeuron) if op.name in Tuning.from_text(net.tuning).corrections]
    options = replace(frontend.Options.from_recipe(net.recipe), input_range=RANGE)
    composed = passes.run(imported(model, options), [passes.compose])
    wanted, _ = ValueNetwork(composed, as_in_model).run(x, {}, [op.name for op in populations])

    def error(net: Graph) -> float:
        counts = ganglion.simulate(net, x, record=wanted).counts
        each = [(counts[op.name] * op.scale - wanted[op.name]).mean(axis=(1, 3, 4)) for op in populations]
        return sum(float(np.abs(e).mean()) for e in each)

    plain = compiled(model, x, method="if", optimize=None, target=None)
    assert error(net) < 0.7 * error(plain)


def test_samples_are_needed_and_have_to_be_usable(model: onnx.ModelProto, x: Array) -> None:
    with pytest.raises(InputError, match="finds the biases of its populations with samples"):
        compiled(model, x, method="ftbc", optimize=None)
    with pytest.raises(InputError, match="finds the biases"):
        passes.run(qcfs(), spiking(steps=2, members=1, target=None, method=method_of("ftbc")))
    nan = x.copy()
    nan[3, 0, 2, 2] = np.nan
    for samples, message in [
        (x[:0], "no samples to optimise on"),
        (np.zeros(()), "no samples to optimise on"),
        (nan, "NaN or infinity"),
        (x[:, :, :5], "those of the calibration"),
        (x.astype(str), "not real numbers"),
        (x * 3, "lie outside"),
    ]:
        with pytest.raises(InputError, match=message):
            compiled(model, x, optimize=samples)
    with pytest.raises(InputError, match="the network takes"):
        tuning.optimise(qcfs(), x, members=1, method=method_of("gn"), steps=1)
    with pytest.raises(InputError, match="momentum"):
        TemporalBias(momentum=0)


def test_records_of_others_are_refused(model: onnx.ModelProto, x: Array) -> None:
    graph = qcfs()
    record = tuning.optimise(graph, networks.samples(graph, 9), members=1, method=method_of("gn"), steps=2).tuning
    for text, message in [
        ("{}", "cannot be read"),
        ("[]", "cannot be read"),
        ("no json", "cannot be read"),
        (record.replace('"scale": ', '"scale": -'), "cannot be read: scale is not positive"),
        (record.replace('"logits"', '"others"'), "population 'others'"),
        (record.replace('"bias": [', '"bias": [0.0, '), "does not fit the model"),
    ]:
        assert text != record
        with pytest.raises(InputError, match=message):
            passes.run(replace(graph, tuning=text), spiking(steps=2, members=1, target=None))
    by_step = tuning.optimise(graph, networks.samples(graph, 9), members=1, method=method_of("ftbc"), steps=2)
    with pytest.raises(InputError, match="does not fit the model"):
        passes.run(by_step, spiking(steps=3, members=1, target=None, method=method_of("ftbc")))


def test_few_samples_are_enough_and_progress_is_told(model: onnx.ModelProto, x: Array) -> None:
    told: list[tuple[int, int]] = []
    net = compiled(model, x, optimize=np.tile(x, (5, 1, 1, 1)), optimize_progress=lambda *a: told.append(a))
    assert Tuning.from_text(net.tuning).samples == tuning.SAMPLES == 128
    assert told == [(i, told[0][1]) for i in range(told[0][1] + 1)]
    assert any("optimised for T = 2 on 128 samples" in note for note in net.notes)


def test_the_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of candidates, the values of a channel that they are tried on, and the memory of the samples."""
    from ganglion.tuning import search, walk

    tried: list[int] = []
    error = search.Case.error

    def counted(case: search.Case, by: tuning.Correction) -> tuple[Array, Array]:
        tried.append(len(case.wanted))
        return error(case, by)

    monkeypatch.setattr(search.Case, "error", counted)
    graph = qcfs()
    x = networks.samples(graph, 100)
    found = tuning.optimise(graph, x, members=1, method=method_of("gn"), steps=2)
    few = [places for places in tried if places <= search.PLACES]
    assert max(tried) > search.PLACES  # the first population, checked once more on all values
    assert 2 * 30 < len(few) <= 2 * search.CANDIDATES + 3
    assert len(tried) - len(few) <= 3
    assert Tuning.from_text(found.tuning).samples == 100
    monkeypatch.setattr(walk, "WALK_BYTES", 8 * walk.AT_ONCE * 2 * 100 * 7)  # populations of 100 neurons, T = 2
    found = tuning.optimise(graph, x, members=1, method=method_of("gn"), steps=2)
    assert Tuning.from_text(found.tuning).samples == 7


def test_the_method_s_parameters_are_kept() -> None:
    text = methods.to_text(TemporalBias(iterations=2, momentum=0.75))
    assert methods.from_text(text) == TemporalBias(iterations=2, momentum=0.75)
    assert partial(method_of, "ftbc")().calibrated
