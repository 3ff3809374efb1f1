"""From a network to a `nir.NIRGraph`: nodes, edges, and the metadata by which it is read back to the bit.

population of one member     IF, soft reset: v_threshold is what a spike takes away
of tau members               I, tau Threshold nodes that read it, and a Scale from each back to it: lateral inhibition
readout                      I, Output
projection                   [Delay] [Flatten] Scale | SumPool2d, Scale | Conv2d | Linear | Affine

A population of tau members sends by tau nodes; NIR adds up what several edges bring.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganglion.ir import Array, Dense, Graph, GroupNeuron, Input, Membrane, Op, Projection, Readout, Shape, per_channel
from ganglion.ir.linear import to_sparse
from ganglion.ir.nir import DIGEST, FIELD, INITIAL, NETWORK, OP, STEPS, UNSAID, VERSION, digest, library
from ganglion.ir.records import to_record

from .forms import Form, Layout, layout
from .unsaid import Unsaid, unsaid

FIELDS = ("name", "steps", "members", "target", "source", "recipe", "method", "tuning")


def to_nir(graph: Graph) -> Any:
    """The quantized network `graph`, of which `check` finds nothing, as a `nir.NIRGraph`."""
    writer = Writer(library(), graph, layout(graph), unsaid(graph))
    for op in graph.ops:
        if isinstance(op, Projection):
            writer.projection(op)
        elif isinstance(op, Input):
            writer.input(op)
        elif isinstance(op, GroupNeuron):
            writer.group_neuron(op)
        elif isinstance(op, Readout):
            writer.readout(op)
    return writer.finished()


@dataclass
class Writer:
    """The NIR graph in the making. `senders[p]` are the nodes that send the spikes of the population p, `ends[q]` the
    node whose output is what the projection q brings.
    """

    nir: Any
    graph: Graph
    layout: Layout
    unsaid: list[Unsaid]
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    senders: dict[str, list[str]] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    shared: dict[tuple[str, int, bool], list[str]] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, wanted: str, node: Any, sources: list[str]) -> str:
        """Add `node` under a name like `wanted`, of letters, digits and _, as HDF5 and torch take them."""
        base = re.sub(r"[^0-9A-Za-z]+", "_", wanted).strip("_") or "node"
        name, count = base, 1
        while name in self.nodes:
            count += 1
            name = f"{base}_{count}"
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def input(self, op: Input) -> None:
        node = self.add(op.name, self.nir.Input(np.array(op.shape)), [])
        self.senders[op.name] = [node]
        self.record(op, node)

    def projection(self, op: Projection) -> None:
        form, source = self.layout.forms[op.name], op.inputs[0]
        shape = self.graph.typeof(source).shape
        place = self.layout.shape(self.graph, self.graph.consumers(op.name)[0].name)
        flat = len(self.layout.shape(self.graph, source)) > 1 and (form.kind == "linear" or len(place) == 1)
        senders = self.delayed(source, op.delay, flat)
        given = ""  # the array of the node that is the projection's own weights
        if form.kind == "scale":
            weight = np.broadcast_to(per_channel(op.weight.astype(np.int64) << op.exponent, shape), shape)
            node = self.add(op.name, self.nir.Scale(exact(weight.reshape(place))), senders)
            given = "scale"
        elif form.kind == "pool":
            node = self.pool(op, shape, senders)
        elif form.kind == "conv":
            node = self.add(op.name, self.convolution(form, shape), senders)
            given = "weight" if form.kernel is not None and form.kernel.plain and op.weight.ndim == 4 else ""
        else:
            weight = exact(matrix(op, shape))
            affine = form.bias is not None
            made = self.nir.Affine(weight, exact(form.bias)) if affine else self.nir.Linear(weight)
            node = self.add(op.name, made, senders)
            given = "weight" if isinstance(op, Dense) and not op.channels else ""
        self.ends[op.name] = node
        self.record(op, node, given)

    def delayed(self, source: str, delay: int, flat: bool) -> list[str]:
        """The nodes that send what the population `source` sent `delay` steps before, `flat` if its shape is not."""
        key = (source, delay, flat)
        if key not in self.shared and flat:
            shape = {"input": np.array(self.graph.typeof(source).shape)}
            node = self.nir.Flatten(shape, start_dim=0, end_dim=-1)
            self.shared[key] = [self.add(f"{source}_flat", node, self.delayed(source, delay, False))]
        elif key not in self.shared and delay:
            waits = np.full(self.layout.shape(self.graph, source), delay, np.float32)
            node = self.nir.Delay(waits)
            self.shared[key] = [self.add(f"{source}_delay_{delay}", node, self.senders[source])]
        return self.shared.get(key, self.senders[source])

    def convolution(self, form: Form, shape: Shape) -> Any:
        kernel = form.kernel
        assert kernel is not None
        weight = exact(kernel.weight(shape))
        bias = np.zeros(len(weight), np.float32) if form.bias is None else exact(form.bias)
        return self.nir.Conv2d(
            input_shape=shape[1:], weight=weight, stride=kernel.op.strides, padding=kernel.padding,
            dilation=kernel.dilations, groups=1, bias=bias,
        )  # fmt: skip

    def pool(self, op: Any, shape: Shape, senders: list[str]) -> str:
        """A SumPool2d, and the weight of every channel behind it."""
        window = {"kernel_size": op.weight.shape[2:], "stride": op.strides, "padding": op.pads[:2]}
        node = self.nir.SumPool2d(**{key: np.array(value) for key, value in window.items()})
        weight = op.weight[:, 0, 0, 0].astype(np.int64) << op.exponent
        out = op.out_shape(shape)
        scale = np.broadcast_to(per_channel(weight, out), out)
        return self.add(op.name, self.nir.Scale(exact(scale)), [self.add(f"{op.name}_sum", node, senders)])

    def group_neuron(self, op: GroupNeuron) -> None:
        whole = self.graph.typeof(op.name).shape
        shape = self.layout.shape(self.graph, op.name)

        def table(row: Array) -> Array:
            return np.broadcast_to(per_channel(row, whole), whole).reshape(shape)

        ones, arriving = np.ones(shape, np.float32), [self.ends[name] for name in op.inputs]
        if op.members == 1:
            # with whole numbers V >= theta is V + R - theta + 1/2 > R, and >= R: both readings of NIR agree
            step, threshold = table(op.inhibition[0]), table(op.thresholds[0])
            node = self.nir.IF(r=ones, v_threshold=exact(step), v_reset=np.zeros_like(exact(step)))
            name = self.add(op.name, node, arriving)
            node.metadata[INITIAL] = exact(step - threshold + 0.5)
            self.senders[op.name] = [name]
        else:
            name = self.add(op.name, self.nir.I(r=ones), arriving)
            members = []
            for k in range(op.members):
                threshold = self.nir.Threshold(exact(table(op.thresholds[k]) - 0.5))
                members.append(self.add(f"{op.name}_{k + 1}", threshold, [name]))
                inhibition = self.nir.Scale(exact(-table(op.inhibition[k])))
                back = self.add(f"{op.name}_{k + 1}_inhibits", inhibition, members[-1:])
                self.edges.append((back, name))
            self.senders[op.name] = members
        self.record(op, name)

    def readout(self, op: Readout) -> None:
        shape = self.layout.shape(self.graph, op.name)
        node = self.add(op.name, self.nir.I(r=np.ones(shape, np.float32)), [self.ends[name] for name in op.inputs])
        self.add("output", self.nir.Output(np.array(shape)), [node])
        self.record(op, node)

    def record(self, op: Op, node: str, given: str = "") -> None:
        """Note `op`, whose weights are the array `given` of `node` if it names one; its other arrays go into the node's
        metadata.
        """
        record, arrays = to_record(op)
        metadata: dict[str, Any] = self.nodes[node].metadata
        described = {}
        for name, array in arrays.items():
            where = given if name == "weight" and given else ""
            described[name] = {"shape": list(array.shape), "dtype": array.dtype.str, "at": where}
            if not where and array.size:
                metadata[FIELD + name] = np.ascontiguousarray(array).reshape(-1)
        metadata[OP] = op.name
        if isinstance(op, Membrane):
            metadata[f"{FIELD}level"] = op.level
        names = [u.name for u in self.unsaid if op.name in u.ops]
        if names:
            metadata[UNSAID] = ", ".join(names)
        self.records.append({"node": node, "fields": record, "arrays": described})

    def finished(self) -> Any:
        """The whole graph; its types are checked by `nir` itself."""
        header = {name: getattr(self.graph, name) for name in FIELDS}
        header |= {"stage": self.graph.stage.name.lower(), "notes": list(self.graph.notes)}
        about = {"version": VERSION, "network": header, "ops": self.records}
        metadata = {
            STEPS: self.graph.steps,
            NETWORK: json.dumps(about),
            UNSAID: "\n".join(f"{u.name}: {u.meaning}" for u in self.unsaid),
        }
        graph = self.nir.NIRGraph(nodes=self.nodes, edges=self.edges, metadata=metadata)
        graph.metadata[DIGEST] = digest(graph)
        return graph


def matrix(op: Projection, shape: Shape) -> Array:
    """The weights of `op` for an input of `shape`, with the exponent: (neurons, neurons of the input)."""
    if isinstance(op, Dense) and not op.channels:
        return np.ldexp(op.weight.astype(np.float32), op.exponent)
    rows = to_sparse(op, shape)
    n = len(rows.pointer) - 1
    whole = np.zeros((n, int(np.prod(shape))), np.int64)
    np.add.at(whole, (np.repeat(np.arange(n), np.diff(rows.pointer)), rows.index), rows.weight.astype(np.int64))
    return whole << op.exponent


def exact(values: Array | None) -> Array:
    """`values` as float32 where that holds every one of them, else as float64."""
    if values is not None and values.dtype == np.float32:
        return values
    wide = np.asarray(values, np.float64)
    narrow = wide.astype(np.float32)
    return np.ascontiguousarray(narrow if np.array_equal(narrow, wide) else wide)
