"""The integer codes in which the network takes its input."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from ganglion.errors import CompileError, InputError

from .staircase import Fit
from .values import FLOATS, LIMITS, Array, name_of

LOWEST, HIGHEST = -(2**15), 2**16 - 1  # what an input code may be
RANGE, STEP = "ganglion.input_range", "ganglion.input_step"  # the model's metadata
DEFAULT_STEP = 1 / 128
DEFAULT_CODES = (-1024, 1023)
INTEGERS = {
    **{kind: limits for kind, limits in LIMITS.items() if kind not in (ir.DataType.UINT4, ir.DataType.INT4)},
    ir.DataType.BOOL: (0, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFormat:
    """Code c in [low, high] stands for the real value c * step. `note`: what the user should know.

    `edges` (high - low,), where the model itself quantises its input: the smallest inputs that it gives the codes
    low + 1, ..., high, in its own precision.
    """

    step: float
    low: int
    high: int
    edges: Array | None = None
    note: str = ""

    def fields(self) -> dict[str, Any]:
        """As fields of the IR's `Input`."""
        return {"scale": self.step, "low": self.low, "high": self.high, "edges": self.edges}


def from_quantiser(fit: Fit) -> InputFormat | None:
    """The codes of a staircase on the input itself: code = level - n. None where codes cannot express it."""
    n = round(fit.shift - 0.5)
    fits = fit.shift - 0.5 == n and -n >= LOWEST and fit.levels - n <= HIGHEST
    return InputFormat(step=fit.step, low=-n, high=fit.levels - n, edges=fit.thresholds) if fits else None


def chosen(
    model: ir.Model,
    value: ir.Value,
    input_range: tuple[float, float] | None,
    input_step: float | None,
    seen: tuple[float, float] | None = None,
) -> InputFormat:
    """The codes of the input `value`: from the arguments, else the model's metadata, else the input's type, else from
    the range `seen` in calibration, else the default.

    Raises `InputError` for a range or step that cannot be used, `CompileError` for an input of another type.
    """
    if value.dtype is not None and value.dtype in INTEGERS:
        low, high = INTEGERS[value.dtype]
        return InputFormat(step=1.0, low=low, high=high)
    if value.dtype not in FLOATS:
        kind = value.dtype.name.lower() if value.dtype is not None else "of unknown type"
        raise CompileError(
            f"the input is {kind}; float32, float64 and integers of 8 and 16 bits are supported",
            origin=[name_of(value)],
            hint="export the model in float32",
        )
    if input_range is None:
        input_range = _metadata_range(model.metadata_props.get(RANGE))
        if input_step is None and input_range is not None:
            input_step = _metadata_number(STEP, model.metadata_props.get(STEP))
    if input_range is None and seen is not None:
        note = f"the input '{value.name}' takes what calibration has seen: [{seen[0]:.6g}, {seen[1]:.6g}]"
        return replace(from_range(seen, input_step), note=note)
    if input_range is None:
        if input_step is not None:
            raise InputError("an input step needs an input range as well", hint="give both, such as (0, 1) and 1/255")
        return by_default(value.name)
    return from_range(input_range, input_step)


def by_default(name: str | None) -> InputFormat:
    """The codes of an input of which nothing is known, with a note that says so."""
    low, high = DEFAULT_CODES
    return InputFormat(
        step=DEFAULT_STEP,
        low=low,
        high=high,
        note=f"no range is known for the input '{name}': its codes are {low}..{high} in steps of 1/128, "
        "[-8, 8); --input-range LOW HIGH sets what the data needs",
    )


def from_range(input_range: tuple[float, float], input_step: float | None = None) -> InputFormat:
    """The codes for real values in [low, high], in steps of `input_step` (a 255th of the range by default)."""
    low, high = (float(v) for v in input_range)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"the input range {low:g},{high:g} is not usable: it must be finite, with LOW < HIGH")
    step = (high - low) / 255 if input_step is None else float(input_step)
    if not (math.isfinite(step) and step > 0):
        raise InputError(f"the input step {step:g} is not usable: it must be finite and positive")
    if max(abs(low), abs(high)) / step > 2 * HIGHEST:
        codes = (low / step, high / step)
    else:
        codes = (round(low / step), round(high / step))
    if not (LOWEST <= codes[0] < codes[1] <= HIGHEST):
        raise InputError(
            f"the input range {low:g},{high:g} in steps of {step:g} needs the codes {codes[0]:.0f}..{codes[1]:.0f}; "
            f"they must be two or more within {LOWEST}..{HIGHEST}",
            hint="choose another input step",
        )
    return InputFormat(step=step, low=int(codes[0]), high=int(codes[1]))


def _metadata_range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"the model's metadata {RANGE} = '{text}' is not LOW,HIGH") from None
    return low, high


def _metadata_number(key: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"the model's metadata {key} = '{text}' is not a number") from None
