"""quantize: real weights, biases and thresholds become the target's integers. Rounding happens here, once.

With s the value of a spike already folded into the real weight W, the membrane unit Delta of the
receiving population (one per channel, or one for all) and the exponent e of the projection:

    weight    = rint(W / (Delta * 2^e))                      within the target's weight bits
    bias      = rint(b / Delta)
    threshold = ceil((k - 1/2) * q),  inhibition = rint(k * q) - rint((k - 1) * q),  q in units of Delta

Delta is as fine as the weights need it, finer (by exponents) where thresholds would be too coarse, and
coarser where the membrane potential would not provably fit; the last costs weight bits and is noted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ganglion.ir.graph import Graph, Stage
from ganglion.ir.interval import Interval, bias_bounds, by_channel, current_bounds, window_bounds
from ganglion.ir.ops import Array, GroupNeuron, Membrane, Op, Projection, per_channel
from ganglion.ir.types import Spikes
from ganglion.targets import Target

RESOLUTION = 128  # a spike's worth of membrane units that thresholds and biases should at least have
READOUT_BITS = 4  # how much finer than the weights a readout's unit is, for the sake of its bias
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
    integer: dict[str, Op] = {}
    notes: list[str] = []
    for op in graph.of(Membrane):
        projections = [p for p in (graph[name] for name in op.inputs) if isinstance(p, Projection)]
        sources = [s for s in (graph.typeof(p.inputs[0]) for p in projections) if isinstance(s, Spikes)]
        units, interval, note = choose_units(
            op, projections, sources, graph.typeof(op.name).shape[0], target, graph.steps
        )
        notes += [note] if note else []
        for p, exponent in zip(projections, units.exponents, strict=True):
            integer[p.name] = quantize_projection(p, units.delta, exponent, target)
        membrane = quantize_membrane(op, units.delta, graph.typeof(op.name).shape)
        integer[op.name] = replace(membrane, interval=interval)
    return graph.rebuild(
        [integer.get(op.name, op) for op in graph.ops],
        stage=Stage.QUANTIZED,
        target=target.name,
        notes=(*graph.notes, *notes),
    )


def choose_units(
    op: Membrane, projections: list[Projection], sources: list[Spikes], channels: int, target: Target, steps: int
) -> tuple[Units, tuple[int, int], str]:
    """The finest format in which the weights have all their bits and the membrane provably fits.

    With it, the interval that the potential never leaves, and a note where weight bits had to be given up.
    """
    peaks = np.stack([np.abs(by_channel(p.weight, channels)).max(axis=1) for p in projections])
    largest = peaks.max(axis=1)
    smallest = largest[largest > 0].min(initial=largest.max())
    ratio = np.log2(np.where(largest > 0, largest, 1) / (smallest or 1))
    exponents = np.clip(np.floor(ratio), 0, target.max_exponent).astype(int)
    delta = (peaks / (target.max_weight * 2.0 ** exponents[:, None])).max(axis=0)
    delta = np.where(delta > 0, delta, delta.max() or 1.0)
    shared = target.scales == "population" or not isinstance(op, GroupNeuron)
    if shared:
        delta = np.full(channels, delta.max())
    wanted = READOUT_BITS
    if isinstance(op, GroupNeuron):
        wanted = int(np.ceil(np.log2(max(RESOLUTION * delta.max() / op.scale, 1))))
    spare = min(wanted, target.max_exponent - int(exponents.max()))
    coarser = np.zeros(channels, int)
    while True:
        units = Units(delta * 2.0 ** (coarser - spare), tuple(int(e) + spare for e in exponents))
        low, high = bounds_with(op, projections, sources, channels, units, target, steps)
        misfits = (low < -target.max_potential) | (high > target.max_potential)
        if not misfits.any():
            break
        if spare:
            spare -= 1
            continue
        coarser[slice(None) if shared else misfits] += 1
        if coarser.max() > target.weight_bits - MIN_WEIGHT_BITS:
            raise op.fail(
                f"the membrane potential of '{op.name}' may reach {max(int(-low.min()), int(high.max()))}; "
                f"{target.name} holds {target.max_potential} ({target.membrane_bits} bits), "
                f"even with weights of {MIN_WEIGHT_BITS} bits",
                "compile for fewer steps or members, or narrow the input's range (--input-range LOW HIGH)",
            )
    if shared:
        units = replace(units, delta=units.delta[0])
    interval = (int(low.min()), int(high.max()))
    if not coarser.any():
        return units, interval, ""
    return (
        units,
        interval,
        (
            f"{op.name}: in {int((coarser > 0).sum())} of {channels} channels the weights use only "
            f"{target.weight_bits - int(coarser.max())} of {target.weight_bits} bits, so that the membrane potential "
            f"provably fits {target.membrane_bits} bits over {steps} steps"
        ),
    )


def bounds_with(
    op: Membrane,
    projections: list[Projection],
    sources: list[Spikes],
    channels: int,
    units: Units,
    target: Target,
    steps: int,
) -> Interval:
    """Bounds of the potential, per channel, if `op` and its projections were quantised with `units`."""
    shape = (channels,)
    membrane = quantize_membrane(replace(op, bias=None), units.delta, shape)
    bias = None if op.bias is None else rounded(by_channel(op.bias, channels), units.delta[:, None])
    low, high = bias_bounds(bias, channels)
    for p, source, exponent in zip(projections, sources, units.exponents, strict=True):
        below, above = current_bounds(quantize_projection(p, units.delta, exponent, target), source)
        low, high = low + below, high + above
    tables = (membrane.thresholds, membrane.inhibition) if isinstance(membrane, GroupNeuron) else None
    return window_bounds((low, high), tables, steps)


def quantize_projection(op: Projection, delta: Array, exponent: int, target: Target) -> Projection:
    """`op` with integer weights in units of delta * 2^exponent, delta () or (C,) over the receiving channels."""
    scale = delta * 2.0**exponent
    if scale.ndim == 0 or op.weight.ndim == 0:
        weight = np.rint(op.weight / scale)
    else:
        weight = np.rint(op.weight / scale.reshape(-1, *(1,) * (op.weight.ndim - 1)))
    dtype = np.int8 if target.weight_bits <= 8 else np.int16 if target.weight_bits <= 16 else np.int32
    return replace(op, weight=weight.astype(dtype), exponent=exponent)


def quantize_membrane(op: Membrane, delta: Array, shape: tuple[int, ...]) -> Membrane:
    """`op` with integer bias and tables in units of delta, () or (C,)."""
    unit = per_channel(delta, shape)
    if op.bias is not None:
        bias = per_channel(op.bias, shape) if op.bias.ndim < len(shape) and op.bias.ndim else op.bias
        integer = rounded(bias, unit)
        op = replace(op, bias=integer.reshape(shape[0]) if integer.size == shape[0] else integer)
    op = replace(op, unit=delta)
    if not isinstance(op, GroupNeuron):
        return op
    thresholds, inhibition = (
        t if delta.ndim == 0 or t.ndim == 2 else t[:, None] for t in (op.thresholds, op.inhibition)
    )
    reset = rounded(np.cumsum(inhibition, axis=0), delta)
    return replace(
        op,
        thresholds=np.ceil(thresholds / delta).astype(np.int32),
        inhibition=np.diff(reset, axis=0, prepend=0).astype(np.int32),
    )


def rounded(values: Array, unit: Array) -> Array:
    """`values` in whole units, int32, ties to even."""
    return np.rint(values / unit).astype(np.int32)
