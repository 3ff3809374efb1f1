"""What is no usable model is told so, with the file's or the node's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from ganglion.errors import CompileError, InputError
from ganglion.frontend import check, import_model, read, run_onnxruntime

from .helpers import assert_same_meaning, build, dyadic

PLANE = "float[N,C,H,W] y"


def small() -> onnx.ModelProto:
    weights = {"w": dyadic(3, 2, 2, 2), "b": np.float32(0.5)}
    return build("a = Conv(x, w) y = Add(a, b)", y=PLANE, weights=weights)


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


def test_a_model_that_contradicts_itself() -> None:
    with pytest.raises((InputError, CompileError), match=r"Conv_0|shape"):
        import_model(build("y = Conv(x, w)", y=PLANE, weights={"w": dyadic(3, 5, 2, 2)}))


def test_functions_are_inlined() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[N,4] x) => (float[N,4] y) { h = local.scale(x) y = local.scale(h) }
    <domain: "local", opset_import: ["" : 17]> scale (a) => (b) { two = Constant<value_float=2.0>() b = Mul(a, two) }"""
    graph = assert_same_meaning(onnx.parser.parse_model(text))
    assert [type(op).__name__ for op in graph] == ["Input", "OneToOne", "OneToOne", "Readout"]


@pytest.mark.parametrize(
    ("op", "node"),
    [
        ("Loop", "y = Loop<body = b (int64 i, bool c, float[1,4] a) => (bool c2, float[1,4] z) {"
                 "c2 = Identity(c) z = Neg(a)}>(n, , x)"),
        ("Scan", "y = Scan<num_scan_inputs = 1, body = b (float[4] a) => (float[4] z) { z = Neg(a) }>(x)"),
    ],
)  # fmt: skip
def test_loops_are_refused_by_name(op: str, node: str) -> None:
    weights = {"n": np.array(2)} if op == "Loop" else {}
    with pytest.raises(CompileError, match=f"{op} is not supported") as caught:
        import_model(build(node, x="float[1,4] x", y="float[1,4] y", weights=weights))
    assert caught.value.origin == (f"{op}_0",)
    assert "tracing" in caught.value.hint


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


def test_parts_that_the_output_does_not_need_are_ignored() -> None:
    weights = {"w": dyadic(3, 2, 2, 2)}
    graph = assert_same_meaning(
        build("y = Conv(x, w) lost = Sigmoid(x) gone = MaxPool<kernel_shape=[2,2]>(lost)", y=PLANE, weights=weights)
    )
    assert len(graph) == 3
    assert run_onnxruntime(small(), np.zeros((1, 2, 6, 5))).shape == (1, 3, 5, 4)


@pytest.mark.parametrize("batch", ["N", "?", "1", "3"])
def test_the_batch_may_be_dynamic(batch: str) -> None:
    weights = {"w": dyadic(3, 2, 2, 2)}
    body, rest = "a = Conv(x, w) b = Relu(a) c = Floor(b) d = Min(c, top) y = Flatten(d)", "2,6,5"
    model = build(body, x=f"float[{batch},{rest}] x", weights=weights | {"top": np.float32(3)})
    first = read(model).graph.inputs[0]
    assert first.shape == (int(batch) if batch.isdigit() else 1, 2, 6, 5)
    assert_same_meaning(model, input_range=(-4, 4), input_step=1 / 16)


def test_shapes_that_the_model_records_do_not_count() -> None:
    """Exporters and tools leave wrong ones behind; those of inputs and weights are what the model means."""
    model = build("a = Conv(x, w) y = Flatten(a)", y="float[7,7] y", weights={"w": dyadic(3, 2, 2, 2)})
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, [1, 2, "h"]))
    assert read(model).graph.outputs[0].shape == (1, 60)


@pytest.mark.parametrize(
    ("opset", "body"),
    [
        (9, "a, mask = Dropout<ratio=0.5>(x) b = Relu(a)"),
        (13, "a, mask = Dropout(x) b = Relu(a)"),
        (9, "p, indices = MaxPool<kernel_shape=[2,2]>(x) b = Relu(p)"),
        (17, "p, indices = MaxPool<kernel_shape=[2,2]>(x) b = Relu(p)"),
    ],
)
def test_outputs_of_nodes_that_nothing_reads(opset: int, body: str) -> None:
    model = read(build(f"{body} y = Flatten(b)", opset=opset))
    assert all(len([v for v in node.outputs if v.name]) == 1 for node in model.graph)
    assert model.graph.outputs[0].shape in ((1, 60), (1, 40))
    statuses = check(build(f"{body} y = Flatten(b)", opset=opset))
    assert all(status.status != "refused" for status in statuses)


def test_a_file_is_named_in_what_is_wrong_with_its_constants(tmp_path: Path) -> None:
    weights = {"v": np.zeros((2, 3), np.float32), "i": np.array([5])}
    onnx.save(build("c = Gather(v, i) y = Mul(x, c)", x="float[N,3] x", weights=weights), tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"net\.onnx: the constants of Gather_0 \(Gather\) cannot be computed"):
        read(tmp_path / "net.onnx")


def test_nodes_whose_inputs_do_not_go_together() -> None:
    for body, x, reason in (
        ("y = Mul(x, w)", "float[N,5] x", "Mul: .*Incompatible dimensions"),
        ("y = MatMul(x, w)", "float[N,5] x", "MatMul: .*Incompatible dimensions"),
        ("a = Mul(x, w) y = Concat<axis=7>(a, x)", "float[N,3] x", "Concat: .*axis must be in"),
        ("a = Cast<to=7>(x) y = Mul(w, a)", "float[N,3] x", "Mul: B has inconsistent type"),
    ):
        with pytest.raises(CompileError, match=reason) as caught:
            read(build(body, x=x, weights={"w": dyadic(1, 3)}))
        assert len(caught.value.origin) == 1
        assert caught.value.hint
