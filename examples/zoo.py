"""Nine well-known networks as published, ReLU, LRN and all, with random weights that behave like trained ones.

Their graphs ship with the `onnx` package: the ONNX model zoo's files, written by Caffe2 in IR version 3 and opset 9, in
which every large weight is a constant. `zoo_model` puts random weights in their place such that values keep their size
from the first layer to the last, about half of the neurons fire, and the logits of different images differ. What comes
out is no classifier, but small errors on the way stay small, as in a trained network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ganglion.errors import InputError
from ganglion.frontend import run_values

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
IMAGE_RANGE = (-2.0, 2.0)  # of `zoo_images`: 256 grey levels in steps of 4/255
BIASES = 1.25  # standard deviation of the channels' biases, where a channel's own values have 1
SMALL = 0.1  # that of the logits' biases, and of gains around 1
BRANCH = 0.25  # gain of the last batch norm beside an identity shortcut; training starts it at 0 (Goyal et al., 2017)
CENTRED = 0.5  # share of its mean that a channel is shifted by; at 1, noise grows with depth as in no trained network
SMOOTH = 0.5  # share of a kernel's variance that all its taps have in common: without it, noise grows with depth
OBSERVED = 8  # images on which the layers' statistics are taken

Floats = NDArray[np.float32]


def zoo_names() -> list[str]:
    """The networks that this onnx package ships."""
    return sorted(path.stem.removeprefix("light_") for path in LIGHT.glob("light_*.onnx"))


def zoo_images(n: int, shape: tuple[int, int, int] = (3, 224, 224), seed: int = 0) -> Floats:
    """`n` random images, float32 (n, *shape), in [-2, 2], with mean about 0 and standard deviation about 0.9.

    Amplitudes fall with frequency as 1/f, as in natural images (Field, J. Opt. Soc. Am. A 4, 1987), each image with
    its own exponent, contrast and tint. The values are those of 8-bit grey levels k, (k/255 - 1/2) / (1/4).
    """
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    f[0, 0] = f[0, 1]
    images = np.empty((n, *shape), np.float32)
    for image in images:
        exponent, contrast = rng.uniform(0.8, 1.4), rng.uniform(0.7, 1.3)
        noise = 0.8 * rng.standard_normal((1, height, width)) + 0.6 * rng.standard_normal((channels, height, width))
        pattern = np.fft.irfft2(np.fft.rfft2(noise) / f**exponent, s=(height, width))
        image[:] = contrast * pattern / pattern.std()
    codes = np.rint(255 * (np.clip(images, *IMAGE_RANGE) / 4 + 0.5))
    return codes * np.float32(4 / 255) - 2


def zoo_logits(model: onnx.ModelProto, images: Floats) -> Floats:
    """What onnxruntime computes for `images` (N, 3, 224, 224) up to the final Softmax, if there is one: (N, 1000)."""
    last = next(node for node in model.graph.node if model.graph.output[0].name in node.output)
    name = last.input[0] if last.op_type == "Softmax" else last.output[0]
    return np.asarray(run_values(model, images, [name])[name], np.float32).reshape(len(images), -1)


def without(model: onnx.ModelProto, op_types: Sequence[str]) -> onnx.ModelProto:
    """A copy of `model` in which the nodes of these types hand on their first input."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        if node.op_type in op_types:
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1], node.name))
    return copy


def zoo_model(name: str, seed: int = 0) -> onnx.ModelProto:
    """The network `name` with random weights, for one image at a time; equal seeds give equal networks.

    Weights are normal with variance 2 / fan-in (He et al., ICCV 2015). Then every channel of a layer is shifted towards
    mean 0 and scaled to variance about 1 over a few images, by batch norm's statistics where there is one, otherwise
    in the layer's own weights (Kraehenbuehl et al., ICLR 2016), and gets a random bias. What is left of the means is
    common to all images: the logits of two have a cosine of about 0.93.
    """
    path = LIGHT / f"light_{name}.onnx"
    if not path.is_file():
        raise InputError(f"there is no network called '{name}'", hint=f"one of {', '.join(zoo_names())}")
    model = onnx.load(path)
    shapes = _strip(model)
    weights = _draw(model.graph, shapes, np.random.default_rng(seed))
    _normalise(model, weights, zoo_images(OBSERVED, seed=seed + 1_000_003))
    for key in shapes:  # one by one: vgg19 has 575 MB of them
        model.graph.initializer.append(numpy_helper.from_array(weights.pop(key), key))
    return model


