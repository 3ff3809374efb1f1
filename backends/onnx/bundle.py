"""The bundle: a folder of two ONNX models and a program that runs them with numpy and onnxruntime alone.

step.onnx       one time-step, all state as inputs and outputs
window.onnx     the T time-steps of a sample
run.py          runs either
ganglion.json   what the bundle is, and checksums of what was written
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from onnx import ModelProto

from ganglion.backends.folders import read_marker, refuse, write_folder
from ganglion.ir import Graph

from .diagnose import check
from .step import step_model
from .tensors import facts
from .window import window_model

PROGRAM, SOURCE = "run.py", Path(__file__).with_name("program.py")
KIND, VERSION = "onnx", 1
FORMS: dict[str, Callable[[Graph], ModelProto]] = {"step": step_model, "window": window_model}


def emit(graph: Graph, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write the bundle of a quantized network into `folder` and return it; see `folders.write_folder`.

    Raises `CompileError` with everything that `check` finds, `InputError` where `folder` may not be written or a model
    passes 2 GB.
    """
    refuse(check(graph), "become ONNX models")
    return write_folder(folder, KIND, VERSION, partial(write, graph), overwrite=overwrite)


def about(bundle: Path) -> dict[str, Any]:
    """What a bundle says of itself. Raises `InputError` where `bundle` is not a bundle of ONNX models."""
    return read_marker(bundle, KIND, VERSION, "step-model")


def write(graph: Graph, folder: Path) -> dict[str, Any]:
    """Write the files of the bundle into an empty folder; returns what the bundle says of itself."""
    for form in FORMS:
        (folder / f"{form}.onnx").write_bytes(serialised(graph, form))
    shutil.copyfile(SOURCE, folder / PROGRAM)
    return {key: value for key, value in facts(graph, "step").items() if key != "form"}


def serialised(graph: Graph, form: str) -> bytes:
    """The model of that form, as bytes. Raises `InputError` where it passes 2 GB."""
    return FORMS[form](graph).SerializeToString()
