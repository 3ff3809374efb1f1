"""Activations become staircases of the IR, or reasons why they cannot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ganglion.errors import CompileError
from ganglion.ir import Bias, Gather, OneToOne, Reshape, Staircase

from .activations import Activation, find_activations, inner_constant
from .input_format import InputFormat, from_quantiser
from .names import population_name
from .ramp import Ramp, ramp
from .scalar import evaluator
from .staircase import Fit, NotAStaircaseError, fit
from .tables import Table, check_channels, find_tables
from .translation import Translation
from .values import Array, name_of

if TYPE_CHECKING:
    from .lattice import Exact  # which builds on what is fitted here

QCFS = "replace it by QCFS and train (ganglion.frontend.torch.convert)"
CALIBRATE = "give samples, from which its levels are chosen (--calibration X.npy), or " + QCFS
RISES_FOR_EVER = "; or by a plain ReLU, which calibration can give levels"
REDRAW = "an activation must be y = s * clip(floor(x / s + 1/2), 0, L), shifted or scaled at most (QCFS)"


@dataclass(frozen=True, eq=False)
class Fitted:
    """An activation and what it is: a staircase, a ramp whose levels are still to be chosen, or neither (refused).

    With `table`, a staircase by its thresholds.
    """

    activation: Activation
    fit: Fit | None = None
    ramp: Ramp | None = None
    table: Table | None = None


@dataclass(frozen=True, eq=False)
class Population:
    """What an activation has become: the IR op `name`, an `Input` where it quantises the network's input."""

    activation: Activation
    name: str
    fit: Fit | None = None
    ramp: Ramp | None = None


def fit_activations(model: ir.Model, problems: list[CompileError]) -> list[Fitted]:
    """Every activation of `model` with what it is; what is neither staircase nor ramp is added to `problems`."""
    opsets = dict(model.opset_imports)
    cuts: set[ir.Value] = set()
    while True:
        found: list[Fitted] = []
        errors: list[CompileError] = []
        more: set[ir.Value] = set()
        for activation in find_activations(model.graph, cuts):
            try:
                found.append(_fit(activation, opsets))
            except CompileError as error:
                errors.append(error)
                found.append(Fitted(activation))
                more |= activation.codes_inside - cuts  # quantised more than once: each time alone, then
        if not more:
            break
        cuts |= more
    for activation, table in find_tables(model.graph):
        try:
            check_channels(activation, table)
            found.append(Fitted(activation, fit=table.fit, table=table))
        except CompileError as error:
            errors.append(error)
            found.append(Fitted(activation))
    problems += errors
    return found


def _fit(activation: Activation, opsets: dict[str, int]) -> Fitted:
    problem = inner_constant(activation)
    if problem is not None:
        raise problem
    function = evaluator(activation, opsets)
    assert activation.root.dtype is not None, "the evaluator has refused that"
    dtype = activation.root.dtype.numpy()
    try:
        return Fitted(activation, fit=fit(function, dtype))
    except NotAStaircaseError as error:
        rising = ramp(function, dtype) if error.continuous else None
        if rising is not None:
            return Fitted(activation, ramp=rising)
        raise CompileError(
            f"{activation.describe()}, as a function of '{name_of(activation.root)}', is not a staircase: {error}",
            origin=[name_of(n) for n in activation.core],
            hint=QCFS + RISES_FOR_EVER if error.continuous else REDRAW,
        ) from None


def uneven(found: list[Fitted]) -> list[str]:
    """A note for every table that even steps only approximate."""
    text = (
        "its thresholds are not evenly spaced: exact at T = 1 with as many members as levels, else even ones stand in"
    )
    return [f"{f.activation.names[0]}: {text}" for f in found if f.table is not None and not f.table.even]


def without_levels(found: list[Fitted]) -> list[CompileError]:
    """One error that lists these ramps, for which there is no calibration."""
    ramps = [f.activation for f in found]
    if not ramps:
        return []
    kinds = Counter(a.describe() for a in ramps)
    counted = ", ".join(kind if count == 1 else f"{count} times {kind}" for kind, count in kinds.items())
    return [
        CompileError(
            f"{len(ramps)} activation{'s have' if len(ramps) > 1 else ' has'} no levels: {counted}",
            origin=[name_of(n) for a in ramps for n in a.core],
            hint=CALIBRATE,
        )
    ]


def input_quantiser(found: list[Fitted], value: ir.Value) -> tuple[Fitted, InputFormat] | None:
    """The staircase through which alone the network sees its input `value`, with the codes that express it."""
    for fitted in found:
        inside = all(n in fitted.activation.nodes for n in value.consumers())
        if fitted.activation.root is value and inside and fitted.fit is not None and fitted.table is None:
            codes = from_quantiser(fitted.fit)
            return (fitted, codes) if codes is not None else None
    return None


def emit_staircase(
    t: Translation, activation: Activation, fit: Fit, earlier: list[Population], exact: Exact | None = None
) -> Population:
    """Bias((shift - 1/2) * step), Staircase, OneToOne(rise / step), Bias(base); what does nothing is left out.

    The same function of the same value, written twice, is one population; and a quantiser of values that are
    on its levels already (exporters put one after every Flatten) is none. With `exact`, the thresholds are the model's
    own, in integers.
    """
    before = _before_rearranging(t, t.values[activation.root])
    for other in earlier:
        if other.fit is None:
            continue
        if before and before == t.values[other.activation.output] and _changes_nothing(fit, other.fit):
            t.values[activation.output] = t.values[activation.root]
            return Population(activation, other.name, fit)
        if other.activation.root is activation.root and _same(other.fit, fit):
            t.values[activation.output] = t.values[other.activation.output]
            return Population(activation, other.name, fit)
    name = _name(t, activation)
    source = t.values[activation.root]
    grid, thresholds = (None, None) if exact is None else (exact.grid, exact.thresholds)
    source = _shifted(t, activation, name, source, (fit.shift - 0.5) * fit.step if exact is None else exact.offset)
    _emit(t, activation, name, source, fit.step, fit.levels, np.array(fit.rise / fit.step), fit.base, grid, thresholds)
    return Population(activation, name, fit)


