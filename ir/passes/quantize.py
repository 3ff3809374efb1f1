"""quantize: real weights, biases and thresholds become the target's integers. Rounding happens here, once.

With s the value of a spike already folded into the real weight W, the membrane unit Delta of the
receiving population (one per channel, or one for all) and the exponent e of the projection:

    weight    = rint(W / (Delta * 2^e))                      within the target's weight bits, but for the few
                                                             weights that keep the sum of a neuron's (rounded_in_sum)
    bias      = rint(b / Delta)
    threshold = ceil((k - 1/2) * q),  inhibition = rint(k * q) - rint((k - 1) * q),  q in units of Delta

Delta is as fine as the weights need it, finer (by exponents) where thresholds would be too coarse, and
coarser where the membrane potential would not provably fit; the last costs weight bits and is noted.

Where the model's own weights are integers (`grid`), they stay as they are: Delta is their unit, or a power of two
finer; weights wider than the target's are the sum of two projections. So are those of a skip connection, which would
else take the bits of the layer beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganglion.ir import linear
from ganglion.ir.graph import Graph, Stage
from ganglion.ir.interval import (
    Interval,
    added,
    arriving_bounds,
    bias_bounds,
    bias_bounds_by_step,
    by_channel,
    window_bounds,
)
from ganglion.ir.ops import (
    Array,
    Conv2d,
    Dense,
    GroupNeuron,
    MaxPool,
    Membrane,
    Neuron,
    OneToOne,
    Op,
    PhaseNeuron,
    Projection,
    per_channel,
)
from ganglion.ir.types import Spikes
from ganglion.targets import Target

RESOLUTION = 128  # a spike's worth of membrane units that thresholds and biases should at least have
READOUT_BITS = 4  # how much finer than the weights a readout's unit is, for the sake of its bias
WIDEST = 2**14  # a model's own integer weights are below this
MIN_WEIGHT_BITS = 4  # below this a layer is refused rather than coarsened further


@dataclass(frozen=True)
class Units:
    """The integer format of one membrane: Delta, () or (C,), and one exponent per projection."""

    delta: Array
    exponents: tuple[int, ...]


def quantize(graph: Graph, target: Target) -> Graph:
    """SCHEDULED -> QUANTIZED, in the integer formats of `target`."""
    for synapse in graph.of(Projection):
        if synapse.delay > target.max_delay:
            raise synapse.fail(
                f"the projection needs an extra delay of {synapse.delay} steps; {target.name} has {target.max_delay}",
                "the branches that meet here differ too much in depth",
            )
    integer: dict[str, list[Projection]] = {}
    membranes: dict[str, Membrane] = {}
    notes: list[str] = []
    for op in graph.of(Membrane):
        joined = [p for p in (graph[name] for name in op.inputs) if isinstance(p, Projection)]
        sources = [s for s in (graph.typeof(p.inputs[0]) for p in joined) if isinstance(s, Spikes)]
        shape = graph.typeof(op.inputs[0]).shape
        layer = Layer(op, joined, sources, shape[0], target, graph.steps)
        found = given_units(layer) or choose_units(layer)
        notes += [found.note] if found.note else []
        for p, exponent in zip(found.integers, found.units.exponents, strict=True):
            integer[p.name] = planes(replace(p, exponent=exponent), target)
        inputs = tuple(p.name for q in joined for p in integer[q.name])
        membrane = quantize_membrane(op, found.units.delta, shape)
        membranes[op.name] = replace(membrane, interval=found.interval, inputs=inputs)
    ops: list[Op] = []
    for other in graph.ops:
        ops += integer.get(other.name, [membranes.get(other.name, other)])
    return graph.rebuild(ops, stage=Stage.QUANTIZED, target=target.name, notes=(*graph.notes, *notes))


@dataclass(frozen=True)
class Layer:
    """A membrane with the projections into it and their sources, as `quantize` looks at it."""

    op: Membrane
    projections: list[Projection]
    sources: list[Spikes]
    channels: int
    target: Target
    steps: int


@dataclass(frozen=True)
class Found:
    """The format of a layer: its units and integer weights (the exponents are those of `units`), the interval that the
    potential never leaves, and what the user should know.
    """

    units: Units
    integers: list[Projection]
    interval: tuple[int, int]
    note: str = ""


def given_units(layer: Layer) -> Found | None:
    """The format in which the model's own integer weights stay as they are; None where there is none."""
    grid, op, target = layer.op.grid, layer.op, layer.target
    if isinstance(op, MaxPool):
        grid = np.array(1.0)
    if grid is None or (grid.ndim and np.ptp(grid) and target.scales == "population"):
        return None
    for p, source in zip(layer.projections, layer.sources, strict=True):
        weight = p.scaled(1 / p.part_of(grid, source.shape), source.shape)
        if np.abs(weight - np.rint(weight)).max(initial=0) > 1e-6 or np.abs(weight).max(initial=0) >= WIDEST:
            return None
    spare = 0
    if isinstance(op, Neuron):
        spare = int(np.ceil(np.log2(max(RESOLUTION * grid.max() / op.finest, 1))))
    elif op.bias is not None:
        spare = READOUT_BITS  # a readout's bias may be no whole number of the model's units
    joined = list(zip(layer.projections, layer.sources, strict=True))
    integers = [quantize_projection(p, grid, 0, source) for p, source in joined]
    widest = max((int(np.abs(p.weight.astype(np.int64)).max(initial=1)) for p in integers), default=1)
    upper = max(int(np.ceil(np.log2(widest / target.max_weight))), 0)  # what the upper bits of a wide weight need
    for finer in range(max(min(spare, target.max_exponent - upper), 0), -1, -1):
        units = Units(grid * 2.0**-finer, (finer,) * len(joined))
        low, high = bounds_with(layer, units, integers)
        if -target.max_potential <= low.min() and high.max() <= target.max_potential:
            return Found(units, integers, (int(low.min()), int(high.max())))
    return None


