"""A quantised ONNX file becomes a spiking network that gives the same codes, every one of them.

    python examples/from_quantised.py --out DIR

trains the digits network with plain ReLUs, has onnxruntime quantise it (QDQ, 8 bits, per channel), compiles the
file for one time-step with as many members as an activation has levels, and counts the codes that differ. The network
has a max pool in place of its average pool: onnxruntime averages in float32, where a tie may go either way, and
`ganglion.compile` would say so in a note.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from digits import GREY_LEVELS, DigitsNet, fit, load  # beside this script
from onnx import numpy_helper
from onnxruntime.quantization import (  # type: ignore[import-untyped]
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

import ganglion
from ganglion.frontend import run_values
from ganglion.frontend.torch import export


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands the quantiser its calibration images, a few at a time."""

    def __init__(self, images: Any) -> None:
        self.parts = iter(np.array_split(images, 8))

    def get_next(self) -> Any:
        """{input: some images}, and at the end None."""
        part = next(self.parts, None)
        return None if part is None else {"input": part}


def main() -> int:
    parser = argparse.ArgumentParser(description="quantise a network with onnxruntime and compile the result")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the folder to write to (default: demo)")
    parser.add_argument("--epochs", type=int, default=30)
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)

    data = load()
    torch.manual_seed(0)
    model = DigitsNet()  # plain ReLUs
    model.add_module("pool", nn.MaxPool2d(2))  # in the place of the other
    fit(model, torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels), a.epochs, seed=0)
    example = torch.from_numpy(data.test_images[:2])
    plain = export(model, example, a.out / "relu.onnx", input_range=(0.0, 1.0), input_step=1 / GREY_LEVELS)

    quantised = a.out / "quantised.onnx"
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser recommends its pre-processing
    quantize_static(
        plain,
        quantised,
        Images(data.train_images[:256]),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )

    net = ganglion.compile(quantised, steps=1, members="levels")
    run = ganglion.simulate(net, data.test_images, record="all")
    print(repr(net))
    different = 0
    for name, spikes, codes in pairs(onnx.load(quantised), net, run, data.test_images):
        wrong = int((spikes != codes).sum())
        different += wrong
        print(f"  {name:36} {wrong} of {codes.size:,} codes differ; {np.unique(codes).size} values occur")
    accuracy = (run.logits.argmax(axis=1) == data.test_labels).mean()
    print(f"{100 * accuracy:.1f} % of {len(data.test_labels)} test images are told right")
    print("the same codes as onnxruntime" if not different else f"{different} codes differ from onnxruntime's")
    return 1 if different else 0


def pairs(model: onnx.ModelProto, net: ganglion.Graph, run: ganglion.Run, images: Any) -> list[tuple[str, Any, Any]]:
    """(name, codes of the spiking network, onnxruntime's codes): of every activation that is quantised, and the output.

    At T = 1 with all levels a spike count is the code itself: both count from the lowest code, which is 0 for uint8.
    """
    quantisers = {node.name: node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    values = {op.name: quantisers[n] for op in net.populations for n in op.origin if n in quantisers}
    codes = run_values(model, images, list(values.values()))
    found = [(name, run.counts[name][0], codes[value]) for name, value in values.items()]

    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    last = next(node for node in reversed(model.graph.node) if node.op_type == "DequantizeLinear")
    scale, zero = (constants[name] for name in last.input[1:])
    reference = run_values(model, images, [last.input[0]])[last.input[0]]
    return [*found, ("output", np.rint(run.logits / scale).astype(int) + zero, reference)]


if __name__ == "__main__":
    sys.exit(main())
