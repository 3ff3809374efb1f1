"""Every condition that a network on a chip has to keep: each passes, fails, or is not known to pass.

What is not known names what is assumed; a fit that leans on it is a fit under assumptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ganglion.ir import Conv2d, Graph, GroupNeuron, Input, MaxPool, Projection, Spikes, signed_bits
from ganglion.ir.exact import prove
from ganglion.targets import Hardware, Target

from .layers import Layer
from .observe import Observed
from .result import Check, MappedLayer, Verdict
from .search import Cut, shares, slots
from .tiles import bias_synapses, largest, lateral_synapses

HELP = {
    "neurons": "take fewer members, or fewer channels",
    "in-axons": "cut the layer's fan-in: fewer channels, a depthwise convolution, or a population between",
    "out-axons": "fewer cores behind it: fewer channels there",
    "thresholds": "take fewer members; compile for this target (one set of thresholds per population)",
    "synapse formats": "compile for this target",
    "synaptic words": "fewer channels, or a depthwise convolution",
    "words of one axon": "fewer channels",
    "synaptic memory": "fewer channels, or a depthwise convolution",
    "memory": "fewer channels, or a depthwise convolution",
}


def mapped(cut: Cut, hardware: Hardware, senders: Mapping[str, int]) -> MappedLayer:
    """A population's cut as the result tells it, with the limit that binds and what would help."""
    use = {name: int(values.max()) for name, values in cut.use.items()} | cut.broken
    full = shares(use, cut.limits)
    name = max(cut.broken or full, key=full.__getitem__)
    remedy = ""
    if cut.broken or cut.tiling.tiles > 1:
        remedy = HELP[name]
        if max(cut.layer.members, *(senders[link.source] for link in cut.layer.incoming)) > 1 and name != "thresholds":
            graded = ", or use the graded form" if hardware.payload_bits else ""
            remedy = f"halve tau{graded}; {remedy}"
    return MappedLayer(
        name=cut.layer.name,
        shape=cut.layer.shape,
        members=cut.layer.members,
        extents=cut.tiling.extents,
        cores=cut.tiling.tiles,
        use=use,
        limits=cut.limits,
        binding=f"{name}, {use[name]} of {cut.limits[name]}",
        broken=bool(cut.broken),
        remedy=remedy,
    )


def checks_of(
    net: Graph,
    target: Target,
    layers: Mapping[str, Layer],
    mapped_layers: tuple[MappedLayer, ...],
    form: str,
    seen: Observed | None,
) -> list[Check]:
    """All conditions but those that a placement decides. What was `seen` is told beside what can be."""
    hardware = target.hardware
    assert hardware is not None
    found = list(_resources(mapped_layers))
    for layer in layers.values():
        found += _population(layer, hardware, form)
        found += _arithmetic(net, layer, hardware)
    found += _registers(net, layers, hardware, seen)
    found += _network(net, target, layers, hardware)
    return found


def _resources(layers: tuple[MappedLayer, ...]) -> Iterator[Check]:
    """One check for every limited resource, and one more for every population that breaks it."""
    names = dict.fromkeys(name for layer in layers for name in layer.limits)
    for name in names:
        fullest = max(layers, key=lambda layer: layer.utilisation.get(name, 0.0))
        broken = [x for x in layers if x.use[name] > x.limits[name]]
        for layer in broken:
            detail = f"{layer.use[name]} of {layer.limits[name]}"
            remedy = layer.remedy if layer.binding.startswith(f"{name},") else HELP[name]
            yield Check(name=name, verdict="fail", where=layer.name, detail=detail, remedy=remedy)
        if not broken:
            detail = f"at most {fullest.use[name]} of {fullest.limits[name]} ({fullest.name})"
            yield Check(name=name, verdict="pass", detail=detail)


def _population(layer: Layer, hardware: Hardware, form: str) -> Iterator[Check]:
    """Whether the chip has such a neuron."""
    op = layer.op
    if isinstance(op, GroupNeuron) and form == "cluster" and op.graded_only:
        remedy = "use the graded form" if hardware.payload_bits else "choose another method"
        yield Check(name="members", verdict="fail", where=op.name, detail=op.graded_only, remedy=remedy)
    if hardware.programmable:
        return
    if isinstance(op, MaxPool):
        detail = "a max-pool population needs programmable neurons"
        yield Check(name="neuron", verdict="fail", where=op.name, detail=detail, remedy="replace it by an average pool")
    if isinstance(op, GroupNeuron) and op.takers:
        detail = "members that take spikes back need a gate, and so programmable neurons"
        yield Check(name="neuron", verdict="fail", where=op.name, detail=detail, remedy="compile with --method gn")


