"""One population, opened, in words for a terminal."""

from __future__ import annotations

from typing import Any

from ganglion.ir import dims, signed_bits, size

from .facts import number, spread
from .population import Arrival, OpenedPopulation
from .table import columns, cut


def population_text(p: OpenedPopulation) -> str:
    """Facts, members, channels, inputs and cores."""
    return "\n".join([*_facts(p), *_members(p), *_channels(p), *_arrivals(p), *_cores(p)])


def _facts(p: OpenedPopulation) -> list[str]:
    facts = {"shape": f"{dims(p.shape)}, {_count(size(p.shape), 'neuron')} in {_count(p.shape[0], 'channel')}"}
    if p.level is not None and p.steps is not None:
        what = " it sends in" if p.payloads.size else ""
        facts["time"] = f"level {p.level}:{what} the steps {p.level} to {p.level + p.steps - 1} (T = {p.steps})"
    if p.spikes is not None:
        facts["spikes"] = f"{p.spikes[0]} to {p.spikes[1]} at a step"
    if p.scale is not None:
        facts["scale"] = f"one spike stands for {spread(p.scale)}"
    if p.interval is not None:
        low, high = p.interval
        facts["membrane"] = f"potential in [{low}, {high}]: {signed_bits(low, high)} bits"
    facts["unit"] = f"{spread(p.unit)}, per {'channel' if p.unit.ndim else 'population'}"
    facts["bias"] = "none" if p.bias is None else f"{spread(p.bias)}, {p.bias.dtype}"
    if p.placeholder:
        facts["levels"] = "a placeholder: a plain ReLU gets its levels from samples (compile --calibration X.npy)"
    facts["origin"] = ", ".join(p.origin) or "not known"
    facts["read by"] = ", ".join(p.readers) or "nobody"
    width = max(map(len, facts))
    return [f"{p.kind} {p.name}", *(f"  {key.ljust(width)}  {words}" for key, words in facts.items())]


def _members(p: OpenedPopulation) -> list[str]:
    if not p.members:
        return []
    if p.payloads.size:
        return _phases(p)
    title = _count(len(p.members), "level" if p.kind == "staircase" else "member")
    if p.kind != "staircase":
        how = f"through '{p.inhibited_by}', one step later" if p.inhibited_by else "at once"
        title += f"; every spike inhibits all of them {how}"
    rows = []
    for k, name in enumerate(p.members):
        real = p.thresholds[k] * p.unit
        rows.append((name, spread(p.thresholds[k]), spread(real), spread(p.inhibition[k])))
    return ["", title, *cut(columns(rows, ("member", "threshold", "in real units", "inhibition"), numbers=(1, 2, 3)))]


def _phases(p: OpenedPopulation) -> list[str]:
    rows = []
    for name, threshold, payload in zip(p.members, p.thresholds, p.payloads, strict=True):
        rows.append((name, spread(threshold), spread(threshold * p.unit), str(payload)))
    title = f"one spike in {_count(len(rows), 'step')}, after as many have been collected"
    return ["", title, *cut(columns(rows, ("step", "threshold", "in real units", "payload"), numbers=(1, 2, 3)))]


def _channels(p: OpenedPopulation) -> list[str]:
    if not p.per_channel:
        return []
    tables = tuple(name for name in ("thresholds", "inhibition") if p.members and getattr(p, name).size)
    rows = []
    for channel in p.channels():
        low, high = channel["bias"] or (None, None)
        bias = "" if low is None else number(low) if low == high else f"{number(low)} to {number(high)}"
        rows.append((str(channel["channel"]), number(channel["unit"]), bias, *(_steps(channel[t]) for t in tables)))
    headings = ("channel", "unit", "bias", *tables)
    return ["", _count(len(rows), "channel"), *cut(columns(rows, headings, numbers=(0, 1, 2)))]


def _arrivals(p: OpenedPopulation) -> list[str]:
    rows = [(a.name, a.op, a.source, *_weights(a)) for a in p.arrivals]
    headings = ("input", "op", "from", "weights", "bits", "exponent", "delay", "arrives at level", "synapses")
    return ["", _count(len(rows), "input"), *columns(rows, headings, numbers=(4, 5, 6, 7, 8))]


def _cores(p: OpenedPopulation) -> list[str]:
    if isinstance(p.on_chip, str):
        return ["", f"cores: {p.on_chip}"] if p.on_chip else []
    return p.on_chip.lines()


def _weights(a: Arrival) -> tuple[str, ...]:
    """Weights, bits, exponent, delay, level and synapses; nothing of what is no projection."""
    if a.weights is None:
        return ("",) * 6
    integer = ("", "") if a.bits is None else (str(a.bits), str(a.exponent))
    arrives = "" if a.arrives is None else str(a.arrives)
    return f"{a.weights.dtype} {dims(a.weights.shape)}", *integer, str(a.delay), arrives, f"{a.synapses:,}"


def _steps(values: list[Any]) -> str:
    """The first, the second and the last of many values."""
    if len(values) > 4:
        return f"{number(values[0])}, {number(values[1])}, ..., {number(values[-1])}"
    return ", ".join(map(number, values))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
