"""The populations of a network as a mapper sees them: shapes (C, H, W), members, and what arrives and leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, GroupNeuron, Input, MaxPool, Membrane, Projection, Spikes, Stage, dims
from ganglion.ir.types import Shape
from ganglion.targets import Hardware

Extent = tuple[int, int]  # first, and one beyond the last
Box = tuple[Extent, Extent, Extent]  # of channels, rows, columns
FORMS = ("cluster", "graded")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """One projection between two populations; `source` is None where it comes from the input.

    entry  whether spikes carry it: the input's codes do only where spikes have a payload
    """

    projection: Projection
    source: str
    target: str
    shape: Shape  # of the source, as the network has it
    entry: bool

    @property
    def name(self) -> str:
        return self.projection.name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One population.

    shape     (C, H, W) of what it sends
    membranes (C, H, W) of its membranes: others than `shape` in a max-pool alone
    members   explicit members of every neuron: tau and those that take back in cluster form, else 1
    lateral   whether a neuron sends to itself or its cluster, which the chip's own reset cannot do for it
    fires     whether it sends spikes at all
    incoming, outgoing   its links
    """

    name: str
    op: Membrane
    shape: tuple[int, int, int]
    membranes: tuple[int, int, int]
    members: int
    lateral: bool
    fires: bool
    incoming: list[Link] = field(default_factory=list)
    outgoing: list[Link] = field(default_factory=list)

    @property
    def neurons(self) -> int:
        """Neurons, without their members."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def behind(self, axis: int, first: Array, beyond: Array) -> tuple[Array, Array]:
        """The extents of membranes behind the extents `first`, `beyond` of neurons along one axis, (n,) each."""
        if not isinstance(self.op, MaxPool) or axis == 0:
            return first, beyond
        op, i = self.op, axis - 1
        begin = first * op.strides[i] - op.pads[i]
        end = (beyond - 1) * op.strides[i] - op.pads[i] + op.dilations[i] * (op.kernel[i] - 1) + 1
        return np.maximum(begin, 0), np.minimum(end, self.membranes[axis])


def three(shape: Shape) -> tuple[int, int, int]:
    """`shape` as (C, H, W)."""
    c, h, w = (*shape, 1, 1)[:3]
    return c, h, w


def layers_of(net: Graph, hardware: Hardware, form: str) -> dict[str, Layer]:
    """The populations of `net` and its readout in topological order, by name.

    Raises `InputError` where `net` is not quantised or the form does not exist.
    """
    if net.stage is not Stage.QUANTIZED:
        raise InputError(
            f"'{net.name}' is at stage {net.stage.name.lower()}; a mapping takes a quantised network",
            hint="compile it for a target" if net.stage < Stage.QUANTIZED else "map the network before it is expanded",
        )
    if form not in FORMS:
        raise InputError(f"there is no form '{form}'", hint=f"one of: {', '.join(FORMS)}")
    layers: dict[str, Layer] = {}
    for op in net.of(Membrane):
        shape = net.typeof(op.name).shape
        if len(shape) > 3:
            raise InputError(f"'{op.name}' has shape {dims(shape)}; a mapping takes (C, H, W) at most")
        group = isinstance(op, GroupNeuron)
        explicit = isinstance(op, GroupNeuron) and form == "cluster"
        members = op.members + op.takers if explicit and isinstance(op, GroupNeuron) else 1
        layers[op.name] = Layer(
            name=op.name,
            op=op,
            shape=three(shape),
            membranes=three(net.typeof(op.inputs[0]).shape),
            members=members,
            lateral=group and (members > 1 or hardware.per_neuron > 1),
            fires=isinstance(net.typeof(op.name), Spikes),
        )
        for name in op.inputs:
            projection = net[name]
            assert isinstance(projection, Projection)  # the network is composed
            source = net[projection.inputs[0]]
            entry = not isinstance(source, Input) or hardware.payload_bits > 0
            link = Link(
                projection=projection,
                source=source.name,
                target=op.name,
                shape=net.typeof(source.name).shape,
                entry=entry,
            )
            layers[op.name].incoming.append(link)
            if source.name in layers:
                layers[source.name].outgoing.append(link)
    return layers