def planes(op: Projection, target: Target) -> list[Projection]:
    """`op` as one projection, or two whose weights fit the target: its upper bits, and the lower ones."""
    least, most = int(op.weight.min(initial=0)), int(op.weight.max(initial=0))
    if -target.max_weight - 1 <= least and most <= target.max_weight:
        return [op]
    shift = next(k for k in range(1, 32) if least >> k >= -target.max_weight - 1 and most >> k <= target.max_weight)
    upper = op.weight >> shift
    lower = op.weight - (upper << shift)
    found = [(op.name, upper, shift), (f"{op.name}#low", lower, 0)]
    return [
        replace(op, name=name, weight=part.astype(integer_type(part)), exponent=op.exponent + extra)
        for name, part, extra in found[: 2 if lower.any() else 1]
    ]


def choose_units(layer: Layer) -> Found:
    """The finest format in which the weights have all their bits and the membrane provably fits.

    With a note where weight bits had to be given up.
    """
    op, target, channels = layer.op, layer.target, layer.channels
    peaks = np.stack([p.peaks(s.shape) for p, s in zip(layer.projections, layer.sources, strict=True)])
    skips = np.array([isinstance(p, OneToOne) for p in layer.projections]) & (len(peaks) > 1)
    exponents, delta = relative_formats(peaks, ~skips if not skips.all() else skips, target)
    wide = 2.0**target.max_exponent * target.max_weight  # a skip connection may have two projections
    delta = np.maximum(delta, (peaks[skips] / wide).max(axis=0, initial=0))
    delta = np.where(delta > 0, delta, delta.max() or 1.0)
    shared = target.scales == "population" or not isinstance(op, Neuron)
    if shared:
        delta = np.array(delta.max())
    wanted = READOUT_BITS
    if isinstance(op, Neuron):
        wanted = int(np.ceil(np.log2(max(RESOLUTION * delta.max() / op.finest, 1))))
    beyond = peaks[skips] / (target.max_weight * delta)
    upper = int(np.ceil(np.log2(max(beyond.max(initial=1), 1))))
    spare = max(min(wanted, target.max_exponent - max(upper, int(exponents.max()))), 0)
    coarser = np.zeros(() if shared else channels, int)
    integers: list[Projection] = []
    while True:
        units = Units(delta * 2.0 ** (coarser - spare), tuple(int(e) + spare for e in exponents))
        if not integers:
            parts = zip(layer.projections, layer.sources, units.exponents, strict=True)
            integers = [quantize_projection(p, units.delta, exponent, source) for p, source, exponent in parts]
        low, high = bounds_with(layer, units, integers)
        misfits = (low < -target.max_potential) | (high > target.max_potential)
        if not misfits.any():
            break
        if spare:
            spare -= 1
            continue
        coarser[... if shared else misfits] += 1
        integers = []
        if coarser.max() > target.weight_bits - MIN_WEIGHT_BITS:
            raise op.fail(
                f"the membrane potential of '{op.name}' may reach {max(int(-low.min()), int(high.max()))}; "
                f"{target.name} holds {target.max_potential} ({target.membrane_bits} bits), "
                f"even with weights of {MIN_WEIGHT_BITS} bits",
                "compile for fewer steps or members, or narrow the input's range (--input-range LOW HIGH)",
            )
    interval = (int(low.min()), int(high.max()))
    if not coarser.any():
        given = op.grid is not None
        note = f"{op.name}: the model's integer weights do not fit {target.name} as they are: they are rounded anew"
        return Found(units, integers, interval, note if given else "")
    affected = channels if shared else int((coarser > 0).sum())
    note = (
        f"{op.name}: in {affected} of {channels} channels the weights use only "
        f"{target.weight_bits - int(coarser.max())} of {target.weight_bits} bits, so that the membrane potential "
        f"provably fits {target.membrane_bits} bits over {layer.steps} steps"
    )
    return Found(units, integers, interval, note)


