"""The container: a network as one ONNX file with ops of the domain `ai.ganglion`, as Netron can show it.

Every op is a node of the same mnemonic: its input values first, then its arrays as initialisers named
`<op>.<field>`; everything else is an attribute of the field's name. For viewers, and not read again, values and nodes
have documentation strings: their type, and the integer format. No pickle. Written to a temporary file and renamed, so
that a file is whole or not there.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from ganglion.errors import GanglionError, InputError

from .formats import format_text
from .graph import Graph, Stage
from .ops import BY_MNEMONIC, Op
from .types import Current, Spikes
from .verify import verify

DOMAIN = "ai.ganglion"
VERSION = 3
ONNX_OPSET = 18
IR_VERSION = 10  # what onnx 1.17 and onnxruntime 1.20 read
KEY = "ganglion.network"  # metadata: the fields of the graph as JSON
FIELDS = ("name", "steps", "members", "target", "source", "recipe", "method", "tuning")
LIMIT = 2**31 - 2**20  # protobuf's
MARK = "#"  # ends the name of an array that is also an op's


def save(graph: Graph, path: str | Path) -> Path:
    """Write `graph` to `path`; the file appears whole or not at all, and a file already there is replaced.

    Raises `InputError` when the folder cannot be written or the network passes protobuf's 2 GB.
    """
    return write_whole(path, to_bytes(graph))


def to_bytes(graph: Graph) -> bytes:
    """The container of `graph`, as `save` writes it; raises `InputError` when it passes protobuf's 2 GB."""
    model = to_onnx(graph)
    if model.ByteSize() > LIMIT:
        raise InputError(f"'{graph.name}' takes {model.ByteSize()} bytes; one ONNX file holds 2 GB")
    return model.SerializeToString()


