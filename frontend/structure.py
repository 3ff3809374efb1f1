"""What must hold of a model's names and wiring, which onnx_ir takes for granted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import onnx
import onnx_ir as ir

from ganglion.errors import CompileError, InputError

OLDEST_IR = 3  # the first version with opsets
BROKEN = "the file is damaged, or its exporter is broken; export the model again"


def check_structure(model: onnx.ModelProto) -> None:
    """Raises `InputError` where `model` is none that means anything, `CompileError` for sparse constants."""
    _check_version(model)
    for text in _texts(model):
        if not isinstance(text, str):  # protobuf gives bytes that are no UTF-8 as they are
            raise InputError(f"has a name that is not text: {text!r}", hint=BROKEN)
    graph = model.graph
    _check_sparse(graph)
    _check_inputs(graph)
    weights = [t.name for t in graph.initializer]
    computed = [o for node in graph.node for o in node.output if o]
    if "" in weights:
        raise InputError("has weights without a name", hint=BROKEN)
    defined = [v.name for v in graph.input if v.name not in set(weights)] + weights + computed
    twice = [name for name, count in Counter(defined).items() if count > 1]
    if twice:
        raise InputError(f"'{twice[0]}' is defined more than once", hint=BROKEN)
    known = {*defined, ""}
    for index, node in enumerate(graph.node):
        for name in node.input:
            if name not in known:
                raise InputError(f"{_title(node, index)} reads '{name}', which nothing defines", hint=BROKEN)
    for value in graph.output:
        if value.name not in known:
            raise InputError(f"nothing defines the output '{value.name}'", hint=BROKEN)
    _check_cycles(graph)


def name_nodes(graph: ir.Graph) -> None:
    """Every node gets a name that no other node has: messages and origins live on it."""
    counts = Counter(node.name for node in graph if node.name)
    taken = set(counts)
    seen: set[str] = set()
    for index, node in enumerate(graph):
        if node.name and node.name not in seen:
            seen.add(node.name)
            continue
        base = node.name or f"{node.op_type}_{index}"
        name, extra = base, 1
        while name in taken:
            extra += 1
            name = f"{base}_{extra}"
        taken.add(name)
        seen.add(name)
        node.name = name


def _check_version(model: onnx.ModelProto) -> None:
    if not model.HasField("graph") or not model.ir_version:
        raise InputError("is not an ONNX file, or is cut off", hint="ONNX files hold a version and a graph")
    if model.ir_version < OLDEST_IR:
        raise InputError(
            f"has IR version {model.ir_version}; {OLDEST_IR} and newer are supported",
            hint="export the model again; IR version 3 came with ONNX 1.0, in 2017",
        )
    if model.ir_version > onnx.IR_VERSION:
        raise InputError(
            f"has IR version {model.ir_version}; the installed onnx {onnx.__version__} reads up to {onnx.IR_VERSION}",
            hint="install a newer onnx, or export the model with an older one",
        )


def _check_sparse(graph: onnx.GraphProto) -> None:
    names = [t.values.name for t in graph.sparse_initializer]
    for index, node in enumerate(graph.node):
        if node.op_type == "Constant" and any(a.name == "sparse_value" for a in node.attribute):
            names.append(_title(node, index))
    if names:
        raise CompileError(
            "sparse constants are not supported", origin=names, hint="store the weights as dense tensors"
        )


def _check_inputs(graph: onnx.GraphProto) -> None:
    for value in graph.input:
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape"):
            raise CompileError(
                f"the input '{value.name}' has no shape",
                origin=[value.name],
                hint="export the model with a fixed input shape; the batch may be dynamic",
            )


def _check_cycles(graph: onnx.GraphProto) -> None:
    producers = {o: index for index, node in enumerate(graph.node) for o in node.output if o}
    reads = {i: {producers[n] for n in _reads(node) if n in producers} for i, node in enumerate(graph.node)}
    try:
        TopologicalSorter(reads).prepare()
    except CycleError as error:
        names = " <- ".join(_title(graph.node[i], i) for i in error.args[1])
        raise InputError(
            f"the nodes read each other in a circle: {names}",
            hint="only feed-forward networks have a form here",
        ) from None


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """The names that `node` reads, from inside of its subgraphs as well."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)


def _texts(model: onnx.ModelProto) -> Iterator[object]:
    """Every name that is read later on."""
    for opset in model.opset_import:
        yield opset.domain
    for entry in model.metadata_props:
        yield from (entry.key, entry.value)
    for function in model.functions:
        yield from (function.domain, function.name, *function.input, *function.output, *function.attribute)
        for node in function.node:
            yield from _node_texts(node)
    yield from _graph_texts(model.graph)


def _graph_texts(graph: onnx.GraphProto) -> Iterator[object]:
    yield graph.name
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (d.dim_param for d in value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        yield tensor.name
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)
    for node in graph.node:
        yield from _node_texts(node)


def _node_texts(node: onnx.NodeProto) -> Iterator[object]:
    yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
    for attribute in node.attribute:
        yield from (attribute.name, attribute.ref_attr_name)
        for graph in (attribute.g, *attribute.graphs):
            yield from _graph_texts(graph)


def _title(node: onnx.NodeProto, index: int) -> str:
    return node.name or f"{node.op_type}_{index}"