def relative_formats(peaks: Array, heavy: Array, target: Target) -> tuple[Array, Array]:
    """Exponents of all projections, and the unit (C,) that the weights of the `heavy` ones need.

    `peaks` (P, C) are the largest |weight| of every projection into every channel. A layer's weights have their bits
    whatever the skip connection beside it weighs: that one alone may be wider than a weight of the target, since two
    synapses for each neuron cost little.
    """
    largest = peaks.max(axis=1) * heavy
    smallest = largest[largest > 0].min(initial=largest.max())
    ratio = np.log2(np.where(largest > 0, largest, smallest or 1) / (smallest or 1))
    exponents = np.clip(np.floor(ratio), 0, target.max_exponent).astype(int)
    return exponents, (peaks / (target.max_weight * 2.0 ** exponents[:, None]))[heavy].max(axis=0)


def bounds_with(layer: Layer, units: Units, integers: list[Projection]) -> Interval:
    """Bounds of the potential, per channel, with the integer weights of `integers` and the format `units`."""
    op, channels = layer.op, layer.channels
    largest = [] if op.bias is None else [np.abs(by_channel(op.bias, channels)).max(axis=1)]
    if isinstance(op, Neuron):
        largest.append(np.abs(op.thresholds).max(axis=0))
    if isinstance(op, GroupNeuron):
        largest.append(op.inhibition.sum(axis=0))
        if op.taking is not None:
            negative, excitation = op.taking
            largest += [np.abs(negative).max(axis=0), excitation.sum(axis=0)]
    end = np.iinfo(np.int32).max
    if any((values / units.delta > end).any() for values in largest):  # what 32 bits do not hold fits no membrane
        return np.full(channels, -end), np.full(channels, end)
    membrane = quantize_membrane(replace(op, bias=None), units.delta, (channels,))
    bias = None if op.bias is None else rounded(by_channel(op.bias, channels), per_row(units.delta))
    step = bias_bounds(bias, channels)
    parts = zip(integers, layer.sources, units.exponents, strict=True)
    often, once = arriving_bounds([(replace(p, exponent=exponent), source) for p, source, exponent in parts], channels)
    step = added(step, often)
    if not isinstance(membrane, GroupNeuron):
        return window_bounds(step, once, None, None, layer.steps)
    if membrane.bias_by_step is not None:
        step = added(step, bias_bounds_by_step(membrane.bias_by_step, channels))
    return window_bounds(step, once, (membrane.thresholds, membrane.inhibition), membrane.taking, layer.steps)


def per_row(delta: Array) -> Array:
    """delta, () or (C,), in a form that broadcasts over rows by channel."""
    return delta if delta.ndim == 0 else delta[:, None]