def write_whole(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path` so that the file is whole or not there; returns `path`.

    A link is followed. Raises `InputError` where `path` cannot be written or is no regular file.
    """
    path = Path(path)
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise InputError(f"cannot write {path}: it exists and is not a regular file")
    if not target.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {target.parent}", hint="create it first")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def load(path: str | Path) -> Graph:
    """The network in the file `path`, verified.

    Raises `InputError` when the file is missing, truncated, an ONNX file of another kind, or of another
    version.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return from_bytes(data, path)


def from_bytes(data: bytes, path: str | Path) -> Graph:
    """The network in the container `data`, verified; raises as `load` does, with `path` as what it came from."""
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise InputError(f"{path} is not an ONNX file, or it is truncated", hint="compile the model again") from error
    versions = {o.domain: o.version for o in model.opset_import}
    if DOMAIN not in versions:
        if not model.graph.node:
            raise InputError(f"{path} is not an ONNX file, or it is truncated", hint="compile the model again")
        hint = f"ganglion compile {path} -o NET.onnx --steps T --members TAU"
        raise InputError(f"{path} is an ONNX model, not a compiled network", hint=hint)
    if versions[DOMAIN] != VERSION:
        raise InputError(
            f"{path} has version {versions[DOMAIN]} of the container; this ganglion reads version {VERSION}",
            hint="compile the model again with this ganglion",
        )
    try:
        graph = from_onnx(model)
        verify(graph)
    except (KeyError, ValueError, TypeError, AttributeError, GanglionError) as error:
        what = error.message if isinstance(error, GanglionError) else str(error)
        raise InputError(f"{path} is damaged: {what}", hint="compile the model again") from error
    return graph


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """`graph` as an ONNX model."""
    nodes, initializers = [], []
    taken = {op.name for op in graph.ops}
    for op in graph.ops:
        inputs = list(op.inputs)
        attributes: dict[str, Any] = {}
        for field in fields(op):
            value = getattr(op, field.name)
            if field.name in ("name", "inputs") or value is None:
                continue
            if isinstance(value, np.ndarray):
                key = f"{op.name}.{field.name}"
                while key in taken:  # the name of an op
                    key += MARK
                inputs.append(key)
                initializers.append(
                    numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), inputs[-1])
                )
            elif field.name == "origin":
                attributes["origin"] = "\n".join(value)
            elif value != ():
                attributes[field.name] = int(value) if isinstance(value, bool) else _precise(value)
        words = ", ".join(part for part in (str(graph.typeof(op.name)), format_text(op)) if part)
        nodes.append(
            helper.make_node(
                op.mnemonic, inputs, [op.name], name=op.name, domain=DOMAIN, doc_string=words, **attributes
            )
        )
    body = helper.make_graph(
        nodes,
        graph.name,
        [],
        [_value_info(graph, graph.ops[-1].name)] if graph.ops else [],
        initializers,
        doc_string="\n".join(graph.notes),
        value_info=[_value_info(graph, op.name) for op in graph.ops[:-1]],
    )
    model = helper.make_model(
        body,
        producer_name="ganglion",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", ONNX_OPSET), helper.make_opsetid(DOMAIN, VERSION)],
    )
    header = {name: getattr(graph, name) for name in FIELDS}
    header |= {"stage": graph.stage.name.lower(), "notes": list(graph.notes)}
    header |= {"mapping": graph.mapping} if graph.mapping else {}
    helper.set_model_props(model, {KEY: json.dumps(header)})
    return model


def from_onnx(model: onnx.ModelProto) -> Graph:
    """The network in an ONNX model written by `to_onnx`; raises KeyError or ValueError where it is not one."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    header = json.loads({p.key: p.value for p in model.metadata_props}[KEY])
    values = {name for node in model.graph.node for name in node.output}
    ops = [_op(node, arrays, values) for node in model.graph.node]
    return Graph(
        ops=tuple(ops),
        stage=Stage[header["stage"].upper()],
        notes=tuple(header["notes"]),
        **{name: header[name] for name in FIELDS},
        mapping=header.get("mapping", ""),
    )


def _op(node: onnx.NodeProto, arrays: dict[str, Any], ops: set[str]) -> Op:
    if node.op_type not in BY_MNEMONIC:
        raise ValueError(f"the op '{node.op_type}' is not known")
    kind = BY_MNEMONIC[node.op_type]
    (name,) = node.output
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in ("name", "inputs"):
            continue
        key = f"{name}.{field.name}"
        while key in ops:
            key += MARK
        if key in node.input:
            if key not in arrays:
                raise ValueError(f"the array '{key}' is missing")
            values[field.name] = arrays[key]
        elif field.name in attributes:
            values[field.name] = _attribute(field.name, str(field.type), attributes[field.name])
        elif field.default is MISSING and field.name != "shape":
            raise ValueError(f"'{name}' lacks its {field.name}")
    if "shape" in {f.name for f in fields(kind)}:
        values.setdefault("shape", ())
    inputs = tuple(i for i in node.input if i not in arrays)
    return kind(name=name, inputs=inputs, **values)


def _precise(value: Any) -> Any:
    """ONNX attributes hold float32; a float travels as text that gives back the same float64."""
    return repr(value) if isinstance(value, float) else value


def _attribute(name: str, annotation: str, value: Any) -> Any:
    if name == "origin":
        return tuple(value.decode().split("\n")) if value else ()
    if annotation == "float":
        return float(value)
    if annotation == "bool":
        return bool(value)
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _value_info(graph: Graph, name: str) -> onnx.ValueInfoProto:
    value = graph.typeof(name)
    if isinstance(value, Spikes):
        element = TensorProto.UINT8 if value.low >= 0 and value.high < 256 else TensorProto.INT32
    else:
        element = TensorProto.INT32 if value.integer else TensorProto.DOUBLE
    note = {"spikes": "spike counts", "current": "synaptic current", "potential": "membrane potential"}
    kind = "spikes" if isinstance(value, Spikes) else "current" if isinstance(value, Current) else "potential"
    return helper.make_tensor_value_info(name, element, ["samples", *value.shape], doc_string=f"{note[kind]}: {value}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
