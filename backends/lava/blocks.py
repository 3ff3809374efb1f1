"""The text of the generated program: one block per op, in the order of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ganglion.ir import (
    Array,
    Conv2d,
    Dense,
    Graph,
    GroupNeuron,
    Input,
    Membrane,
    OneToOne,
    Op,
    Projection,
    Readout,
    Spikes,
    dims,
    signed_bits,
)

from .names import identifiers, one_line, quoted

INLINE = 16  # arrays up to this many values stand in the program, larger ones in weights.npz


@dataclass
class Program:
    """What the blocks are written into: the arrays of weights.npz, and which delays there are already."""

    graph: Graph
    names: dict[str, str] = field(init=False)
    arrays: dict[str, Array] = field(default_factory=dict)
    delays: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = identifiers(op.name for op in self.graph.ops)

    def array(self, key: str, value: Array) -> str:
        """An expression for `value`: itself where it is small, else a place in weights.npz."""
        if value.ndim <= 1 and value.size <= INLINE:
            return repr(value.tolist())
        self.arrays[key] = value
        return f'W["{key}"]'


def block(program: Program, op: Op) -> str:
    """The lines that build and connect `op`."""
    return BLOCKS[type(op)](program, op)


def input_block(program: Program, op: Input) -> str:
    name = program.names[op.name]
    head = f"# {name}: the input, {dims(op.shape)}, codes {op.low}..{op.high}"
    return "\n".join([head + origin(op), call(name, "InputSource", name=op.name, codes=Code("codes"), steps=Code("T"))])


def conv2d_block(program: Program, op: Conv2d) -> str:
    kernel = f"{dims(op.weight.shape[2:])} convolution" + (f" in {op.groups} groups" if op.groups > 1 else "")
    return projection_block(
        program, op, kernel, "Conv2d",
        input_shape=program.graph.typeof(op.inputs[0]).shape,
        **unless(
            strides=(op.strides, (1, 1)), pads=(op.pads, (0, 0, 0, 0)),
            dilations=(op.dilations, (1, 1)), groups=(op.groups, 1),
        ),
    )  # fmt: skip


def dense_block(program: Program, op: Dense) -> str:
    source = program.graph.typeof(op.inputs[0])
    assert isinstance(source, Spikes)
    return projection_block(program, op, "dense", "dense", message_bits=signed_bits(source.low, source.high))


def one_to_one_block(program: Program, op: OneToOne) -> str:
    return projection_block(program, op, "one to one", "OneToOne", shape=program.graph.typeof(op.inputs[0]).shape)


def projection_block(program: Program, op: Projection, kind: str, process: str, **options: Any) -> str:
    """The delay if it needs one that is not there yet, the projection, and its connection to its source."""
    name, source = program.names[op.name], program.names[op.inputs[0]]
    shape = program.graph.typeof(op.inputs[0]).shape
    lines = []
    sender = source
    if op.delay and (source, op.delay) not in program.delays:
        late = f"{source}_late{op.delay}"
        sender = identifiers([late], [*program.names.values(), *program.delays.values()])[late]
        program.delays[source, op.delay] = sender
        lines += [
            f"# {sender}: {source}, {op.delay} step{'s' * (op.delay > 1)} later",
            call(sender, "Delay", name=f"{op.inputs[0]}#late{op.delay}", shape=shape, steps=op.delay),
            f"{source}.s_out.connect({sender}.s_in)",
            "",
        ]
    elif op.delay:
        sender = program.delays[source, op.delay]
    lines += [
        f"# {name}: {kind}, {source} {dims(shape)} -> {dims(program.graph.typeof(op.name).shape)}, "
        f"weights {dims(op.weight.shape)}{f' * 2**{op.exponent}' * (op.exponent > 0)}" + origin(op),
        call(
            name,
            process,
            name=op.name,
            weight=Code(program.array(f"{name}.weight", op.weight)),
            **options,
            **unless(exponent=(op.exponent, 0)),
        ),
        f"{sender}.s_out.connect({name}.s_in)",
    ]
    return "\n".join(lines)


def group_neuron_block(program: Program, op: GroupNeuron) -> str:
    name = program.names[op.name]
    return membrane_block(
        program, op, f"Group Neurons of {op.members} member{'s' * (op.members > 1)}", "GroupNeuron",
        thresholds=Code(program.array(f"{name}.thresholds", op.thresholds)),
        inhibition=Code(program.array(f"{name}.inhibition", op.inhibition)),
    )  # fmt: skip


def readout_block(program: Program, op: Readout) -> str:
    program.arrays[f"{program.names[op.name]}.unit"] = op.unit
    return membrane_block(program, op, "the readout, which only integrates", "Readout")


def membrane_block(program: Program, op: Membrane, kind: str, process: str, **options: Any) -> str:
    """The population, and the connections from its projections."""
    name = program.names[op.name]
    shape = program.graph.typeof(op.name).shape
    bias = {} if op.bias is None else {"bias": Code(program.array(f"{name}.bias", op.bias))}
    lines = [
        f"# {name}: {kind}, {dims(shape)}, level {op.level}" + origin(op),
        call(
            name, process, name=op.name, shape=shape, **options,
            **bias, level=op.level, steps=Code("T"), samples=Code("N"),
        ),
        *(f"{program.names[i]}.a_out.connect({name}.a_in)" for i in op.inputs),
    ]  # fmt: skip
    return "\n".join(lines)


BLOCKS: dict[type[Op], Callable[[Program, Any], str]] = {
    Input: input_block,
    Conv2d: conv2d_block,
    Dense: dense_block,
    OneToOne: one_to_one_block,
    GroupNeuron: group_neuron_block,
    Readout: readout_block,
}


class Code(str):
    """An expression, as opposed to a text."""


def call(target: str, process: str, /, **arguments: Any) -> str:
    """`target = process(...)`, on one line where it fits."""
    shown = [
        f"{k}={v if isinstance(v, Code) else quoted(v) if isinstance(v, str) else repr(v)}"
        for k, v in arguments.items()
    ]
    line = f"{target} = {process}({', '.join(shown)})"
    if len(line) <= 112:
        return line
    return "\n".join([f"{target} = {process}(", *(f"    {s}," for s in shown), ")"])


def unless(**options: tuple[Any, Any]) -> dict[str, Any]:
    """The options (value, default) that do not have their default."""
    return {name: value for name, (value, default) in options.items() if value != default}


def origin(op: Op) -> str:
    """The ONNX nodes an op came from, as a second comment line."""
    return f"\n# from {one_line(', '.join(op.origin))}" if op.origin else ""
