"""Opens a model: a file, or one in memory, becomes an `onnx_ir` model with its weights, checked and in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx_ir.passes.common import CheckerPass, ShapeInferencePass

from ganglion.errors import InputError

from .classical import without_maps
from .libraries import guarded, reason
from .limits import MOST_STORED, bytes_of, megabytes
from .structure import BROKEN, check_structure, name_nodes

Source: TypeAlias = str | os.PathLike[str] | onnx.ModelProto | ir.Model

HDF5 = b"\x89HDF\r\n\x1a\n"  # how such files begin
LARGEST_FILE = 2**31 - 1  # protobuf's limit
BESIDE = "keep the .onnx file and its data file in one folder, under their own names"


def describe(source: Source) -> str:
    """How messages call the model: the file's path, or "the model"."""
    return str(os.fspath(source)) if isinstance(source, (str, os.PathLike)) else "the model"


def open_model(source: Source) -> ir.Model:
    """The model in `source`, which stays as it is; its nodes sorted so that each comes after what it reads.

    Raises `InputError` for what is no usable ONNX model, or whose weights are missing.
    """
    folder = Path()
    if isinstance(source, ir.Model):
        with guarded("cannot be copied"):
            model = source.clone()
    else:
        if isinstance(source, (str, os.PathLike)):
            folder = Path(source).parent
            source = _parse(Path(source))
        elif not isinstance(source, onnx.ModelProto):
            raise InputError(
                f"a {type(source).__name__} cannot be read as a model", hint="give a path or an ONNX model"
            )
        source = without_maps(source)
        check_structure(source)
        _check_beside(source.graph, folder)
        with guarded("cannot be read as ONNX"):
            model = ir.from_proto(source)
            ir.external_data.set_base_dir(model.graph, folder)
    with guarded("the weights stored beside it cannot be read", hint=BESIDE):
        model = ir.external_data.load_to_model(model)
    with guarded("is not a valid ONNX model", hint=BROKEN):
        model.graph.sort()
        name_nodes(model.graph)
        _infer_outputs(model)
        CheckerPass()(model)
    return model


def _infer_outputs(model: ir.Model) -> None:
    """ONNX wants outputs to have a type and a shape, though nothing here or in onnxruntime needs them."""
    if all(v.type is not None and v.shape is not None for v in model.graph.outputs):
        return
    ShapeInferencePass(check_type=False, strict_mode=False)(model)
    for value in model.graph.outputs:
        if value.type is None or value.shape is None:
            hint = "export the model with the shapes of its outputs"
            raise InputError(f"the output '{value.name}' has no shape, and none can be inferred", hint=hint)


def _parse(path: Path) -> onnx.ModelProto:
    again = "copy or export the file again; ONNX files end in .onnx"
    try:
        if not path.exists():
            raise InputError("there is no such file")
        if not path.is_file():
            raise InputError(f"is {'a folder' if path.is_dir() else 'not a regular file'}")
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from error
    if not size:
        raise InputError("is not an ONNX file: it is empty", hint=again)
    if size > LARGEST_FILE:
        raise InputError(
            f"has {megabytes(size)}; an ONNX file holds at most {megabytes(LARGEST_FILE)}",
            hint="save the model with its weights as external data, in a file beside it: "
            "onnx.save(model, path, save_as_external_data=True)",
        )
    with path.open("rb") as file:
        if file.read(len(HDF5)) == HDF5:
            hint = f"if it is a NIR graph: ganglion import-nir {path} -o NET.onnx --reset soft --steps T"
            raise InputError("is not an ONNX file but an HDF5 file", hint=hint)
    try:
        return onnx.load(path, load_external_data=False)
    except DecodeError:
        raise InputError("is not an ONNX file, or is cut off", hint=again) from None
    except Exception as error:  # of the system, or of a text format that the file's ending asks for
        raise InputError(f"cannot be read as ONNX: {reason(error)}") from error


def _check_beside(graph: onnx.GraphProto, folder: Path) -> None:
    """Raises `InputError` unless all weights in other files are there, in full, and inside of the model's folder."""
    inside = os.path.realpath(folder)
    total = 0
    for tensor in _tensors(graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        given = {entry.key: entry.value for entry in tensor.external_data}
        what = f"the weights stored beside it cannot be read: '{tensor.name}' "
        location = given.get("location", "")
        path = os.path.realpath(os.path.join(inside, location))
        if not location or os.path.commonpath([inside, path]) != inside:
            raise InputError(f"{what}lies in '{location}', outside of the model's folder", hint=BESIDE)
        if not os.path.isfile(path):
            raise InputError(f"{what}needs the file '{location}', which is missing", hint=BESIDE)
        with guarded(f"{what}is described wrongly"):
            begin, needed = int(given.get("offset", 0)), bytes_of(ir.DataType(tensor.data_type), tensor.dims)
        total += needed
        if begin < 0 or needed < 0 or begin + needed > os.path.getsize(path):
            message = f"{what}needs {begin + needed:,} bytes of '{location}', which has {os.path.getsize(path):,}"
            raise InputError(message, hint="copy or export both files again")
    if total > MOST_STORED:
        raise InputError(f"has weights of {megabytes(total)}; at most {megabytes(MOST_STORED)} are supported")


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """All tensors of `graph` and its subgraphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
