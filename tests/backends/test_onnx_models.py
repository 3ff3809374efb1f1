"""The ONNX models equal the simulator to the bit: both forms, optimised or not, whatever a network holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from ganglion.backends.onnx import run, step_model, window_model
from ganglion.backends.onnx.program import facts_of, step_by_step
from ganglion.ir import Array, Dense, Graph, GroupNeuron, Projection
from ganglion.simulator import simulate
from tests import networks as drawn

from . import networks

NETWORKS: list[Callable[[], Graph]] = [networks.mlp, networks.convolutions, networks.residual, networks.pools]
FORMS: list[Any] = ["step", "window"]
MODELS = {"step": step_model, "window": window_model}


def assert_equal(graph: Graph, codes: Array, **options: Any) -> None:
    """Every count and potential in both forms is the simulator's."""
    source = graph.input
    expected = simulate(graph, (codes - source.zero_point) * source.scale, record="all", engine="step", lanes=2)
    for form in FORMS:
        got = run(graph, codes, form=form, **options)
        assert set(got.counts) == set(expected.counts)
        for name, counts in (*expected.counts.items(), *expected.potentials.items()):
            found = (got.counts | got.potentials)[name]
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, counts, err_msg=f"{name}, {form}, {options}")


@pytest.mark.parametrize("optimise", [True, False])
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_they_equal_the_simulator(make: Callable[[], Graph], optimise: bool) -> None:
    graph = make()
    assert_equal(graph, networks.codes(graph, 5), block=2, optimise=optimise)


def test_resnet20_at_four_steps_agrees_on_every_count() -> None:
    graph = networks.resnet20(steps=4)
    assert len(graph.populations) == 19
    assert_equal(graph, networks.codes(graph, 2))


@given(drawn.integer_networks(), st.integers(1, 5), st.integers(1, 3), st.booleans())
@settings(max_examples=25)
def test_drawn_networks(graph: Graph, samples: int, block: int, optimise: bool) -> None:
    assert_equal(graph, networks.codes(graph, samples), block=block, optimise=optimise)


@given(drawn.general_networks(), st.integers(1, 5), st.integers(1, 3), st.booleans())
@settings(max_examples=25)
def test_drawn_networks_that_take_spikes_back(graph: Graph, samples: int, block: int, optimise: bool) -> None:
    assert_equal(graph, networks.codes(graph, samples), block=block, optimise=optimise)


@pytest.mark.parametrize("members", [1, 2, 8, 9, 15, 16, 31, 255, 256])
@pytest.mark.parametrize("q", [3.7, 4.0, np.array([1.3, 5.0, 17.9, 4.0])], ids=["uneven", "even", "by channel"])
def test_any_number_of_members(members: int, q: Any) -> None:
    """A few are compared one by one, many are searched; the potential passes each threshold exactly and by one."""
    graph = networks.network(
        "many", 3, members,
        networks.source((4, 1), -2, 1200),
        Dense(name="in", inputs=("image",), weight=np.eye(4, dtype=np.int8)),
        networks.population("n", "in", level=1, q=q, members=members),
        Dense(name="out", inputs=("n",), weight=networks.weights(1, 3, 4)),
        networks.readout("out", level=2),
    )  # fmt: skip
    codes = np.broadcast_to(np.arange(-2, 1201, dtype=np.int32)[:, None, None], (1203, 4, 1))
    assert_equal(graph, codes)
    assert run(graph, codes).counts["n"].max() == members


