"""Old opsets are converted without a change of meaning; what cannot be is named, and what is too new as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from ganglion.errors import CompileError, InputError
from ganglion.frontend import import_model, opsets, read, run_onnxruntime
from ganglion.frontend.reader import load

from .helpers import assert_same_meaning, build, dyadic

PLANE = "float[N,C,H,W] y"
LIGHT = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("*.onnx"))
PAIR = np.array([1, 2], np.float32)
DOUBLED = np.array([1, 1, 2, 3], np.float32)


def test_an_old_opset_is_converted() -> None:
    model = build(
        "a = Conv(x, w) b = Dropout<ratio=0.5>(a) c = Squeeze<axes=[3]>(b) y = Unsqueeze<axes=[2]>(c)",
        y=PLANE,
        opset=11,
        weights={"w": dyadic(3, 2, 6, 5)},
    )
    model.metadata_props.add(key="ganglion.input_range", value="-1,1")
    graph = assert_same_meaning(model)
    assert len(graph) == 5
    assert graph.input.scale == 2 / 255


@pytest.mark.parametrize(
    ("opset", "body"),
    [
        (7, 'y = Upsample<mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]>(x)'),
        (7, "y = AveragePool<kernel_shape=[2,2], pads=[1,1,1,1]>(x)"),
        (8, "a = BatchNormalization(x, v, v, v, v) y = Relu(a)"),
        (8, "y = Sum(x, x, x)"),
        (9, 'y = Upsample<mode="nearest">(x, k)'),
        (9, "y, indices = MaxPool<kernel_shape=[2,2]>(x)"),
        (9, "a, mask = Dropout<ratio=0.5>(x) y = Relu(a)"),
        (9, "y = Clip<min=-0.5, max=0.5>(x)"),
        (9, "y = Softmax(x)"),
        (9, "y = Pad<pads=[0,0,1,1,0,0,1,2]>(x)"),
        (9, "y = Slice<axes=[2], starts=[0], ends=[3]>(x)"),
        (9, "l = Flatten(x) y = Gemm(l, w, b)"),
        (9, "y = Reshape(x, s)"),
        (9, "y = ReduceSum<axes=[2,3]>(x)"),
        (10, 'y = Resize<mode="nearest">(x, k)'),
        (10, "q = QuantizeLinear(x, h, z) y = DequantizeLinear(q, h, z)"),
        (11, "a, b2 = Split<axis=1, split=[1,1]>(x) y = Concat<axis=1>(b2, a)"),
        (12, "y = Clip(x, , h)"),
    ],
)
def test_the_meaning_stays(opset: int, body: str) -> None:
    weights: dict[str, Any] = {"v": PAIR, "k": DOUBLED, "w": dyadic(60, 3), "b": dyadic(3), "s": np.array([0, -1])}
    weights |= {"h": np.float32(0.25), "z": np.int8(0)}
    names = {name.strip(",)") for part in body.split("(")[1:] for name in part.replace(")", ") ").split()}
    model = build(body, opset=opset, weights={n: a for n, a in weights.items() if n in names})
    model.graph.output[0].type.tensor_type.ClearField("shape")
    x = np.random.default_rng(0).normal(size=(3, 2, 6, 5))
    converted = load(model)
    assert converted.opset_imports[""] == 13
    np.testing.assert_array_equal(run_onnxruntime(converted, x), run_onnxruntime(model, x))
    assert read(model).graph.outputs[0].shape is not None


def test_large_weights_come_through_the_conversion() -> None:
    w = dyadic(40, 40)
    model = build("a = MatMul(x, w) y = MatMul(a, w)", x="float[N,40] x", opset=9, weights={"w": w, "unused": w})
    for name in ("w", "unused"):
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, w.shape))
    model.ir_version = 3
    graph = load(model).graph
    assert [value.name for value in graph.inputs] == ["x"]
    for name in ("w", "unused"):
        tensor = graph.initializers[name].const_value
        assert tensor is not None
        np.testing.assert_array_equal(tensor.numpy(), w)


def test_other_domains_come_through_the_conversion() -> None:
    model = build("a = com.microsoft.Gelu(x) y = Neg(a)", x="float[N,3] x", opset=9, extra=', "com.microsoft" : 1')
    with pytest.raises(CompileError, match="microsoft::Gelu is not supported"):
        import_model(model)


def test_an_opset_that_cannot_be_converted_is_refused() -> None:
    model = build("a = Neg(x) y = Add<broadcast=1, axis=1>(a, b)", opset=6, weights={"b": PAIR})
    model.graph.node[1].name = "sum"
    with pytest.raises(CompileError, match="the model has opset 6, and onnx cannot convert it to 13") as caught:
        import_model(model)
    assert caught.value.origin == ("sum",)
    assert "opset 13 or newer" in caught.value.hint


def test_the_op_that_the_converter_speaks_of_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(model: onnx.ModelProto, target: int) -> onnx.ModelProto:
        raise RuntimeError("BaseConverter.h:68: No Adapter From Version $9 for Softmax")

    monkeypatch.setattr(onnx.version_converter, "convert_version", fails)
    model = build("a = Clip<min=0.0>(x) b = Softmax(a) y = Neg(b)", x="float[N,3] x", opset=9)
    with pytest.raises(CompileError, match="No Adapter") as caught:
        load(model)
    assert caught.value.origin == ("Softmax_1",)


def test_an_opset_that_is_too_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opsets, "_onnxruntime_knows", lambda opset: opset <= 15)
    with pytest.raises(InputError, match="has opset 17; the installed onnxruntime supports up to 15") as caught:
        read(build("y = Neg(x)", x="float[N,3] x"))
    assert "opset 15 or older" in caught.value.hint


def test_an_opset_that_onnx_does_not_know() -> None:
    with pytest.raises(InputError, match="has opset 1000; the installed onnxruntime supports up to"):
        read(build("y = Neg(x)", x="float[N,3] x", opset=1000))


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_real_networks_of_opset_9(path: Path) -> None:
    """As they came in 2019: IR version 3, all weights listed as inputs (here computed by ConstantOfShape)."""
    model = read(path)
    assert [value.name for value in model.graph.inputs if value.uses()] == [model.graph.inputs[0].name]
    assert all(isinstance(d, int) for node in model.graph for v in node.outputs for d in shape(v))


def shape(value: ir.Value) -> ir.Shape:
    assert value.shape is not None
    return value.shape