def _arithmetic(net: Graph, layer: Layer, hardware: Hardware) -> Iterator[Check]:
    """Whether its integers fit the chip's registers."""
    op, where = layer.op, layer.name
    value = net.typeof(where)
    if layer.fires and isinstance(value, Spikes) and layer.members == 1:
        most = max(abs(value.low), abs(value.high))
        bits = signed_bits(value.low, value.high) if value.low < 0 else most.bit_length()
        if bits > max(hardware.payload_bits, 1):
            detail = f"counts of {value.low}..{value.high} take {bits} bits of {hardware.payload_bits}"
            yield Check(name="payload", verdict="fail", where=where, detail=detail, remedy="use the cluster form")
    if isinstance(op, GroupNeuron):
        highest = largest(op.thresholds)
        if hardware.threshold_bits is not None and highest >= 2**hardware.threshold_bits:
            detail = f"{highest} takes more than {hardware.threshold_bits} bits"
            remedy = "fewer members, or coarser membrane units"
            yield Check(name="threshold", verdict="fail", where=where, detail=detail, remedy=remedy)
    if bias_synapses(layer, hardware):
        assert op.bias is not None
        told = hardware.assumptions.get("bias", "a bias this large arrives by synapses of a neuron that always fires")
        detail = f"|bias| up to {int(np.abs(op.bias).max())} of {hardware.bias_max}: {told}"
        yield Check(name="bias", verdict="unknown", where=where, detail=detail)


def largest_sum(net: Graph, layer: Layer) -> int:
    """The proved bound of |sum of the spikes that arrive in one step|."""
    total = 0
    for op in (link.projection for link in layer.incoming if link.entry):
        source = net.typeof(op.inputs[0])
        assert isinstance(source, Spikes)
        total += prove(op, source).bound << op.exponent
    return total


def largest_potential(layer: Layer) -> int | None:
    """The proved bound of |potential|; None where there is no proof."""
    return None if layer.op.interval is None else max(abs(end) for end in layer.op.interval)


def observed(net: Graph, layers: Mapping[str, Layer], seen: Observed | None) -> dict[str, Any] | None:
    """The largest sums and potentials that were seen, beside their proved bounds; None where nothing was measured."""
    if seen is None:
        return None
    return {
        "samples": seen.samples,
        "meaning": "the largest |sum of the spikes of one step| and |potential| on these samples, beside their proved "
        "bounds: an observation, no proof",
        "populations": {
            name: {
                "sum": seen.sums[name],
                "sum_bound": largest_sum(net, layer),
                "potential": seen.potentials[name],
                "potential_bound": largest_potential(layer),
            }
            for name, layer in layers.items()
        },
    }


def _registers(net: Graph, layers: Mapping[str, Layer], hardware: Hardware, seen: Observed | None) -> Iterator[Check]:
    """Whether the worst sums and potentials fit: one check for each kind, or one for every population that may not.

    A peak that was seen never proves that a register is wide enough; one beyond it proves that it is not.
    """
    potentials = {name: largest_potential(layer) for name, layer in layers.items()}
    sums: dict[str, int | None] = {name: largest_sum(net, layer) for name, layer in layers.items()}
    registers = (
        ("potential", "|potential|", potentials, hardware.potential_bits, seen.potentials if seen else {}),
        ("sum of one step", "|sum|", sums, hardware.sum_bits, seen.sums if seen else {}),
    )
    for name, word, worst, bits, peaks in registers:
        if bits is None:
            continue
        most = 2 ** (bits - 1) - 1
        beyond = [where for where, bound in worst.items() if bound is None or bound > most]
        for where in beyond or [max(worst, key=lambda k: worst[k] or 0)]:
            bound = worst[where]
            proof = "has no proved bound" if bound is None else f"up to {bound} of {most} in the worst case"
            detail = f"{word} {proof}" + (f", up to {peaks[where]} on {seen.samples} samples" if seen else "")
            if beyond:
                verdict: Verdict = "fail" if peaks.get(where, 0) > most else "unknown"  # what was seen is possible
                remedy = f"coarser membrane units: compile for a description of the chip with membrane_bits = {bits}"
                yield Check(name=name, verdict=verdict, where=where, detail=detail, remedy=remedy)
            else:
                yield Check(name=name, verdict="pass", detail=f"{detail} ({where})")


