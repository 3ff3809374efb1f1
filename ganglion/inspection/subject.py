"""What is looked at: a network in memory or in a file, at any stage, or an ONNX model as imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import onnx

from ganglion.errors import InputError
from ganglion.ir import Graph
from ganglion.ir.file import DOMAIN, load
from ganglion.pipeline import checksum

Source = Graph | onnx.ModelProto | str | PathLike[str]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A network, and the ops of it that hold placeholders: activations of a model that have no levels yet."""

    graph: Graph
    placeholders: frozenset[str] = frozenset()


def subject_of(source: Source, *, drop: Sequence[str] = (), output: str | None = None) -> Subject:
    """The network that `source` is, or holds, or the model before any pass.

    `drop` and `output` are those of `ganglion.compile`, for models alone. Raises `InputError` where the source cannot
    be read or is a network and they are given, `CompileError` where the model cannot be imported.
    """
    if isinstance(source, Graph):
        subject = Subject(source)
    elif isinstance(source, onnx.ModelProto):
        return _imported(source, drop, output)
    elif not isinstance(source, (str, PathLike)):
        raise InputError(f"expected a network, a model, or the path of one, got {type(source).__name__}")
    elif not _is_network(Path(source)):
        return _imported(Path(source), drop, output)
    else:
        subject = Subject(load(source if isinstance(source, str) else Path(source)))
    if drop or output is not None:
        raise InputError(
            f"'{subject.graph.name}' is a network: it has no nodes to drop and one output",
            hint="--drop and --output-name are for ONNX models",
        )
    return subject


def _is_network(path: Path) -> bool:
    try:
        domains = {o.domain for o in onnx.load(str(path), load_external_data=False).opset_import}
    except Exception:
        return True  # unreadable: the reader of networks says best why
    return DOMAIN in domains


def _imported(model: onnx.ModelProto | Path, drop: Sequence[str], output: str | None) -> Subject:
    from ganglion import frontend  # imported where needed: onnxruntime and onnxscript take a second to load

    names = (drop,) if isinstance(drop, str) else tuple(drop)
    graph, placeholders = frontend.sketch(model, frontend.Options(drop=names, output=output))
    return Subject(replace(graph, source=checksum(model)), placeholders)
