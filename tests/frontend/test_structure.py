"""Names and wiring: what cannot mean anything is refused with the names in it, what can is put in order."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ganglion.errors import CompileError, GanglionError, InputError
from ganglion.frontend import import_model, read
from ganglion.ir import to_text

from .helpers import assert_same_meaning, build, dyadic

ROW = "float[N,3] x"


def row(body: str, weights: tuple[str, ...] = (), **options: str) -> onnx.ModelProto:
    return build(body, x=options.get("x", ROW), weights={name: dyadic(1, 3) for name in weights})


def refusal(model: onnx.ModelProto, kind: type[GanglionError] = InputError) -> str:
    """What `read` says to it."""
    with pytest.raises(kind) as caught:
        read(model)
    assert caught.value.hint
    return str(caught.value)


def test_nodes_get_names_of_their_own() -> None:
    model = row("a = Neg(x) b = Neg(a) c = Neg(b) y = Neg(c)")
    for index, name in ((0, "twice"), (1, "twice"), (3, "Neg_2")):
        model.graph.node[index].name = name
    names = [node.name for node in read(model).graph]
    assert len(set(names)) == 4
    assert names[0] == "twice"
    assert names[3] == "Neg_2"


def test_nodes_are_sorted() -> None:
    model = row("a = Mul(x, w) b = Add(a, v) y = Neg(b)", ("w", "v"))
    expected = to_text(assert_same_meaning(model))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert to_text(import_model(model)) == expected


def test_nodes_in_a_circle() -> None:
    model = row("a = Add(x, c) b = Neg(a) c = Neg(b) y = Neg(c)")
    model.graph.node[1].name = "second"
    assert "read each other in a circle: Add_0" in refusal(model)
    assert "second" in refusal(model)


def test_values_that_nothing_defines() -> None:
    assert "Neg_0 reads 'nowhere', which nothing defines" in refusal(row("a = Neg(nowhere) y = Add(a, x)"))
    assert "nothing defines the output 'y'" in refusal(row("a = Neg(x)"))


def test_values_that_are_defined_twice() -> None:
    for model in (
        row("y = Neg(x) y = Relu(x)"),
        row("x = Neg(x) y = Neg(x)"),
        row("w = Neg(x) y = Add(x, w)", ("w",)),
        row("y = Neg(x)", x=f"{ROW}, {ROW}"),
    ):
        assert "is defined more than once" in refusal(model)
    twice = row("y = Add(x, w)", ("w",))
    twice.graph.initializer.append(twice.graph.initializer[0])
    assert "'w' is defined more than once" in refusal(twice)
    twice.graph.initializer[1].name = ""
    assert "weights without a name" in refusal(twice)


def test_weights_listed_as_inputs_are_weights() -> None:
    for version in (3, 8):
        model = build("y = Conv(x, w)", y="float[N,C,H,W] y", weights={"w": dyadic(3, 2, 2, 2)})
        model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [3, 2, 2, 2]))
        model.ir_version = version
        graph = import_model(model)
        assert graph.input.name == "x"


@pytest.mark.parametrize("version", range(3, onnx.IR_VERSION + 1))
def test_versions_of_the_format(version: int) -> None:
    model = row("y = Mul(x, w)", ("w",))
    model.ir_version = version
    if version == 3:
        model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [1, 3]))
    assert len(import_model(model)) == 3


def test_versions_of_the_format_that_are_not_read() -> None:
    model = row("y = Neg(x)")
    model.ir_version = 2
    assert "has IR version 2; 3 and newer are supported" in refusal(model)
    model.ir_version = onnx.IR_VERSION + 1
    assert f"reads up to {onnx.IR_VERSION}" in refusal(model)
    model.ClearField("ir_version")
    assert "is not an ONNX file" in refusal(model)


def test_sparse_constants_are_refused_by_name() -> None:
    values = onnx.numpy_helper.from_array(np.ones(2, np.float32), "w")
    sparse = onnx.helper.make_sparse_tensor(values, onnx.numpy_helper.from_array(np.array([0, 2]), "i"), [1, 3])
    weights = row("y = Add(x, w)")
    weights.graph.sparse_initializer.append(sparse)
    constant = row("y = Add(x, w)")
    constant.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["w"], sparse_value=sparse, name="few"))
    for model, name in ((weights, "w"), (constant, "few")):
        assert refusal(model, CompileError).startswith(f"{name}: sparse constants are not supported")


def test_an_input_without_a_shape() -> None:
    model = row("y = Neg(x)")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert refusal(model, CompileError).startswith("x: the input 'x' has no shape")


def test_outputs_need_neither_type_nor_shape() -> None:
    for field in ("type", "shape"):
        model = row("a = Mul(x, w) y = Add(a, v)", ("w", "v"))
        output = model.graph.output[0]
        (output if field == "type" else output.type.tensor_type).ClearField(field)
        assert_same_meaning(model)
    foreign = build("y = other.Thing(x)", x=ROW, extra=', "other" : 1')
    foreign.graph.output[0].ClearField("type")
    assert "the output 'y' has no shape, and none can be inferred" in refusal(foreign)


def test_names_that_are_no_text() -> None:
    data = row("a = Neg(x) y = Neg(a)").SerializeToString()
    broken = onnx.ModelProto.FromString(data.replace(b"\n\x01a", b"\n\x01\xff"))
    assert r"has a name that is not text: b'\xff'" in refusal(broken)


def test_an_invalid_node_is_named() -> None:
    model = row("a = Neg(x) y = Neg(a)")
    model.graph.node[1].name = "second"
    model.graph.node[1].op_type = "Clips"
    assert "the model: is not a valid ONNX model" in refusal(model)
    assert "Clips" in refusal(model)
    model.graph.node[1].op_type = "Add"
    assert "second" in refusal(model)
