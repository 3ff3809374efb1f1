"""The reference: the ONNX model itself, run by onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import DTypeLike, NDArray

from ganglion.errors import InputError

from .kernels import kernel_settings
from .qonnx import is_qonnx
from .reader import Source, describe, load
from .session import open_session

DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(bool)": np.bool_,
}


def run_onnxruntime(
    source: Source,
    x: NDArray[Any],
    *,
    block: int = 64,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """The model's output (N, ...) for the inputs `x` (N, ...), in the model's own precision.

    A dynamic batch is run in blocks of `block` samples; a static batch b in blocks of b, the last one padded
    with zeros whose results are dropped; `x` may be memory-mapped. `progress(done, all)` counts samples. `threads` = 0
    leaves the number of threads to onnxruntime. Quantised models run in onnxruntime's 8-bit kernels, kept from
    saturating where the processor's would (`kernel_settings`).
    Raises `InputError` for a model that onnxruntime refuses, or an input of the wrong shape or type.
    """
    return _run(source, x, None, block, threads, progress)[0]


def run_values(
    source: Source, x: NDArray[Any], names: Sequence[str], *, block: int = 64, threads: int = 0
) -> dict[str, NDArray[Any]]:
    """As `run_onnxruntime`, but the ONNX values called `names` (outputs or what lies between) by name."""
    return dict(zip(names, _run(source, x, list(names), block, threads), strict=True))


def _run(
    source: Source,
    x: NDArray[Any],
    names: list[str] | None,
    block: int,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[NDArray[Any]]:
    session = session_with(source, names, threads)
    (given, *others) = session.get_inputs()
    if others:
        raise InputError(f"{describe(source)}: takes {1 + len(others)} inputs; one is supported")
    x = np.asarray(x)
    dtype = checked(x, given)
    size = given.shape[0] if isinstance(given.shape[0], int) else max(1, block)
    outputs = names if names is not None else [session.get_outputs()[0].name]
    parts: list[list[NDArray[Any]]] = []
    for start in range(0, len(x), size):
        part = cast(x[start : start + size], dtype)
        missing = size - len(part) if isinstance(given.shape[0], int) else 0
        padded = np.concatenate([part, np.zeros((missing, *x.shape[1:]), dtype)]) if missing else part
        try:
            results = [np.asarray(r) for r in session.run(outputs, {given.name: padded})]
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise InputError(f"{describe(source)}: onnxruntime cannot run it: {error}") from error
        for name, result in zip(outputs, results, strict=True):
            if result.ndim < 1 or len(result) != len(padded):
                raise InputError(
                    f"{describe(source)}: '{name}' has shape {result.shape} for a batch of {len(padded)}; "
                    "its axis 0 is not the batch"
                )
        parts.append([r[: len(part)] for r in results])
        if progress:
            progress(start + len(part), len(x))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def checked(x: NDArray[Any], given: ort.NodeArg) -> DTypeLike:
    """The type in which the model takes `x`; raises `InputError` where it cannot take an array like this."""
    dtype = DTYPES.get(given.type)
    if dtype is None:
        raise InputError(f"the model's input '{given.name}' is {given.type}, which is not supported")
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == np.bool_) or np.issubdtype(x.dtype, np.complexfloating):
        raise InputError(f"the input holds {x.dtype}, not numbers")
    expected = tuple(given.shape[1:])
    same = x.ndim == len(given.shape) and all(
        not isinstance(e, int) or e == d for e, d in zip(expected, x.shape[1:], strict=True)
    )
    if not same:
        raise InputError(
            f"the input has shape {x.shape}; the model takes (N, {', '.join(map(str, expected))})",
            hint="the first axis counts the samples",
        )
    if not len(x):
        raise InputError("the input holds no samples")
    return dtype


def cast(part: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """`part` in the model's type; raises `InputError` for values that it does not have."""
    result: NDArray[Any] = part.astype(dtype)
    if not np.issubdtype(dtype, np.floating) and (result != part).any():
        raise InputError(f"the input has values that the model's {np.dtype(dtype)} input cannot hold")
    return result


def session_with(source: Source, names: list[str] | None, threads: int) -> ort.InferenceSession:
    proto = _proto(source)
    if any(is_qonnx(node) for node in proto.graph.node):
        source = load(source)
        proto = _proto(source)
    model: str | bytes
    if isinstance(source, (str, os.PathLike)) and names is None:
        model = os.fspath(source)  # onnxruntime finds weights beside the file itself
    else:
        model = _with_outputs(source, proto, names or [])
    try:
        return open_session(model, threads=threads, optimise=True, entries=kernel_settings(proto))
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        raise InputError(f"{describe(source)}: onnxruntime cannot load it: {error}") from error


def _proto(source: Source) -> onnx.ModelProto:
    if isinstance(source, ir.Model):
        return ir.to_proto(source)
    if isinstance(source, onnx.ModelProto):
        return source
    if not os.path.isfile(source):
        raise InputError(f"{describe(source)}: there is no such file")
    try:
        return onnx.load(source, load_external_data=False)
    except Exception as error:  # protobuf's errors, or a text format's
        raise InputError(f"{describe(source)}: is not an ONNX file, or is cut off") from error


def _with_outputs(source: Source, proto: onnx.ModelProto, names: list[str]) -> bytes:
    """The model, serialised with its weights inside, with the values `names` as further outputs."""
    known = {o for node in proto.graph.node for o in node.output} | {v.name for v in proto.graph.input}
    missing = [n for n in names if n not in known]
    if missing:
        raise InputError(f"{describe(source)}: has no value called {', '.join(missing)}")
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if isinstance(source, (str, os.PathLike)):
        onnx.load_external_data_for_model(copy, str(Path(source).parent))
    present = {o.name for o in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in present)
    return copy.SerializeToString()
