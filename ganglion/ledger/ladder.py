"""Which networks stand on the ladder, from the source on.

onnxruntime     the model
folded          its linear parts composed, in float64
staircase       activations clipped and quantised
infinite T      Group Neurons that fire for ever: clipped, not quantised
float spikes    T time-steps, real weights
recompiled      integers, as `compile` makes them of the model today; only where the network is another one
integer spikes  the network
clusters        explicit members with lateral inhibition
lava            what Lava recorded
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING

from ganglion import methods, targets
from ganglion.errors import InputError
from ganglion.ir import (
    Cluster,
    Graph,
    GroupNeuron,
    IntegrateFire,
    Membrane,
    passes,
    signed_bits,
    size,
)
from ganglion.ir.fingerprint import fingerprint
from ganglion.ir.verify import paths_are_balanced
from ganglion.pipeline import chip_of, imported, options_of, spiking
from ganglion.simulator.values import as_in_model, quantised, unlimited

from .meaning import Meaning, meanings_of
from .networks import Network, Recording, SourceRung, SpikingRung, ValueRung

if TYPE_CHECKING:
    import onnx

    Model = onnx.ModelProto | str | PathLike[str]

FLOAT32 = 0.02  # how far one folded layer may be from float32's: some activations lie on a step to within rounding
CLUSTER_BYTES = 1 << 30  # of the members of one population, for one sample
SOURCE, FOLDED, STAIRCASE, INFINITE = "onnxruntime", "folded", "staircase", "infinite T"
FLOAT, RECOMPILED, INTEGER, CLUSTERS, LAVA = "float spikes", "recompiled", "integer spikes", "clusters", "lava"


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """`rungs` from the source on; `items` are what steps from rung to rung: the input, the populations, the readout."""

    rungs: list[Network]
    recording: Recording | None
    meanings: dict[str, Meaning]
    items: list[str]
    notes: list[str]


def build(
    model: Model,
    net: Graph,
    *,
    target: str | PathLike[str] | targets.Target | None = None,
    lava: Recording | None = None,
) -> Ladder:
    """The ladder from `model` to `net`; see `ledger_of`."""
    from ganglion import frontend  # onnxruntime takes a second to load

    options = options_of(net)
    chip = known_target(net, target)
    composed = passes.run(imported(model, options), [passes.compose])
    way = methods.from_text(net.method)
    tuned = replace(composed, tuning=net.tuning)
    real = passes.run(tuned, spiking(steps=net.steps, members=net.members, target=None, method=way))
    again = passes.run(tuned, spiking(steps=net.steps, members=net.members, target=chip, method=way))
    opened = frontend.OpenedModel(model, options)
    meanings = meanings_of(composed, net, opened)
    free, changed = _headroom(net, chip), fingerprint(again) != fingerprint(net)
    judge = frontend.reference(model, options)
    told = net.members and way.levels(net.members)  # levels of a step
    rungs: list[Network] = [
        SourceRung(name=SOURCE, judge=judge, model=opened, meanings=meanings),
        ValueRung(name=FOLDED, graph=composed, activation=as_in_model, tolerance=FLOAT32),
        ValueRung(name=STAIRCASE, graph=composed, activation=quantised(net.steps, told)),
        ValueRung(name=INFINITE, graph=composed, activation=unlimited),
        SpikingRung(name=FLOAT, graph=real),
    ]
    if changed:
        rungs.append(SpikingRung(name=RECOMPILED, graph=again, headroom=_headroom(again, chip)))
    balanced = not list(paths_are_balanced(net))  # only then is layer by layer the same as step by step
    rungs.append(
        SpikingRung(
            name=INTEGER,
            graph=net,
            engine="layer" if balanced else "step",
            headroom=free,
            tolerance=0.0 if changed else None,
        )
    )
    notes = []
    wide = max((size(net.typeof(op.name).shape) * op.members for op in net.of(GroupNeuron)), default=0)
    if not way.cluster:
        notes.append(f"no rung '{CLUSTERS}': the method '{way.name}' has no form of explicit members")
    elif wide * (4 + net.steps) > CLUSTER_BYTES:
        notes.append(f"no rung '{CLUSTERS}': the members of one population would take {wide * (4 + net.steps):,} bytes")
    else:
        form = passes.expand_clusters(net)
        rungs.append(
            SpikingRung(
                name=CLUSTERS,
                graph=form,
                engine="layer" if balanced else "step",
                headroom=_headroom(form, chip),
                tolerance=0.0,
            )
        )
    items = [net.input.name, *meanings, net.readout.name]
    recording = None
    if lava is not None:
        recording = replace(lava, headroom=free, counts={name: lava.counts[name] for name in meanings})
    return Ladder(rungs=rungs, recording=recording, meanings=meanings, items=items, notes=notes)


def known_target(net: Graph, target: str | PathLike[str] | targets.Target | None) -> targets.Target:
    """What `net` was compiled for: `target`, or the bundled one of the name it keeps; `InputError` for another name."""
    chip = chip_of(target if target is not None or net.target not in targets.BUNDLED else net.target)
    if chip is None or chip.name != net.target:
        raise InputError(
            f"the network was compiled for '{net.target}'",
            hint="the ledger compiles the model again: say for which description of it (--target FILE.toml)",
        )
    return chip


def _headroom(net: Graph, chip: targets.Target) -> Mapping[str, int]:
    """By population, the bits of the membrane potential that its proven interval leaves free."""
    members = {op.name: op for op in net.of(IntegrateFire)}
    found = {}
    for op in net.populations:
        membrane = members[op.inputs[0]] if isinstance(op, Cluster) else op
        if isinstance(membrane, Membrane) and membrane.interval is not None:
            found[op.name] = chip.membrane_bits - signed_bits(*membrane.interval)
    return found


__all__ = ["Ladder", "build"]
