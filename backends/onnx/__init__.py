"""ONNX: a compiled network as models of standard operators, exact in any runtime.

diagnose.py      what stands in the way
parts.py         weights in parts that float32 computes exactly
projections.py   what arrives through a projection
neurons.py       what a population makes of it
writer.py        what these are written into
tensors.py       names, shapes and meanings of inputs, outputs and state
step.py          the model of one time-step, all state explicit
window.py        the model of a sample's T time-steps
bundle.py        the folder, written whole or not at all
program.py       the program that is copied into it
runner.py        running either model in this process
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ganglion.backends.protocol import Backend

from .bundle import PROGRAM, emit
from .diagnose import check
from .runner import FORMS, OnnxRun, run
from .step import step_model
from .window import window_model


def usage(path: Path) -> list[str]:
    """How its models are run."""
    return [
        f"{path}/ holds two models of standard operators: step.onnx is one time-step, with its state as inputs and",
        "outputs, window.onnx the T steps of a sample. With numpy and onnxruntime, and nothing of ganglion:",
        f"  python {shlex.quote(str(path / PROGRAM))} --input codes.npy --output counts.npz --form step",
        "where codes.npy holds the input's integer codes: net.input.encode(x)[0]",
    ]


BACKEND = Backend(name="onnx", check=check, emit=emit, usage=usage)

__all__ = ["BACKEND", "FORMS", "OnnxRun", "check", "emit", "run", "step_model", "window_model"]