def _strip(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Take the constant weights out of `model`; returns their shapes. They stay inputs, as IR version 3 asks for."""
    graph = model.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    filled = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "ConstantOfShape"}
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {name for node in nodes for name in node.input}
    shapes: dict[str, tuple[int, ...]] = {name: tuple(stored[key].tolist()) for key, name in filled.items()}
    shapes |= {key: array.shape for key, array in stored.items() if key in used and array.dtype == np.float32}
    inputs = []
    for value in graph.input:
        name = filled.get(value.name, value.name)
        if name in shapes:
            inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name]))
        elif name in used:
            inputs.append(value)
    rest = [tensor for tensor in graph.initializer if tensor.name in used and tensor.name not in shapes]
    graph.CopyFrom(helper.make_graph(nodes, graph.name, inputs, graph.output, rest))
    return shapes


def _draw(graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Floats]:
    """Weights, gains and biases; batch norm's means are 0 and its variances 1."""
    readers = {name: node for node in graph.node for name in node.input}
    mean, deviation = dict.fromkeys(shapes, 0.0), dict.fromkeys(shapes, 0.0)
    kernels: set[str] = set()
    norms = {node.output[0] for node in graph.node if node.op_type == "BatchNormalization"}
    joins = [set(node.input) for node in graph.node if node.op_type == "Sum"]
    branches = {name for join in joins for name in join & norms if not join <= norms}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            key, *bias = _weight(graph, node), *node.input[2:]
            kernels |= {key} if node.op_type == "Conv" else set()
            outputs = shapes[[key, *bias][-1]][0]
            deviation[key] = math.sqrt(2 * outputs / math.prod(shapes[key]))
            deviation.update(dict.fromkeys(bias, BIASES))
        elif node.op_type == "BatchNormalization":
            gain = BRANCH if node.output[0] in branches else 1.0
            mean[node.input[1]], deviation[node.input[1]] = gain, gain * SMALL
            deviation[node.input[2]] = gain * BIASES
            mean[node.input[4]] = 1.0
        elif node.op_type == "Unsqueeze":  # gains and biases that Caffe keeps beside batch norm
            is_gain = readers[node.output[0]].op_type == "Mul"
            mean[node.input[0]], deviation[node.input[0]] = (1.0, SMALL) if is_gain else (0.0, BIASES)
    logits = [node for node in graph.node if node.op_type in ("Conv", "Gemm")][-1]
    deviation[logits.input[2]] = SMALL
    weights = {}
    for key, shape in shapes.items():
        weights[key] = rng.standard_normal(shape, np.float32)
        if key in kernels:
            weights[key] *= np.float32(math.sqrt(1 - SMOOTH))
            weights[key] += np.float32(math.sqrt(SMOOTH)) * rng.standard_normal((*shape[:2], 1, 1), np.float32)
        weights[key] *= np.float32(deviation[key])
        weights[key] += np.float32(mean[key])
    return weights


def _weight(graph: onnx.GraphProto, layer: onnx.NodeProto) -> str:
    """The name of a layer's weight; inception_v1 reshapes one of them."""
    return next((node.input[0] for node in graph.node if layer.input[1] in node.output), layer.input[1])


def _normalise(model: onnx.ModelProto, weights: dict[str, Floats], images: Floats) -> None:
    """Put the statistics of every layer on `images` into batch norm, or into the weights and the bias of the layer.

    One pass in the manner of training: what a layer gives for this batch is normalised before the next one sees it.
    A channel's variance is the mean of its own and its layer's, so that no nearly silent channel is blown up.
    """
    nodes: list[onnx.NodeProto] = []
    layers: dict[str, onnx.NodeProto] = {}  # by the value whose statistics they hold
    norms = {node.input[0] for node in model.graph.node if node.op_type == "BatchNormalization"}
    for node in model.graph.node:
        value = node.output[0]
        if node.op_type == "BatchNormalization":
            layers[node.input[0]] = node
            nodes += _standardise(node.input[0], f"{value}/standard", (2, 3))
            nodes.append(_replaced(node, input=f"{value}/standard"))
        elif node.op_type in ("Conv", "Gemm") and len(node.input) > 2 and value not in norms:
            space = (2, 3) if node.op_type == "Conv" else ()
            layers[f"{value}/linear"] = node
            nodes.append(_replaced(node, output=f"{value}/linear"))
            nodes += _standardise(f"{value}/linear", f"{value}/standard", space)
            axes = [axis - 1 for axis in space] or [0]
            nodes.append(helper.make_node("Unsqueeze", node.input[2:], [f"{value}/bias"], axes=axes))
            nodes.append(helper.make_node("Add", [f"{value}/standard", f"{value}/bias"], [value]))
        else:
            nodes.append(node)
    names = [f"{value}/{statistic}" for value in layers for statistic in ("mean", "variance")]
    observed = iter(_run(model, nodes, names, weights, images))
    for node in layers.values():
        mean, variance = next(observed).ravel(), next(observed).ravel()
        if node.op_type == "BatchNormalization":
            weights[node.input[3]], weights[node.input[4]] = mean, variance
        else:
            scale, bias = 1 / np.sqrt(variance), weights[node.input[2]]
            weights[_weight(model.graph, node)].reshape(len(scale), -1)[:] *= scale[:, None]
            bias += (bias - mean) * scale


def _standardise(x: str, y: str, space: tuple[int, ...]) -> list[onnx.NodeProto]:
    """Nodes that bring every channel of `x` to mean 0 and variance about 1 over the batch and space."""
    make, axes = helper.make_node, (0, *space)
    share = numpy_helper.from_array(np.array(CENTRED, np.float32))
    return [
        make("ReduceMean", [x], [f"{x}/whole"], axes=axes),
        make("Constant", [], [f"{x}/share"], value=share),
        make("Mul", [f"{x}/whole", f"{x}/share"], [f"{x}/mean"]),
        make("Sub", [x, f"{x}/whole"], [f"{x}/deviations"]),
        make("Mul", [f"{x}/deviations", f"{x}/deviations"], [f"{x}/squares"]),
        make("ReduceMean", [f"{x}/squares"], [f"{x}/own"], axes=axes),
        make("Sub", [x, f"{x}/mean"], [f"{x}/centred"]),
        make("ReduceMean", [f"{x}/own"], [f"{x}/common"], axes=[1]),
        make("Mean", [f"{x}/own", f"{x}/common"], [f"{x}/variance"]),
        make("Sqrt", [f"{x}/variance"], [f"{x}/deviation"]),
        make("Div", [f"{x}/centred", f"{x}/deviation"], [y]),
    ]


def _replaced(node: onnx.NodeProto, *, input: str = "", output: str = "") -> onnx.NodeProto:
    """A copy of `node` with another first input or output."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[0], copy.output[0] = input or node.input[0], output or node.output[0]
    return copy


def _run(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    names: Sequence[str],
    weights: Mapping[str, Floats],
    images: Floats,
) -> list[Floats]:
    """The values `names` of the network with these nodes for all images in one batch.

    The weights are inputs, which onnxruntime does not copy.
    """
    targets = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in model.graph.initializer}  # of Reshape
    for shape in targets.values():
        shape[:1] *= shape[:1] != 1  # 0 instead of 1: as many images as there are
    (data,) = (v.name for v in model.graph.input if v.name not in weights and v.name not in targets)
    inputs = [v for v in model.graph.input if v.name in weights]
    inputs.append(helper.make_tensor_value_info(data, onnx.TensorProto.FLOAT, images.shape))
    graph = helper.make_graph(
        nodes,
        "statistics",
        inputs,
        [onnx.ValueInfoProto(name=name) for name in names],
        [numpy_helper.from_array(shape, name) for name, shape in targets.items()],
    )
    observer = helper.make_model(graph, ir_version=4, opset_imports=model.opset_import)
    session = ort.InferenceSession(observer.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(a, np.float32) for a in session.run(names, {data: images, **weights})]
