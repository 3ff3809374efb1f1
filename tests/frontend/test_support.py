"""The preflight tells of every node what becomes of it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ganglion.errors import InputError
from ganglion.frontend import NodeStatus, check

from .helpers import build, dyadic

PLANE = "float[N,C,H,W] y"
CONSTANTS = {
    "w": dyadic(2, 2, 1, 1),
    "theta": np.float32(2),
    "zero": np.float32(0),
    "one": np.float32(1),
    "L": np.float32(8),
}
QCFS = (
    "{0}1 = Div({1}, theta) {0}2 = Clip({0}1, zero, one) {0}3 = Mul({0}2, L) "
    "{0}4 = Round({0}3) {0}5 = Div({0}4, L) {0} = Mul({0}5, theta) "
)


def statuses(model: onnx.ModelProto) -> dict[str, NodeStatus]:
    found = check(model)
    assert len({s.name for s in found}) == len(found)
    return {s.name: s for s in found}


def test_a_model_that_compiles() -> None:
    body = "a = Conv(x, w) " + QCFS.format("q", "a")
    body += "k = Constant<value_float=2.0>() j = Mul(w, k) m = Sub(q, a) n = Add(m, a) "
    body += "p = Identity(n) s = Shape(p) r = Reshape(p, s) d = Relu(r) y = Conv(r, j)"
    found = statuses(build(body, y=PLANE, weights=CONSTANTS))
    assert [s.op_type for s in found.values()][:3] == ["Conv", "Div", "Clip"]
    assert {s.status for s in found.values()} == {"supported", "changed"}
    assert found["Conv_0"].status == "supported"
    assert found["Conv_0"].note == "Conv2d 'a'"
    assert found["Round_4"].note == "staircase of 8 levels, step 0.25 -> Group Neuron 'q'"
    assert found["Constant_7"].note == "folded into a constant"
    assert found["Mul_8"].note == "folded into a constant"
    assert "straight-through" in found["Sub_9"].note
    assert "straight-through" in found["Add_10"].note
    assert found["Identity_11"].note == "removed: it changes nothing"
    assert found["Shape_12"].note == "folded into a constant"
    assert found["Relu_14"].note == "removed: the output does not depend on it"
    assert found["Conv_15"].note == "Conv2d 'y_2'"


def test_everything_refused_is_told_at_once() -> None:
    body = "a = LRN<size=3>(x) b = Conv(a, w) c = Mul(b, L) d = Relu(c) " + QCFS.format("q", "d")
    body += "e = Conv(q, w) f = Relu(e) g = Conv(f, w) h = LeakyRelu(g) y = InstanceNormalization(h, v, v)"
    found = statuses(build(body, y=PLANE, weights=CONSTANTS | {"v": np.ones(2, np.float32)}))
    refused = {s.op_type for s in found.values() if s.status == "refused"}
    assert refused == {"LRN", "LeakyRelu", "InstanceNormalization"}
    assert sum(s.status == "refused" for s in found.values()) == 3
    assert found["LRN_0"].note.endswith("or try the network without it: --drop LRN")
    assert found["Relu_11"].status == "changed"
    assert "a plain ReLU -> Group Neuron 'f', with levels from samples" in found["Relu_11"].note
    assert found["Conv_1"].status == "supported"
    assert "Group Neuron 'q'" in found["Round_7"].note


def test_all_nodes_of_a_refused_activation_are_marked() -> None:
    found = statuses(build("a = Conv(x, w) b = Mul(a, L) c = Sigmoid(b) y = Mul(c, L)", y=PLANE, weights=CONSTANTS))
    assert found["Sigmoid_2"].status == "refused"
    assert found["Mul_1"].note == found["Mul_3"].note == "part of an activation that is refused at Sigmoid_2"


def test_a_quantised_input() -> None:
    weights = {"s": np.float32(0.5), "z": np.array(3, np.uint8)}
    body = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Neg(d)"
    found = statuses(build(body, y=PLANE, weights=weights))
    assert found["QuantizeLinear_0"].note == "staircase of 255 levels, step 0.5 -> the codes -3..252 of the input 'x'"


def test_inputs_and_outputs() -> None:
    found = statuses(build("y = Neg(x)", x="float[N,2,h,w] x", y=PLANE))
    assert found["x"].op_type == "Input"
    assert "axis 2 ('h')" in found["x"].note
    assert found["Neg_0"].status == "refused"
    assert "not checked" in found["Neg_0"].note
    found = statuses(build("y = Neg(x) z = Neg(x)", x="float[N,2] x", y="float[N,2] y, float[N,2] z"))
    assert found["z"].op_type == "Output"
    assert found["z"].status == "refused"


def test_control_flow_is_one_refused_node() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) {
        zero = Constant<value_float=0.0>()  m = Neg(x)  n = ReduceMax<keepdims=0>(x)  c = Greater(n, zero)
        y = If(c) <then_branch = t () => (float[N,4] p) { p = Neg(m) },
                   else_branch = e () => (float[N,4] q) { q = Relu(x) }>
    }"""
    found = statuses(onnx.parser.parse_model(text))
    assert found["If_4"].status == "refused"
    assert found["Neg_1"].status == "supported", "the branches read it"


def test_an_unreadable_file_is_an_error() -> None:
    with pytest.raises(InputError):
        check("nowhere.onnx")
