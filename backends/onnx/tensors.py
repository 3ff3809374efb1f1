"""The inputs and outputs of the models: their names, shapes and meanings, and how the models say so themselves.

Every name is that of a population, a dot, and what it holds; so no two of them are the same. The batch is the axis "N".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from ganglion.errors import InputError
from ganglion.ir import Graph, GroupNeuron, MaxPool, Membrane, Op, Projection, Readout, Shape
from ganglion.ir.file import LIMIT
from ganglion.version import __version__

from .writer import INT32, INT64, Writer

OPSET, IR_VERSION = 18, 8  # what onnxruntime since 1.14 and onnx since 1.13 read
KEY = "ganglion"  # metadata: `facts` as JSON
CODES, STEP = "codes", "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one step hands to the next: the output `output` becomes the input `input`. It begins as zeros.

    `shape` leaves out the batch; a counter has neither.
    """

    input: str
    output: str
    dtype: str
    shape: Shape
    batch: bool
    meaning: str


def result_of(op: Op) -> str:
    """The output that holds what a population makes of its input: spike counts, or the readout's potentials."""
    return f"{op.name}.potential" if isinstance(op, Readout) else f"{op.name}.count"


def states(graph: Graph) -> list[State]:
    """The states of the step model, the step counter first."""
    counter = "steps done since the start"
    found = [State(input=STEP, output=f"{STEP}.next", dtype="int64", shape=(), batch=False, meaning=counter)]

    def add(name: str, output: str, shape: Shape, meaning: str) -> None:
        found.append(State(input=name, output=output, dtype="int32", shape=shape, batch=True, meaning=meaning))

    for op in graph.ops:
        if isinstance(op, Projection):
            continue
        shape = graph.typeof(op.name).shape
        if isinstance(op, Membrane):
            name = f"{op.name}.membrane"
            after = result_of(op) if isinstance(op, Readout) else f"{name}.next"
            add(name, after, graph.typeof(op.inputs[0]).shape, "the membrane potential after the step, in whole units")
        if isinstance(op, MaxPool):
            add(f"{op.name}.peak", f"{op.name}.peak.next", shape, "the largest potential of each window")
        if isinstance(op, GroupNeuron) and op.taking:
            meaning = "spikes sent in this window of T steps and not taken back"
            add(f"{op.name}.balance", f"{op.name}.balance.next", shape, meaning)
        for age in range(1, reach(graph, op) + 1):
            name = f"{op.name}.sent.{age}"
            newest = result_of(op) if isinstance(op, Membrane) else f"{name}.next"
            ago = "one step" if age == 1 else f"{age} steps"
            add(name, newest if age == 1 else f"{name}.next", shape, f"what was sent {ago} before")
    return found


def reach(graph: Graph, op: Op) -> int:
    """How many steps back what `op` sent is still on its way."""
    return max((1 + p.delay for p in graph.consumers(op.name) if isinstance(p, Projection)), default=0)


def facts(graph: Graph, form: str) -> dict[str, Any]:
    """What a model says of itself, in JSON: for whoever runs it."""
    source, readout = graph.input, graph.readout
    said: dict[str, Any] = {
        "name": graph.name,
        "form": form,
        "steps": graph.steps,
        "depth": graph.depth,
        "input": {
            "tensor": CODES, "shape": source.shape, "low": source.low, "high": source.high,
            "scale": source.scale, "zero_point": source.zero_point,
        },
        "populations": {op.name: _place(graph, op) for op in graph.populations},
        "readout": {"name": readout.name, **_place(graph, readout), "unit": np.asarray(readout.unit).tolist()},
    }  # fmt: skip
    if form == "step":
        said["state"] = [asdict(state) for state in states(graph)]
    return said


def _place(graph: Graph, op: Op) -> dict[str, Any]:
    return {"tensor": result_of(op), "shape": graph.typeof(op.name).shape, "level": graph.level(op.name)}


def info(name: str, dtype: int, axes: Iterable[int | str], meaning: str) -> ValueInfoProto:
    """The declaration of one input or output."""
    return helper.make_tensor_value_info(name, dtype, list(axes), meaning)


def state_info(state: State, name: str, meaning: str) -> ValueInfoProto:
    """The declaration of a state's input or output."""
    axes: list[int | str] = [*(["N"] if state.batch else []), *state.shape]
    return info(name, INT64 if state.dtype == "int64" else INT32, axes, meaning)


def model(
    graph: Graph, form: str, w: Writer, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto], about: str
) -> ModelProto:
    """The finished model. Raises `InputError` where it passes protobuf's 2 GB."""
    taken = sum(len(tensor.raw_data) for tensor in w.initializers)
    if taken > LIMIT:
        raise InputError(
            f"the {form} model of '{graph.name}' has {taken} bytes of weights and tables; one ONNX file holds 2 GB"
        )
    made = helper.make_model(
        helper.make_graph(w.nodes, graph.name, inputs, outputs, w.initializers, about),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="ganglion",
        producer_version=__version__,
        doc_string=about,
    )
    helper.set_model_props(made, {KEY: json.dumps(facts(graph, form))})
    return made
