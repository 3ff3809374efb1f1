"""The workers of this environment: our engines, and onnxruntime with the plain network.

    python -m benchmarks.engines ENGINE FOLDER

FOLDER is what prepare.py has filled.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .cases import FLOAT, INT8, OURS, STEP, Case
from .prepare import INPUTS, compiled
from .worker import Call, serve

MODELS = {FLOAT: "plain.onnx", INT8: "int8.onnx"}


def main() -> None:
    engine, folder = sys.argv[1], Path(sys.argv[2])
    serve(partial(ann, folder, engine) if engine in MODELS else partial(spiking, folder, engine))


def ann(folder: Path, engine: str, case: Case) -> Call:
    """The plain network, with onnxruntime's default threads."""
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(folder / MODELS[engine], providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.load(folder / INPUTS)[: case.batch]}
    return lambda: session.run(None, feed)[0]


def spiking(folder: Path, engine: str, case: Case) -> Call:
    """The compiled network in one of our engines."""
    import ganglion

    net = ganglion.load(folder / compiled(case.steps, case.members))
    x = np.load(folder / INPUTS)[: case.batch]
    options: dict[str, Any] = OURS[engine] | ({"lanes": case.batch} if engine == STEP else {})
    return lambda: ganglion.simulate(net, x, **options).logits


if __name__ == "__main__":
    main()
