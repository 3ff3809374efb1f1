"""The tests of the onnx package, through the front end and the float engine, give what docs/operators.md says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import onnx
import pytest

import ganglion
from ganglion import Graph, Run
from ganglion.frontend.translate import HANDLERS

from .cases import OPERATORS, Case, load
from .lift import lift
from .outcome import CALIBRATED, LIFTED, PASS, REFUSED, Outcome, outcome
from .page import PAGE, read, version_of, write

AGAIN = "pytest tests/conformance --update-operators"
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else write({})
SAME_ONNX = version_of(TEXT) == onnx.__version__


def test_case(case_name: str, record: dict[tuple[str, str], Outcome] | None) -> None:
    case = load().get(case_name)
    if case is None:
        assert not SAME_ONNX, f"onnx has no such test: {AGAIN}"
        pytest.skip(f"onnx {onnx.__version__} has no such test")
    found = outcome(case)
    if record is not None:
        record[case.operator, case_name] = found
        return
    expected = read(TEXT)[case.operator, case_name]
    assert found.result == expected.result, f"{found.why or 'it works now'} (if it should: {AGAIN})"


@pytest.mark.skipif(not SAME_ONNX, reason="the page was made with another onnx")
def test_every_case_is_listed(record: dict[tuple[str, str], Outcome] | None) -> None:
    if record is None:
        assert {(case.operator, name) for name, case in load().items()} == set(read(TEXT)), AGAIN


def test_every_operator_of_the_front_end_has_its_cases_listed() -> None:
    assert set(HANDLERS) <= OPERATORS
    assert {case.operator for case in load().values()} == OPERATORS


def test_the_page_is_as_generated(record: dict[tuple[str, str], Outcome] | None) -> None:
    if record is None:
        assert write(read(TEXT), version_of(TEXT)) == TEXT, AGAIN


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("test_basic_conv_with_padding", PASS),
        ("test_Conv2d_groups", PASS),
        ("test_softmax_axis_1", PASS),
        ("test_concat_3d_axis_1", PASS),
        ("test_transpose_default", LIFTED),
        ("test_relu", CALIBRATED),
    ],
)
def test_wrong_values_fail(name: str, result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, simulate = load()[name], ganglion.simulate
    assert outcome(case) == Outcome(result)
    for wrong in (lambda logits: 1.01 * logits, lambda logits: logits[..., None]):

        def broken(net: Graph, x: Any, change: Callable[[Any], Any] = wrong) -> Run:
            run = simulate(net, x)
            return replace(run, logits=change(run.logits))

        monkeypatch.setattr(ganglion, "simulate", broken)
        with pytest.raises(AssertionError):
            outcome(case)


def test_a_refusal_says_why() -> None:
    assert outcome(load()["test_lrn"]) == Outcome(REFUSED, "LRN is not supported")


@pytest.mark.parametrize("name", ["test_transpose_default", "test_concat_1d_axis_0", "test_slice_default_axes"])
def test_a_lifted_case_has_one_sample_more_in_front(name: str) -> None:
    case = load()[name]
    lifted = lift(case)
    assert isinstance(lifted, Case)
    assert lifted.x.shape == (1, *case.x.shape)
    assert [e.shape for e in lifted.expected] == [(1, *e.shape) for e in case.expected]


@pytest.mark.parametrize("name", ["test_flatten_axis2", "test_gemm_default_matrix_bias", "test_identity_sequence"])
def test_no_case_is_lifted_into_another_meaning(name: str) -> None:
    assert lift(load()[name]) is None