def quantize_projection(op: Projection, delta: Array, exponent: int, source: Spikes) -> Projection:
    """`op` with integer weights in units of delta * 2^exponent, delta () or (C,) over the receiving channels."""
    scale = op.part_of(delta * 2.0**exponent, source.shape)
    weight = np.asarray(op.scaled(1 / scale, source.shape))
    if isinstance(op, Conv2d):
        side = linear.repeated(op)  # weights that are equal stay so, and the sum of their counts may be multiplied once
        once = rounded_in_sum(weight[:, :, ::side, ::side])
        return replace(op, weight=once.repeat(side, axis=2).repeat(side, axis=3), exponent=exponent)
    if isinstance(op, Dense):
        return replace(op, weight=rounded_in_sum(weight), exponent=exponent)
    weight = np.rint(weight)
    return replace(op, weight=weight.astype(integer_type(weight)), exponent=exponent)


def rounded_in_sum(weight: Array) -> Array:
    """`weight` (O, ...) rounded so that the sum of every row changes by at most 1/2.

    Of a row whose rounding errors add up to n, the n weights that were the nearest to being rounded the other way are.
    What all inputs have in common, the mean of their rates, is then passed on exactly, which costs next to nothing in
    the weights themselves.
    """
    rows = weight.reshape(len(weight), -1)
    ends = np.array([rows.min(initial=0), rows.max(initial=0)])
    result = np.empty(rows.shape, integer_type(np.rint(ends)))  # row by row: large layers have 10^8 weights
    for row, integers in zip(rows, result, strict=True):
        whole = np.rint(row)
        error = whole - row
        excess = int(np.rint(error.sum()))
        if excess:
            sign = np.sign(excess)
            moved = np.argpartition(-sign * error, abs(excess) - 1)[: abs(excess)]
            whole[moved] -= sign
        integers[:] = whole
    return result.reshape(weight.shape)


def integer_type(values: Array) -> type[np.signedinteger[Any]]:
    """The smallest of int8, int16 and int32 that holds `values`."""
    least, most = values.min(initial=0), values.max(initial=0)
    return next(t for t in (np.int8, np.int16, np.int32) if np.iinfo(t).min <= least and most <= np.iinfo(t).max)


def quantize_membrane(op: Membrane, delta: Array, shape: tuple[int, ...]) -> Membrane:
    """`op` with integer bias and tables in units of delta, () or (C,)."""
    unit = per_channel(delta, shape)
    if op.bias is not None:
        bias = per_channel(op.bias, shape) if op.bias.ndim < len(shape) and op.bias.ndim else op.bias
        integer = rounded(bias, unit)
        op = replace(op, bias=integer.reshape(shape[0]) if integer.size == shape[0] else integer)
    op = replace(op, unit=delta)
    if isinstance(op, PhaseNeuron):
        return replace(op, thresholds=reached(op.thresholds, delta))
    if not isinstance(op, GroupNeuron):
        return op
    if op.taking is not None:
        negative, excitation = integer_tables(*op.taking, delta)
        op = replace(op, negative=negative, excitation=excitation)
    if op.bias_by_step is not None:
        op = replace(op, bias_by_step=rounded(over_channels(op.bias_by_step, delta), delta))
    thresholds, inhibition = integer_tables(op.thresholds, op.inhibition, delta)
    return replace(op, thresholds=thresholds, inhibition=inhibition)


def integer_tables(thresholds: Array, amounts: Array, delta: Array) -> tuple[Array, Array]:
    """Thresholds, rounded up, and what each member adds to or takes from the membrane, rounded in sum."""
    total = rounded(np.cumsum(over_channels(amounts, delta), axis=0), delta)
    return reached(thresholds, delta), np.diff(total, axis=0, prepend=0).astype(np.int32)


def reached(thresholds: Array, delta: Array) -> Array:
    """The least whole numbers of units that reach real thresholds (K,) or (K, C)."""
    return np.asarray(np.ceil(over_channels(thresholds, delta) / delta).astype(np.int32))


def over_channels(table: Array, delta: Array) -> Array:
    """A table (K,) or (K, C) in a form that broadcasts with delta, () or (C,)."""
    return table if delta.ndim == 0 or table.ndim == 2 else table[:, None]


def rounded(values: Array, unit: Array) -> Array:
    """`values` in whole units, int32, ties to even."""
    return np.rint(values / unit).astype(np.int32)
