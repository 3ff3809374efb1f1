"""What is no usable model is told so, with the file's or the node's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from ganglion.errors import CompileError, InputError
from ganglion.frontend import import_model, read, run_onnxruntime
from ganglion.ir import to_text

from .helpers import assert_same_meaning, build, dyadic

PLANE = "float[N,C,H,W] y"


def small() -> onnx.ModelProto:
    weights = {"w": dyadic(3, 2, 2, 2), "b": np.float32(0.5)}
    return build("a = Conv(x, w) y = Add(a, b)", y=PLANE, weights=weights)


def test_every_source_gives_the_same_network(tmp_path: Path) -> None:
    model = small()
    onnx.save(model, tmp_path / "net.onnx")
    onnx.save(small(), tmp_path / "big.onnx", save_as_external_data=True, size_threshold=0, location="big.data")
    texts = {
        to_text(import_model(source)).replace("network net", "network g").replace("network big", "network g")
        for source in (
            model,
            ir.from_proto(model),
            tmp_path / "net.onnx",
            str(tmp_path / "net.onnx"),
            tmp_path / "big.onnx",
        )
    }
    assert len(texts) == 1


def test_the_callers_model_stays_as_it_is() -> None:
    body = "s = Shape(x) r = Reshape(x, s) a = Sub(r, x) b = Add(x, a) y = Conv(b, w)"
    proto = build(body, y=PLANE, weights={"w": dyadic(3, 2, 2, 2)})
    before = proto.SerializeToString()
    model = ir.from_proto(proto)
    text = str(model)
    import_model(proto)
    import_model(model)
    assert proto.SerializeToString() == before
    assert str(model) == text


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx: there is no such file"):
        read(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"this is not a model", b"\x08\x08\x12"])
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"foreign\.onnx: is not"):
        read(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.onnx"
    data = small().SerializeToString()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"cut\.onnx"):
        read(path)


def test_weights_beside_the_file_that_are_gone_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "big.onnx"
    onnx.save(small(), path, save_as_external_data=True, size_threshold=0, location="big.data")
    data = (tmp_path / "big.data").read_bytes()
    (tmp_path / "big.data").write_bytes(data[:10])
    with pytest.raises(InputError, match=r"big\.onnx: the weights stored beside it"):
        read(path)
    (tmp_path / "big.data").unlink()
    with pytest.raises(InputError, match=r"big\.onnx: the weights stored beside it"):
        read(path)


def test_an_invalid_model() -> None:
    model = small()
    model.graph.node[1].input[0] = "nowhere"
    with pytest.raises(InputError, match="the model: is not a valid ONNX model"):
        read(model)
    with pytest.raises(InputError, match="cannot be read"):
        read(3)  # type: ignore[arg-type]


def test_a_model_that_contradicts_itself() -> None:
    with pytest.raises((InputError, CompileError), match=r"Conv_0|shape"):
        import_model(build("y = Conv(x, w)", y=PLANE, weights={"w": dyadic(3, 5, 2, 2)}))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers(bad: float) -> None:
    w = dyadic(3, 2, 2, 2)
    w[1, 1, 1, 1] = bad
    with pytest.raises(InputError, match="the weights 'w' hold"):
        read(build("y = Conv(x, w)", y=PLANE, weights={"w": w}))
    model = build("y = Add(x, c)", y=PLANE)
    constant = onnx.helper.make_node(
        "Constant", [], ["c"], value=onnx.numpy_helper.from_array(np.array([bad], np.float32))
    )
    model.graph.node.insert(0, constant)
    with pytest.raises(InputError, match="the weights 'c' hold"):
        read(model)


def test_an_infinite_bound_of_a_clip_is_fine() -> None:
    weights = {"zero": np.float32(0), "top": np.array(np.inf, np.float32), "L": np.float32(3)}
    model = build("a = Clip(x, zero, top) b = Floor(a) y = Min(b, L)", y=PLANE, weights=weights)
    assert_same_meaning(model, input_range=(-4, 4), input_step=1 / 16)


def test_half_precision_is_refused_by_name() -> None:
    model = build(
        "y = Conv(x, w)",
        x="float16[N,2,6,5] x",
        y="float16[N,C,H,W] y",
        weights={"w": dyadic(3, 2, 2, 2).astype(np.float16)},
    )
    with pytest.raises(CompileError, match="'w' are float16") as caught:
        read(model)
    assert caught.value.origin == ("Conv_0",)


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


def test_an_opset_that_cannot_be_converted_is_refused() -> None:
    model = build(
        'y = Upsample<mode="nearest">(x, s)', y=PLANE, opset=9, weights={"s": np.array([1, 1, 2, 2], np.float32)}
    )
    with pytest.raises(CompileError, match=r"opset 9|Upsample|Resize") as caught:
        import_model(model)
    assert "Error in" not in str(caught.value.origin)


def test_functions_are_inlined() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[N,4] x) => (float[N,4] y) { h = local.scale(x) y = local.scale(h) }
    <domain: "local", opset_import: ["" : 17]> scale (a) => (b) { two = Constant<value_float=2.0>() b = Mul(a, two) }"""
    graph = assert_same_meaning(onnx.parser.parse_model(text))
    assert [type(op).__name__ for op in graph] == ["Input", "OneToOne", "OneToOne", "Readout"]


