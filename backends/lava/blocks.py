"""The text of the generated program: one block per op, in the order of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganglion.ir import (
    Conv2d,
    Dense,
    GroupNeuron,
    Input,
    MaxPool,
    Membrane,
    OneToOne,
    Op,
    PhaseNeuron,
    Projection,
    Readout,
    Shape,
    Sparse,
    Spikes,
    dims,
    signed_bits,
)

from .names import identifiers
from .writer import Code, Program, origin, unless


def block(program: Program, op: Op) -> str:
    """The lines that build and connect `op`."""
    return BLOCKS[type(op)](program, op)


def input_block(program: Program, op: Input) -> str:
    name = program.names[op.name]
    head = f"# {name}: the input, {dims(op.shape)}, codes {op.low}..{op.high}"
    source = program.create(name, "InputSource", name=op.name, codes=Code("codes"), steps=Code("T"))
    return "\n".join([head + origin(op), source])


def conv2d_block(program: Program, op: Conv2d) -> str:
    kernel = f"{dims(op.weight.shape[2:])} convolution" + (f" in {op.groups} groups" if op.groups > 1 else "")
    return projection_block(
        program, op, kernel, "Conv2d",
        weight=weight(program, op), input_shape=program.shape(op.inputs[0]), **taken(program, op),
        **unless(
            strides=(op.strides, (1, 1)), pads=(op.pads, (0, 0, 0, 0)),
            dilations=(op.dilations, (1, 1)), groups=(op.groups, 1), upsample=(op.upsample, (1, 1)),
        ),
    )  # fmt: skip


def dense_block(program: Program, op: Dense) -> str:
    source = program.graph.typeof(op.inputs[0])
    assert isinstance(source, Spikes)
    bits = signed_bits(source.low, source.high)
    return projection_block(program, op, "dense", "dense", weight=weight(program, op), message_bits=bits)


def one_to_one_block(program: Program, op: OneToOne) -> str:
    shape = program.shape(op.inputs[0])
    return projection_block(
        program, op, "one to one", "OneToOne", weight=weight(program, op), shape=shape, **taken(program, op)
    )


def sparse_block(program: Program, op: Sparse) -> str:
    name = program.names[op.name]
    return projection_block(
        program, op, "sparse", "Sparse",
        weight=weight(program, op),
        index=program.array(f"{name}.index", op.index),
        pointer=program.array(f"{name}.pointer", op.pointer),
        input_shape=program.shape(op.inputs[0]), output_shape=op.shape,
    )  # fmt: skip


def weight(program: Program, op: Projection) -> Code:
    """The weights of a projection."""
    return program.array(f"{program.names[op.name]}.weight", op.weight)


def taken(program: Program, op: Conv2d | OneToOne) -> dict[str, Any]:
    """Which channels of the source are read, where it is not simply all."""
    return {} if op.take is None else {"take": program.array(f"{program.names[op.name]}.take", op.take)}


def projection_block(program: Program, op: Projection, kind: str, process: str, **options: Any) -> str:
    """The delay if it needs one that is not there yet, the projection, and its connection to its source."""
    name, source = program.names[op.name], program.names[op.inputs[0]]
    shape, result = program.shape(op.inputs[0]), op.map_shape(program.shape(op.inputs[0]))
    lines = []
    sender = source
    if op.delay and (source, op.delay) not in program.delays:
        late = f"{source}_late{op.delay}"
        sender = identifiers([late], [*program.names.values(), *program.delays.values()])[late]
        program.delays[source, op.delay] = sender
        lines += [
            f"# {sender}: {source}, {op.delay} step{'s' * (op.delay > 1)} later",
            program.create(sender, "Delay", name=f"{op.inputs[0]}#late{op.delay}", shape=shape, steps=op.delay),
            f"{source}.s_out.connect({sender}.s_in)",
            "",
        ]
    elif op.delay:
        sender = program.delays[source, op.delay]
    lines += [
        f"# {name}: {kind}, {seen(op)}{source} {dims(shape)} -> {dims(result)}{placed(op, result)}, "
        f"weights {dims(op.weight.shape)}{f' * 2**{op.exponent}' * (op.exponent > 0)}" + origin(op),
        program.create(
            name,
            process,
            name=op.name,
            **options,
            **unless(exponent=(op.exponent, 0), offset=(op.offset, 0), channels=(op.channels, 0)),
        ),
        f"{sender}.s_out.connect({name}.s_in)",
    ]
    return "\n".join(lines)


def seen(op: Projection) -> str:
    """For a comment: that a projection reads a selection of its source's channels."""
    take = op.take if isinstance(op, (Conv2d, OneToOne)) else None
    return "" if take is None else f"{len(take)} channel{'s' * (len(take) > 1)} of "


def placed(op: Projection, result: Shape) -> str:
    """For a comment: where among the receiver's channels the result lies."""
    if not op.channels:
        return ""
    first, last = op.offset, op.offset + result[0] - 1
    return f" as channel{f's {first}..{last}' if last > first else f' {first}'} of {op.channels}"


def group_neuron_block(program: Program, op: GroupNeuron) -> str:
    name = program.names[op.name]
    tables = ("thresholds", "inhibition", "negative", "excitation", "bias_by_step")
    given = {table: getattr(op, table) for table in tables if getattr(op, table) is not None}
    kind = f"Group Neurons of {op.members} member{'s' * (op.members > 1)}"
    kind += f", {op.takers} to take back" if op.takers else ""
    kind += ", as binary digits" if op.digits else ""
    return membrane_block(
        program, op, kind, "GroupNeuron",
        **{table: program.array(f"{name}.{table}", value) for table, value in given.items()},
    )  # fmt: skip


def phase_neuron_block(program: Program, op: PhaseNeuron) -> str:
    name = program.names[op.name]
    return membrane_block(
        program, op, f"phase neurons, which first send {op.hold} steps later", "PhaseNeuron",
        thresholds=program.array(f"{name}.thresholds", op.thresholds),
        payloads=program.array(f"{name}.payloads", op.payloads),
    )  # fmt: skip


def max_pool_block(program: Program, op: MaxPool) -> str:
    return membrane_block(
        program, op, f"the maximum over {dims(op.kernel)} windows", "MaxPool",
        kernel=op.kernel,
        **unless(
            strides=(op.strides, (1, 1)), pads=(op.pads, (0, 0, 0, 0)),
            dilations=(op.dilations, (1, 1)), low=(op.low, 0),
        ),
        high=op.high,
    )  # fmt: skip


def readout_block(program: Program, op: Readout) -> str:
    program.arrays[f"{program.names[op.name]}.unit"] = op.unit
    return membrane_block(program, op, "the readout, which only integrates", "Readout")


def membrane_block(program: Program, op: Membrane, kind: str, process: str, **options: Any) -> str:
    """The population, and the connections from its projections."""
    name = program.names[op.name]
    shape, result = program.shape(op.inputs[0]), program.shape(op.name)
    sent = f" -> {dims(result)}" if result != shape else ""
    bias = {} if op.bias is None else {"bias": program.array(f"{name}.bias", op.bias)}
    lines = [
        f"# {name}: {kind}, {dims(shape)}{sent}, level {op.level}" + origin(op),
        program.create(
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
    Sparse: sparse_block,
    GroupNeuron: group_neuron_block,
    PhaseNeuron: phase_neuron_block,
    MaxPool: max_pool_block,
    Readout: readout_block,
}
