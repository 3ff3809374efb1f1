"""The files of one network, each made in a process that measures nothing else.

    python -m benchmarks.prepare export NETWORK FOLDER
    python -m benchmarks.prepare compile FOLDER STEPS MEMBERS

`export` draws weights and writes, all with the same ones,

    x.npy            the images
    plain.onnx       the ReLU network, with average pools where the spiking one has them
    int8.onnx        the same, quantised by onnxruntime: QDQ, int8 weights per channel, uint8 activations
    qcfs.onnx        the network that is compiled; thresholds: the 99.9th percentile of a layer's activations
    clipped.pt       for other simulators: a torch.fx module with clip(x, 0, threshold) where a Group Neuron belongs

`compile` writes the compiled network and prints what that took, as JSON.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .cases import MAX_POOLS
from .measuring import peak_mb, timed

if TYPE_CHECKING:
    from torch import nn

IMAGES = 64  # the largest batch
SMALL = 16  # images for calibration, and all there are of 3x224x224
LEVELS = 4
INPUTS = "x.npy"


def main() -> None:
    task, *arguments = sys.argv[1:]
    if task == "export":
        export(arguments[0], Path(arguments[1]))
    else:
        print(json.dumps(compile(Path(arguments[0]), int(arguments[1]), int(arguments[2]))))


def compiled(steps: int, members: int) -> str:
    """The file name of the compiled network."""
    return f"net-{steps}-{members}.onnx"


def export(name: str, folder: Path) -> None:
    """Write everything but the compiled networks."""
    import torch
    from torch import nn

    from examples import models
    from ganglion.frontend.torch import export as export_onnx
    from ganglion.frontend.torch.conversion import MaxPool

    shape = models.NETWORKS[name].shape
    x = models.random_images(shape, IMAGES if shape[-1] < 64 else SMALL, seed=5)
    np.save(folder / INPUTS, x.numpy())
    samples = models.random_images(shape, SMALL, seed=6)
    max_pool: MaxPool = "keep" if name in MAX_POOLS else "average"
    network = models.random_network(name, levels=LEVELS, max_pool=max_pool)
    export_onnx(network, x[:1], folder / "qcfs.onnx", input_range=(0.0, 1.0), dynamo=False)
    clipped = torch.fx.symbolic_trace(with_activations(network, lambda threshold: nn.Hardtanh(0.0, threshold)))
    for node in clipped.graph.nodes:
        node.type = None  # annotations that are text, which cannot be pickled
    clipped.recompile()
    torch.save(clipped, folder / "clipped.pt")
    del clipped
    plain = with_activations(network, lambda _: nn.ReLU())
    export_onnx(plain, x[:1], folder / "plain.onnx", dynamo=False)
    quantise(folder, samples.numpy())


def with_activations(network: nn.Module, make: Callable[[float], nn.Module]) -> nn.Module:
    """A copy of `network` in which `make(threshold)` stands for every QCFS."""
    from ganglion.frontend.torch.activation import named_activations

    network = copy.deepcopy(network)
    for name, activation in named_activations(network):
        parent, _, member = name.rpartition(".")
        setattr(network.get_submodule(parent), member, make(float(activation.threshold.item())))
    return network


def quantise(folder: Path, samples: NDArray[np.float32]) -> None:
    """plain.onnx -> int8.onnx, as onnxruntime advises: batch norms folded first, then static quantisation."""
    from onnxruntime import quantization  # type: ignore[import-untyped]
    from onnxruntime.quantization.shape_inference import quant_pre_process  # type: ignore[import-untyped]

    class Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.feeds: Iterator[dict[str, Any]] = ({"input": samples[i : i + 1]} for i in range(len(samples)))

        def get_next(self) -> Any:  # a feed, or None at the end
            return next(self.feeds, None)

    folded = folder / "folded.onnx"
    quant_pre_process(folder / "plain.onnx", folded, skip_symbolic_shape=True)
    quantization.quantize_static(
        folded,
        folder / "int8.onnx",
        Samples(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
        activation_type=quantization.QuantType.QUInt8,
    )
    folded.unlink()


def compile(folder: Path, steps: int, members: int) -> dict[str, Any]:
    """Compile, save, and say what it took. Nothing heavier than the compiler is loaded."""
    import ganglion

    seconds, net = timed(lambda: ganglion.compile(folder / "qcfs.onnx", steps=steps, members=members))
    peak = peak_mb()
    ganglion.save(net, folder / compiled(steps, members))
    return {
        "steps": steps,
        "members": members,
        "seconds": seconds,
        "peak_mb": peak,
        "file_mb": (folder / compiled(steps, members)).stat().st_size / 2**20,
        "neurons": sum(int(np.prod(net.typeof(op.name).shape)) for op in net.populations),
        "populations": len(net.populations),
        "notes": list(net.notes),
    }


if __name__ == "__main__":
    main()