@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), st.integers(0, 99))
@settings(max_examples=20)
def test_many_members_that_take_back(members: int, takers: int, by_channel: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = (4,) if by_channel else ()
    thresholds = np.cumsum(rng.integers(1, 9, (members, *channels)), axis=0).astype(np.int32)
    negative = np.cumsum(-rng.integers(0, 9, (takers, *channels)), axis=0).astype(np.int32)
    neuron = networks.population("n", "in", "again", level=2, q=1.0, members=members)
    assert isinstance(neuron, GroupNeuron)
    neuron = replace(
        neuron,
        thresholds=thresholds, inhibition=rng.integers(1, 9, thresholds.shape).astype(np.int32),
        negative=negative, excitation=rng.integers(1, 9, negative.shape).astype(np.int32),
        bias_by_step=rng.integers(-9, 9, (5, *channels)).astype(np.int32),
        grid=np.array(1.0),
    )  # fmt: skip
    graph = networks.network(
        "taking", 5, members,
        networks.source((3,), -9, 9),
        Dense(name="first", inputs=("image",), weight=networks.weights(seed, 4, 3)),
        networks.population("m", "first", level=1, q=150.5, members=5),
        Dense(name="in", inputs=("m",), weight=networks.weights(seed + 1, 4, 4) // 16),
        Dense(name="again", inputs=("image",), weight=networks.weights(seed + 2, 4, 3) // 16, delay=1),
        neuron,
        Dense(name="out", inputs=("n",), weight=networks.weights(seed + 3, 2, 4)),
        networks.readout("out", level=3),
    )  # fmt: skip
    assert_equal(graph, networks.codes(graph, 6, seed), block=2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_they_are_plain_onnx(make: Callable[[], Graph], form: str) -> None:
    model = MODELS[form](make())
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert all(node.op_type != "Loop" and not node.op_type.endswith("Integer") for node in model.graph.node)


@pytest.mark.parametrize("form", FORMS)
def test_the_reference_evaluator_gives_the_same(form: Any) -> None:
    graph = networks.mlp()
    codes = networks.codes(graph, 2)
    evaluator = ReferenceEvaluator(MODELS[form](graph))
    expected = run(graph, codes, form="window")
    if form == "window":
        names = [*expected.counts, *expected.potentials]
        outputs = [f"{name}.count" for name in expected.counts] + ["logits.potential"]
        values = dict(zip(names, evaluator.run(outputs, {"codes": codes}), strict=True))
    else:
        session = _AsSession(evaluator)
        values = step_by_step(session, codes, list(expected.counts), 1, lambda done, total: None)
    for name, counts in (expected.counts | expected.potentials).items():
        np.testing.assert_array_equal(values[name], counts)


class _AsSession:
    """onnx's own evaluator with the face of onnxruntime's session."""

    def __init__(self, evaluator: ReferenceEvaluator) -> None:
        self.run = evaluator.run
        self.custom_metadata_map = {p.key: p.value for p in evaluator.proto_.metadata_props}

    def get_modelmeta(self) -> _AsSession:
        return self


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_the_step_model_declares_its_state(make: Callable[[], Graph]) -> None:
    graph = make()
    model = step_model(graph)
    facts = json.loads(next(p.value for p in model.metadata_props if p.key == "ganglion"))
    inputs, outputs = ({v.name: v for v in values} for values in (model.graph.input, model.graph.output))
    assert set(inputs) == {"codes"} | {s["input"] for s in facts["state"]}
    results = {p["tensor"] for p in (*facts["populations"].values(), facts["readout"])}
    assert set(outputs) == results | {s["output"] for s in facts["state"]}
    for state in facts["state"]:
        before, after = inputs[state["input"]], outputs[state["output"]]
        assert before.type == after.type
        assert "zeros at the start" in before.doc_string
        dims = [d.dim_param or d.dim_value for d in before.type.tensor_type.shape.dim]
        assert dims == (["N"] if state["batch"] else []) + state["shape"]
    assert all(v.doc_string for v in (*model.graph.input, *model.graph.output))


def test_names_of_state_are_stable() -> None:
    listed = [v.name for v in step_model(networks.residual()).graph.input]
    assert listed == [
        "codes", "step", "image.sent.1", "image.sent.2", "image.sent.3",
        "a/relu.membrane", "a/relu.sent.1", "a/relu.sent.2", "b.relu.membrane", "b.relu.sent.1", "b.relu.sent.2",
        "c.relu.membrane", "c.relu.sent.1", "c.relu.sent.2", "d.membrane", "d.sent.1", "logits.membrane",
    ]  # fmt: skip


def test_before_its_first_window_a_population_is_silent() -> None:
    graph = networks.residual()
    session = ort.InferenceSession(step_model(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    facts = facts_of(session)
    state = {s["input"]: np.zeros([1, *s["shape"]] if s["batch"] else (), s["dtype"]) for s in facts["state"]}
    outputs = [o.name for o in session.get_outputs()]
    codes = networks.codes(graph, 1)
    values: dict[str, Array] = {}
    for g in range(graph.depth + 1):
        values = dict(zip(outputs, session.run(outputs, {"codes": codes, **state}), strict=True))
        for place in (*facts["populations"].values(), facts["readout"]):
            if g < place["level"]:
                assert not values[place["tensor"]].any()
        state = {s["input"]: values[s["output"]] for s in facts["state"]}
        assert state["step"] == g + 1
    assert values["d.count"].any()  # which fires of its bias alone


def test_a_wrong_delay_shows_in_the_step_model() -> None:
    """It is the pipeline itself, not the window over again: what arrives late arrives late, as in the step engine."""
    graph = networks.residual()
    wrong = graph.rebuild([replace(op, delay=2) if isinstance(op, Projection) and op.name == "skip" else op
                           for op in graph.ops])  # fmt: skip
    codes = networks.codes(graph, 4)
    expected = simulate(wrong, codes, record="all", engine="step", lanes=1)
    session = ort.InferenceSession(step_model(wrong).SerializeToString(), providers=["CPUExecutionProvider"])
    got = step_by_step(session, codes, [op.name for op in graph.populations], 1, lambda done, total: None)
    for name, counts in (*expected.counts.items(), *expected.potentials.items()):
        np.testing.assert_array_equal(got[name], counts)
    right = run(graph, codes)
    assert {n for n, c in right.counts.items() if (c != got[n]).any()} == {"c.relu"}


def test_the_logits_are_the_simulators() -> None:
    graph = networks.pools()
    codes = networks.codes(graph, 3)
    session = ort.InferenceSession(window_model(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"codes": codes})
    np.testing.assert_array_equal(logits, simulate(graph, codes).logits)