def test_control_flow_is_refused_by_name() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) {
        zero = Constant<value_float=0.0>()
        m = ReduceMax<keepdims=0>(x)
        c = Greater(m, zero)
        y = If(c) <then_branch = t () => (float[N,4] p) { p = Neg(x) },
                   else_branch = e () => (float[N,4] q) { q = Relu(x) }>
    }"""
    with pytest.raises(CompileError, match="If is not supported") as caught:
        import_model(onnx.parser.parse_model(text))
    assert "If_3" in caught.value.origin
    assert "tracing" in caught.value.hint


def test_a_branch_that_the_shapes_decide_is_no_control_flow() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,M] y) {
        s = Shape(x) i = Constant<value_int=1>() n = Gather(s, i) four = Constant<value_int=4>() c = Equal(n, four)
        y = If(c) <then_branch = t () => (float[N,4] p) { p = Neg(x) },
                   else_branch = e () => (float[N,4] q) { q = Relu(x) }>
    }"""
    assert_same_meaning(onnx.parser.parse_model(text))


def test_weights_listed_as_inputs_are_weights() -> None:
    model = build("y = Conv(x, w)", y=PLANE, weights={"w": dyadic(3, 2, 2, 2)})
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [3, 2, 2, 2]))
    graph = import_model(model)
    assert graph.input.name == "x"


def test_dynamic_dimensions_are_named() -> None:
    with pytest.raises(CompileError, match=r"axis 2 \('height'\), 3 \('width'\)") as caught:
        read(build("y = Conv(x, w)", x="float[N,2,height,width] x", y=PLANE, weights={"w": dyadic(3, 2, 2, 2)}))
    assert caught.value.origin == ("x",)


def test_one_input_and_one_output() -> None:
    with pytest.raises(CompileError, match="2 inputs") as caught:
        import_model(build("y = Add(x, z)", x="float[N,3] x, float[N,3] z"))
    assert caught.value.origin == ("x", "z")
    with pytest.raises(CompileError, match="2 outputs"):
        import_model(build("y = Neg(x) z = Neg(y)", x="float[N,3] x", y="float[N,3] y, float[N,3] z"))


def test_an_output_that_hangs_on_nothing() -> None:
    with pytest.raises(CompileError, match="does not depend on the input"):
        import_model(build("y = Neg(w)", x="float[1,3] x", weights={"w": dyadic(1, 3)}))
    with pytest.raises(CompileError, match="the batch, and one axis more"):
        import_model(build("y = Neg(x)", x="float[N] x", y="float[N] y"))


def test_nodes_get_names_of_their_own() -> None:
    model = build("a = Neg(x) b = Neg(a) c = Neg(b) y = Neg(c)", x="float[N,3] x")
    for index, name in ((0, "twice"), (1, "twice"), (3, "Neg_2")):
        model.graph.node[index].name = name
    names = [node.name for node in read(model).graph]
    assert len(set(names)) == 4
    assert names[0] == "twice"
    assert names[3] == "Neg_2"


def test_parts_that_the_output_does_not_need_are_ignored() -> None:
    weights = {"w": dyadic(3, 2, 2, 2)}
    graph = assert_same_meaning(
        build("y = Conv(x, w) lost = Sigmoid(x) gone = MaxPool<kernel_shape=[2,2]>(lost)", y=PLANE, weights=weights)
    )
    assert len(graph) == 3
    assert run_onnxruntime(small(), np.zeros((1, 2, 6, 5))).shape == (1, 3, 5, 4)