def emit_table(t: Translation, activation: Activation, table: Table, exact: Exact | None) -> Population:
    """OneToOne(1 / step) where there is one for each channel, Bias((shift - 1/2) * step), Staircase with thresholds."""
    name, fit = _name(t, activation), table.fit
    source, at = t.values[activation.root], table.thresholds.astype(np.float64)
    offset = (table.shift - 0.5) * table.step
    offset = np.where(at[0] + offset > 0, offset, table.step / 2 - at[0])
    grid, thresholds = None, at + offset
    if exact is not None:
        grid, offset, thresholds = exact.grid, exact.offset, exact.thresholds
    step = fit.step
    if table.step.ndim:
        source = t.emit(OneToOne, f"{name}.scale", [source], activation.names, weight=1 / table.step)
        grid = None if grid is None else grid / table.step
        thresholds = (thresholds if thresholds.ndim > 1 else thresholds[:, None]) / table.step
        offset, step = offset / table.step, 1.0
    source = _shifted(t, activation, name, source, offset)
    _emit(t, activation, name, source, step, fit.levels, np.array(1 / step), 0.0, grid, thresholds)
    return Population(activation, name, fit)


def emit_ramp(
    t: Translation, activation: Activation, r: Ramp, theta: Array, levels: int, earlier: list[Population]
) -> Population:
    """The staircase of `levels` levels that stands for a ramp, up to `theta`, () or (C,), above its lowest value.

    y = base + s * clip(floor(gain * (x - start) / s + 1/2), 0, levels) with s = theta / levels; a theta per channel is
    a factor before and after the staircase, which composition folds into the weights.
    """
    for other in earlier:
        if other.activation.root is activation.root and other.ramp == r:
            t.values[activation.output] = t.values[other.activation.output]
            return Population(activation, other.name, ramp=r)
    name = _name(t, activation)
    source = t.values[activation.root]
    source = _shifted(t, activation, name, source, -r.start)
    step = theta / (r.gain * levels)
    if theta.ndim:
        source = t.emit(OneToOne, f"{name}.scale", [source], activation.names, weight=1 / step)
    one = 1.0 if theta.ndim else float(step)
    gain = theta / levels / one
    ends = np.array(0.0), np.asarray(r.height / gain)
    _emit(t, activation, name, source, one, levels, gain, r.base, ends=ends)
    return Population(activation, name, ramp=r)


def emit_input_codes(t: Translation, activation: Activation, fit: Fit, codes: InputFormat) -> Population:
    """The quantiser of the input itself: the input's codes are its levels."""
    source = t.values[activation.root]
    name = population_name([*activation.core, *activation.nodes], activation.output)
    base = fit.base - codes.low * fit.rise
    t.values[activation.output] = _scaled(t, activation, source, name, np.array(fit.rise / fit.step), base)
    return Population(activation, source, fit)


def _shifted(t: Translation, activation: Activation, name: str, source: str, offset: float | Array) -> str:
    """source + offset; nothing where the offset is zero."""
    if not np.any(offset):
        return source
    return t.emit(Bias, f"{name}.shift", [source], activation.names, bias=np.asarray(offset))


def _emit(
    t: Translation, activation: Activation, name: str, source: str, step: float, levels: int,
    gain: Array, base: float, grid: Array | None = None, thresholds: Array | None = None,
    ends: tuple[Array, Array] | None = None,
) -> None:  # fmt: skip
    """Staircase, OneToOne(gain), Bias(base) as the output of `activation`; what does nothing is left out.

    `ends` are those of the ramp that the model has there.
    """
    low, high = ends or (None, None)
    t.ops.append(
        Staircase(
            name=name,
            inputs=(source,),
            origin=activation.names,
            step=step,
            levels=levels,
            grid=grid,
            thresholds=thresholds,
            value=name_of(activation.output),
            gain=np.asarray(gain),
            base=np.array(base),
            low=low,
            high=high,
        )
    )
    t.values[activation.output] = _scaled(t, activation, name, name, gain, base)


def _name(t: Translation, activation: Activation) -> str:
    return t.names.fresh(population_name([*activation.core, *activation.nodes], activation.output))


def _scaled(t: Translation, activation: Activation, source: str, name: str, gain: Array, base: float) -> str:
    if gain.ndim or gain != 1:
        source = t.emit(OneToOne, f"{name}.gain", [source], activation.names, weight=gain)
    if base != 0:
        source = t.emit(Bias, f"{name}.base", [source], activation.names, bias=np.array(base))
    return source


def _before_rearranging(t: Translation, name: str) -> str:
    """The value that `name` is a rearrangement of."""
    ops = {op.name: op for op in t.ops}
    while isinstance(ops.get(name), (Reshape, Gather)):
        (name,) = ops[name].inputs
    return name


def _changes_nothing(second: Fit, first: Fit) -> bool:
    """Whether `second` leaves every level of `first` as it is."""
    y = first.base + first.rise * np.arange(first.levels + 1)
    again = second.base + second.rise * np.clip(np.floor(y / second.step + second.shift), 0, second.levels)
    return bool(np.abs(again - y).max() <= 1e-6 * abs(first.rise))


def _same(a: Fit, b: Fit) -> bool:
    same = (a.step, a.levels, a.shift, a.rise, a.base) == (b.step, b.levels, b.shift, b.rise, b.base)
    return same and np.array_equal(a.thresholds, b.thresholds)
