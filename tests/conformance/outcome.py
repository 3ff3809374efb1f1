"""What Ganglion makes of a case: the right values, or a reason why it cannot be compiled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator

import ganglion
from ganglion import CompileError, Graph, InputError

from .cases import Case
from .lift import lift

PASS, LIFTED, CALIBRATED, REFUSED = "pass", "pass, batch of 1 in front", "pass, calibrated", "not supported"
HEADS = ("Softmax", "LogSoftmax", "ArgMax")  # what a network may drop from its end, with a note
LEVELS, COARSE = 1 << 14, 1e-3  # levels of an activation that is calibrated, and the tolerance that is due to them
LONGEST = 120  # letters of a reason


@dataclass(frozen=True)
class Outcome:
    """The result of a case, one of the four above, and why it is not supported."""

    result: str
    why: str = ""


class RefusedError(Exception):
    """Ganglion answers that it cannot; the message is the reason, on one line."""


def outcome(case: Case) -> Outcome:
    """Runs `case` as it is, and where that is refused, with a batch of one in front.

    Raises `AssertionError` for wrong values; any exception that is no answer to the user passes.
    """
    try:
        return Outcome(CALIBRATED if computes(case) else PASS)
    except RefusedError as refusal:
        reason = str(refusal)
    lifted = lift(case)
    if lifted is not None:
        try:
            return Outcome(CALIBRATED if computes(lifted) else LIFTED)
        except RefusedError as refusal:
            reason = str(refusal)
    return Outcome(REFUSED, reason)


def computes(case: Case) -> bool:
    """Asserts that the float network at T = 1 computes every output of `case`; whether it had to be calibrated.

    Raises `RefusedError` where Ganglion refuses one.
    """
    needed = False
    for value, expected in zip(case.model.graph.output, case.expected, strict=True):
        try:
            net, calibrated = _compile(case, value.name)
            logits = ganglion.simulate(net, case.x).logits
        except (CompileError, InputError) as error:
            which = f"output '{value.name}': " if len(case.expected) > 1 else ""
            raise RefusedError(which + shortened(error)) from error
        got = _with_head(case, net, logits)
        expected = np.asarray(expected)
        assert got.shape == expected.shape, f"{value.name}: shape {got.shape}, expected {expected.shape}"
        wanted = expected.astype(np.float64)
        allowed = (COARSE if calibrated else case.tolerance) * np.maximum(1, np.abs(wanted))
        wrong = ~(np.abs(got - wanted) <= allowed)
        assert not wrong.any(), (
            f"{value.name}: {got[wrong][:4]}, expected {wanted[wrong][:4]} ({wrong.mean():.0%} wrong)"
        )
        needed |= calibrated
    return needed


def shortened(error: CompileError | InputError) -> str:
    """The first reason that `error` gives, on one line."""
    first, *more = error.message.splitlines()
    if "places in the model" in first and more:
        first = more[0].partition(": ")[2]
    elif first.endswith(":") and more:
        first += " " + more[0].strip()
    first = re.sub("'[^']{25,}'", "a value", first.strip())  # names that a test's own name is part of
    return first if len(first) <= LONGEST else first[: LONGEST - 2].rstrip() + " …"


def _compile(case: Case, output: str) -> tuple[Graph, bool]:
    """The network for one output, and whether its activations have their levels from the data."""
    options: dict[str, Any] = {"steps": 1, "target": None, "output": output, "input_range": _range(case.x)}
    try:
        return ganglion.compile(case.model, members="levels", **options), False
    except CompileError as error:
        if "--calibration" not in error.hint:
            raise
    net = ganglion.compile(case.model, members=LEVELS, calibration=case.x, calibration_method="max", **options)
    return net, True


def _range(x: Any) -> tuple[float, float] | None:
    """The range of float data, 0 in it; integers and what is no array have a range of their own."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.size:
        return None
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    return (low, high) if low < high else (0.0, 1.0)


def _with_head(case: Case, net: Graph, logits: np.ndarray) -> np.ndarray:
    """The model's last node applied to the logits, where the network says that it has dropped it."""
    head = case.model.graph.node[-1]
    if head.op_type not in HEADS or not any("dropped" in note for note in net.notes):
        return logits
    (result,) = ReferenceEvaluator(head).run(None, {head.input[0]: logits})
    return np.asarray(result)