def _network(net: Graph, target: Target, layers: Mapping[str, Layer], hardware: Hardware) -> Iterator[Check]:
    """What concerns the network as a whole."""
    projections = net.of(Projection)
    weight = max((largest(p.weight) for p in projections), default=0)
    exponent = max((p.exponent for p in projections), default=0)
    bits = max(
        (signed_bits(int(p.weight.min(initial=0)), int(p.weight.max(initial=0))) for p in projections), default=1
    )
    fine = bits <= target.weight_bits and exponent <= target.max_exponent
    detail = (
        f"|weight| up to {weight}, {bits} bits of {target.weight_bits}; exponents up to {exponent} of "
        f"{target.max_exponent}"
    )
    yield Check(
        name="weights", verdict="pass" if fine else "fail", detail=detail, remedy="" if fine else _again(target)
    )

    delay = max((p.delay for p in projections), default=0)
    fine = delay <= target.max_delay
    detail = f"up to {delay} of {target.max_delay}; every path is balanced"
    yield Check(name="delays", verdict="pass" if fine else "fail", detail=detail, remedy="" if fine else _again(target))

    lateral = [layer for layer in layers.values() if layer.lateral]
    if lateral and hardware.subtract_bits is not None:
        most = max(lateral_synapses(layer, hardware) // layer.members for layer in lateral)
        detail = f"exact, with up to {most} synapses of {hardware.subtract_bits} bits for one value"
        yield Check(name="soft reset", verdict="pass", detail=detail)
    elif not hardware.programmable and hardware.per_neuron == 1:
        yield Check(
            name="soft reset", verdict="fail", detail="neurons reset to 0", remedy="two compartments per neuron"
        )
    detail = "V >= theta, as V > theta - 1" if not hardware.programmable else "V >= theta, by the neuron program"
    yield Check(name="comparison", verdict="pass", detail=detail)
    if hardware.programmable:
        yield Check(name="leak", verdict="pass", detail="none in the neuron program")
    else:
        told = hardware.assumptions.get("leak", "a decay of 0 leaves membranes as they are")
        yield Check(name="leak", verdict="unknown", detail=told)
        told = hardware.assumptions.get("reset", "something resets every membrane at its window's start")
        yield Check(name="reset between samples", verdict="unknown", detail=told)
    yield from _assumed(net, layers, hardware)


def _assumed(net: Graph, layers: Mapping[str, Layer], hardware: Hardware) -> Iterator[Check]:
    """What a fit on this chip leans on, as far as this network needs it."""
    members = any(layer.members > 1 for layer in layers.values())
    pools = any(isinstance(layer.op, MaxPool) for layer in layers.values())
    convolved = hardware.shares_convolutions and any(isinstance(p, Conv2d) for p in net.of(Projection))
    neurons = any(isinstance(layer.op, GroupNeuron) for layer in layers.values())
    direct = any(isinstance(net[p.inputs[0]], Input) for p in net.of(Projection)) and not hardware.payload_bits
    longest = max((slots(layer) for layer in layers.values()), default=1)
    needed = {
        "lists": hardware.lists is not None and members,
        "runs": hardware.lists is not None,
        "delays": hardware.delay_products is not None and longest * (hardware.neurons or 0) > hardware.delay_products,
        "input": direct,
        "memory": hardware.memory is not None,
        "convolutions": convolved,
        "axons": hardware.in_axons is None or hardware.out_axons is None,
        "soft_reset": hardware.programmable and neurons,
        "pools": hardware.programmable and pools,
        "revision": True,
    }
    for key, applies in needed.items():
        if applies and key in hardware.assumptions:
            yield Check(name=key.replace("_", " "), verdict="unknown", detail=hardware.assumptions[key])
        elif applies and key == "axons":
            yield Check(name="axons", verdict="unknown", detail="their limit per core is not known")


def _again(target: Target) -> str:
    return f"compile with --target {target.name}"
