"""The ledger: its rungs are the networks they claim to be, and what they lose adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest

import ganglion
from ganglion import frontend
from ganglion.errors import InputError
from ganglion.frontend import run_onnxruntime
from ganglion.ir import Array, Graph, MaxPool, Readout, Staircase, passes
from ganglion.ledger import Ledger, Recording, ladder, ledger_of, run
from ganglion.pipeline import imported, spiking
from ganglion.targets import load
from tests.ledger.test_meaning import relu_net

FORM = {"name", "rung", "relative_error", "cosine", "sqnr_db", "clipped", "dead", "rate", "headroom_bits"}


@pytest.fixture(scope="module")
def case() -> tuple[onnx.ModelProto, Graph, Array]:
    """A network of few steps and members, which loses something on every rung."""
    model = relu_net()
    x = np.random.default_rng(1).uniform(-1, 1, (90, 2, 6, 6)).astype(np.float32)
    return model, ganglion.compile(model, steps=2, members=2, calibration=x[:30], input_range=(-1, 1)), x


@pytest.fixture(scope="module")
def book(case: tuple[onnx.ModelProto, Graph, Array]) -> Ledger:
    return ledger_of(*case)


def assert_same(a: Ledger, b: Ledger) -> None:
    """Equal up to the rounding of sums."""
    assert a.attributions == b.attributions
    assert (a.rungs, a.accuracy, a.loss) == (b.rungs, b.accuracy, b.loss)
    for one, other in zip(a.entries, b.entries, strict=True):
        assert (one.name, one.rung, one.rate, one.dead) == (other.name, other.rung, other.rate, other.dead)
        assert one.relative_error == pytest.approx(other.relative_error, rel=1e-9, abs=1e-12)
        assert one.local_error == (None if other.local_error is None else pytest.approx(other.local_error, abs=1e-12))


def test_attributions_add_up_to_the_loss(book: Ledger) -> None:
    assert book.loss > 0
    assert abs(sum(a.loss for a in book.attributions) - book.loss) < 1e-9
    for before, rung in pairwise(book.rungs):
        lost = sum(a.loss for a in book.attributions if a.rung == rung)
        assert lost == pytest.approx(100 * (book.accuracy[before] - book.accuracy[rung]), abs=1e-9)
    worst = max(book.attributions, key=lambda a: a.loss)
    assert book.first_offender == (worst.rung, worst.population)
    assert worst.population in book.advice
    assert f"of {book.loss:.2f} points" in book.summary


def test_every_rung_is_the_network_it_claims_to_be(case: tuple[onnx.ModelProto, Graph, Array], book: Ledger) -> None:
    """Each is run again, by itself and by other code where there is any."""
    model, net, x = case
    options = replace(frontend.Options.from_recipe(net.recipe), input_range=(-1.0, 1.0), input_step=net.input.scale)
    graph = imported(model, options)
    composed = passes.run(graph, [passes.compose])
    real = passes.run(composed, spiking(steps=2, members=2, target=None))
    logits = {
        "onnxruntime": run_onnxruntime(model, x),
        "folded": by_hand(composed, x, lambda op, v: np.clip(v, 0, over(op.high, v))),
        "staircase": by_hand(composed, x, levels_of_the_window),
        "infinite T": by_hand(composed, x, lambda op, v: np.clip(v, 0, op.step * op.levels)),
        "float spikes": ganglion.simulate(real, x).logits,
        "integer spikes": ganglion.simulate(net, x, engine="step").logits,
        "clusters": ganglion.simulate(ganglion.expand_clusters(net), x, engine="step").logits,
    }
    assert list(logits) == list(book.rungs)
    wanted = logits["onnxruntime"].argmax(axis=1)
    for rung, values in logits.items():
        assert book.accuracy[rung] == np.mean(values.reshape(len(x), -1).argmax(axis=1) == wanted), rung
    rates = ganglion.simulate(net, x).rates
    assert {name: book.entry("integer spikes", name).rate for name in book.populations} == pytest.approx(rates)


def over(values: Any, v: Array) -> Array:
    a = np.asarray(values)
    return a.reshape(a.shape + (1,) * (v.ndim - 2)) if a.ndim == 1 else a


def levels_of_the_window(op: Staircase, v: Array) -> Array:
    """T * tau = 4 levels up to theta; a relay has T * 255."""
    levels = 2 * (op.members or 2)
    step = op.step * op.levels / levels
    return np.asarray(step * np.clip(np.floor(v / step + 0.5), 0, levels))


def by_hand(composed: Graph, x: Array, activation: Any) -> Array:
    """A composed network, evaluated with the tests' own code for its projections."""
    values: dict[str, Array] = {}
    for op in composed:
        if isinstance(op, (Staircase, MaxPool, Readout)):
            v = np.sum([values[name] for name in op.inputs], axis=0)
            v = v + (0 if op.bias is None else over(op.bias, v))
            if isinstance(op, Staircase):
                v = activation(op, v)
            elif isinstance(op, MaxPool):
                v = v.reshape(*v.shape[:2], v.shape[2] // 2, 2, v.shape[3] // 2, 2).max(axis=(3, 5))
            values[op.name] = v
        elif op.inputs:
            alone = Graph(
                ops=(
                    replace(composed.input, name="s", shape=values[op.inputs[0]].shape[1:]),
                    replace(op, inputs=("s",)),
                )
            )
            values[op.name] = projected(alone, op.name, values[op.inputs[0]])
        else:
            values[op.name] = x.astype(np.float64) + composed.input.zero_point * composed.input.scale
    return values[composed.readout.name]


def projected(alone: Graph, name: str, v: Array) -> Array:
    from tests.frontend import helpers

    op = alone[name]
    result = helpers._value(op, [v], v)
    offset, channels = getattr(op, "offset", 0), getattr(op, "channels", 0)
    if not channels:
        return result
    whole = np.zeros((len(v), channels, *result.shape[2:]))
    whole[:, offset : offset + result.shape[1]] = result
    return whole


def test_hybrids_are_the_first_populations_of_one_rung_and_the_rest_of_another(
    case: tuple[onnx.ModelProto, Graph, Array],
) -> None:
    """Against all hybrids, one by one, on samples for which there is only one place to blame."""
    model, net, x = case
    stand = ladder.build(model, net)
    below, rung = (next(r for r in stand.rungs if r.name == name) for name in ("infinite T", "float spikes"))
    names = list(stand.meanings)
    trace, wanted = rung.run(x, names), run_onnxruntime(model, x).argmax(axis=1)
    right = [below.run(x, ()).logits.argmax(axis=1) == wanted]
    for k in range(1, len(names) + 1):
        given = {name: stand.meanings[name].of_counts(trace.values[name]) for name in names[:k]}
        right.append(below.run(x, (), given).logits.argmax(axis=1) == wanted)
    right.append(trace.logits.argmax(axis=1) == wanted)
    once = np.flatnonzero(sum(a != b for a, b in pairwise(right)) == 1)
    assert len(once) > 3
    expected: dict[str, float] = {}
    for item, (before, after) in zip([*names, net.readout.name], pairwise(right), strict=True):
        lost = int(before[once].sum()) - int(after[once].sum())
        expected |= {item: lost * 100 / len(once)} if lost else {}
    found = {a.population: a.loss for a in ledger_of(model, net, x[once]).attributions if a.rung == "float spikes"}
    assert found == pytest.approx(expected)


def test_blocks_do_not_matter(
    case: tuple[onnx.ModelProto, Graph, Array], book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BLOCK_BYTES", 1 << 16)
    told: list[tuple[int, int]] = []
    again = ledger_of(*case, progress=lambda what, done, total: told.append((done, total)))
    assert len(told) > len(book.rungs)
    assert told[-1] == (len(case[2]) * len(book.rungs),) * 2
    assert_same(again, book)


def test_labels(case: tuple[onnx.ModelProto, Graph, Array]) -> None:
    model, net, x = case
    labels = np.arange(len(x)) % 5
    book = ledger_of(model, net, x, labels)
    assert book.labelled
    assert book.accuracy["onnxruntime"] == np.mean(run_onnxruntime(model, x).argmax(axis=1) == labels)
    assert abs(sum(a.loss for a in book.attributions) - book.loss) < 1e-9
    with pytest.raises(InputError, match="one per sample"):
        ledger_of(model, net, x, labels[:3])


def test_what_another_engine_recorded(case: tuple[onnx.ModelProto, Graph, Array], book: Ledger) -> None:
    """A recording of the first samples: equal to the simulator, or with one spike too many."""
    model, net, x = case
    few = ganglion.simulate(net, x[:7], record="all")
    same = Recording(name="lava", counts=dict(few.counts), logits=few.logits, x=x[:7])
    with_it = ledger_of(model, net, x, lava=same)
    assert with_it.rungs == [*book.rungs, "lava"]
    assert with_it.loss == book.loss
    assert all(with_it.entry("lava", name).local_error == 0 for name in book.populations)
    name = book.populations[2]
    counts = {n: np.array(c) for n, c in few.counts.items()}
    counts[name].flat[0] = 1 - counts[name].flat[0]
    other = ledger_of(model, net, x, lava=replace(same, counts=counts))
    assert other.first_offender == ("lava", name)


def test_json(book: Ledger) -> None:
    form = json.loads(json.dumps(book.as_json(), allow_nan=False))
    assert form["rungs"] == list(book.rungs)
    assert len(form["populations"]) == len(book.rungs) * len(book.populations)
    assert all(entry.keys() >= FORM for entry in form["populations"])
    assert all(entry.keys() == {"rung", "population", "loss"} for entry in form["attributions"])
    assert form["first_offender"].keys() == {"rung", "population"}


def test_bounds(book: Ledger) -> None:
    for entry in book.entries:
        assert -1 <= entry.cosine <= 1
        assert 0 <= entry.dead <= 1
        assert (entry.clipped is None) == (entry.rung in ("onnxruntime", "folded"))
        assert (entry.rate is None) == ("spikes" not in entry.rung and entry.rung != "clusters")
        assert (entry.headroom_bits is None) == (entry.rung not in ("integer spikes", "clusters"))
        if entry.headroom_bits is not None:
            assert 0 <= entry.headroom_bits < 24
    for name in book.populations:
        assert book.entry("onnxruntime", name).relative_error == 0
        assert book.entry("onnxruntime", name).sqnr_db is None
        assert book.points[name].shape[1] == 2


def test_a_target_of_ones_own_has_to_be_given(case: tuple[onnx.ModelProto, Graph, Array], book: Ledger) -> None:
    model, _, x = case
    chip = replace(load("loihi2"), name="mine")
    net = ganglion.compile(model, steps=2, members=2, calibration=x[:30], input_range=(-1, 1), target=chip)
    with pytest.raises(InputError, match="compiled for 'mine'"):
        ledger_of(model, net, x)
    with pytest.raises(InputError, match="compiled for 'mine'"):
        ledger_of(model, net, x, target="loihi1")
    assert_same(ledger_of(model, net, x, target=chip), book)


def test_other_networks_are_refused(case: tuple[onnx.ModelProto, Graph, Array]) -> None:
    model, net, x = case
    with pytest.raises(InputError, match="takes a quantised network"):
        ledger_of(model, ganglion.expand_clusters(net), x)
    with pytest.raises(InputError, match="no samples"):
        ledger_of(model, net, x[:0])
    renamed = net.rebuild([replace(op, inputs=tuple(map(other, op.inputs)), name=other(op.name)) for op in net.ops])
    with pytest.raises(InputError, match="has no population"):
        ledger_of(model, renamed, x)


def other(name: str) -> str:
    return "other" if name == "g" else name


def test_too_many_members_for_clusters(
    case: tuple[onnx.ModelProto, Graph, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "CLUSTER_BYTES", 10)
    book = ledger_of(*case)
    assert "clusters" not in book.rungs
    assert "clusters" in book.notes[0]
