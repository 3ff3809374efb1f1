"""onnxruntime sessions, opened in one place: on the CPU, quiet, threads and optimisations as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort  # type: ignore[import-untyped]

from .values import Array, name_of

NEWEST_IR_VERSION = 10  # of the little models made here; every onnxruntime since 1.18 reads it


def open_session(
    model: str | bytes, *, threads: int, optimise: bool, entries: Mapping[str, str] | None = None
) -> ort.InferenceSession:
    """A session for a file or a serialised model; `threads` = 0 leaves the number to onnxruntime.

    `entries` are further settings, by onnxruntime's own names.

    Any exception of onnxruntime's passes; they have no common base.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def part_session(
    nodes: Sequence[ir.Node],
    constants: Mapping[str, Array],
    inputs: Sequence[ir.Value],
    outputs: Sequence[ir.Value],
    opset_imports: Mapping[str, int],
    *,
    element_type: int | None = None,
    shape: Sequence[int | str] = ("n",),
) -> ort.InferenceSession:
    """A session for `nodes` alone, on one thread and not optimised.

    `inputs` are vectors of any length, or of `shape`; of their own type, or of `element_type`.
    """
    graph = onnx.helper.make_graph(
        [ir.to_proto(node) for node in nodes],
        "part",
        [onnx.helper.make_tensor_value_info(name_of(v), element_type or _element_type(v), shape) for v in inputs],
        [onnx.ValueInfoProto(name=name_of(v)) for v in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in opset_imports.items()]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=NEWEST_IR_VERSION)
    return open_session(model.SerializeToString(), threads=1, optimise=False)


def _element_type(value: ir.Value) -> int:
    assert value.dtype is not None, "asked for before"
    return int(value.dtype)
