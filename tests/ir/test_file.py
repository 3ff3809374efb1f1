"""The container: an exact round trip, and clear errors for everything that is not a whole container."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from onnx import helper

from ganglion.errors import InputError
from ganglion.inspection import difference
from ganglion.ir import Graph, passes
from ganglion.ir.file import DOMAIN, KEY, from_bytes, from_onnx, load, save, to_bytes, to_onnx
from ganglion.simulator import simulate
from tests import networks
from tests.inspection.helpers import pooled_stages, renamed, stages
from tests.ir.test_quantize import small


@pytest.fixture
def net() -> Graph:
    graph = networks.quantized(small(), 2, 4, "loihi2")
    return graph.rebuild(graph.ops, notes=("a note", "und noch einer: ä"), name="net-1")


@given(networks.integer_networks())
@settings(max_examples=40, deadline=None)
def test_round_trip_of_drawn_networks(net: Graph) -> None:
    for graph in (net, passes.run(net, [passes.expand_clusters])):
        back = from_onnx(to_onnx(graph))
        assert str(back) == str(graph)
        x = networks.samples(graph, 2)
        np.testing.assert_array_equal(simulate(back, x).logits, simulate(graph, x).logits)


@given(networks.imported())
@settings(max_examples=20, deadline=None)
def test_round_trip_before_quantisation(graph: Graph) -> None:
    for g in (graph, networks.scheduled(graph, 3, 2)):
        assert str(from_onnx(to_onnx(g))) == str(g)


@given(networks.imported())
@settings(max_examples=20, deadline=None)
def test_round_trip_of_every_stage(graph: Graph) -> None:
    for stage in stages(graph):
        assert difference(stage, from_bytes(to_bytes(stage), "it")).equal


def test_an_array_and_an_op_of_one_name_are_kept_apart() -> None:
    """A population with a bias, fed by an op that is called as its array would be."""
    graph = renamed(pooled_stages()[-1], {"act3#1": "p", "conv1": "p.bias", "x": "p.bias#"})
    assert graph["p"].inputs == ("p.bias",)
    model = to_onnx(graph)
    values = [name for node in model.graph.node for name in node.output]
    assert not set(values) & {t.name for t in model.graph.initializer}
    assert difference(graph, from_bytes(model.SerializeToString(), "it")).equal


def test_viewers_see_type_and_integer_format(net: Graph) -> None:
    words = {node.name: node.doc_string for node in to_onnx(net).graph.node}
    assert words["fc2"] == "current<6, int>, weights 8 bits << 1"
    assert words["a"].startswith("spikes<6, 0..4>, membrane 15 bits, thresholds ")
    assert to_onnx(net).graph.doc_string == "a note\nund noch einer: ä"


def test_every_array_and_field_survives(net: Graph, tmp_path: Path) -> None:
    back = load(save(net, tmp_path / "net.onnx"))
    assert (back.name, back.steps, back.members, back.target, back.notes, back.stage) == (
        net.name,
        net.steps,
        net.members,
        net.target,
        net.notes,
        net.stage,
    )
    for a, b in zip(net.ops, back.ops, strict=True):
        for field in a.__dataclass_fields__:
            x, y = getattr(a, field), getattr(b, field)
            if isinstance(x, np.ndarray):
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x, y)
            else:
                assert x == y
                assert type(x) is type(y)


def test_the_file_is_onnx_with_shapes_that_viewers_read(net: Graph, tmp_path: Path) -> None:
    model = onnx.load(save(net, tmp_path / "net.onnx"))
    assert {n.domain for n in model.graph.node} == {DOMAIN}
    shapes = {
        v.name: [d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim] for v in model.graph.value_info
    }
    assert shapes["a"] == ["samples", 6]
    assert model.graph.output[0].name == "logits"


def spoil(path: Path, kind: str) -> None:
    data = path.read_bytes()
    model = onnx.load_model_from_string(data)
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
        return
    if kind == "empty":
        path.write_bytes(b"")
        return
    if kind == "text":
        path.write_text("this is not a network\n" * 20)
        return
    if kind == "version":
        next(o for o in model.opset_import if o.domain == DOMAIN).version = 99
    elif kind == "foreign":
        x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
        y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
        model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y]))
    elif kind == "header":
        del model.metadata_props[:]
    elif kind == "array":
        del model.graph.initializer[0]
    elif kind == "operator":
        model.graph.node[1].op_type = "warp"
    elif kind == "attribute":
        del model.graph.node[0].attribute[:]
    elif kind == "edge":
        model.graph.node[1].input[0] = "nowhere"
    elif kind == "delay":
        projection = next(n for n in model.graph.node if n.op_type == "dense")
        next(a for a in projection.attribute if a.name == "delay").i = 3
    elif kind == "stage":
        model.metadata_props[0].value = model.metadata_props[0].value.replace("quantized", "boiled")
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "not an ONNX file, or it is truncated|is damaged|not a compiled network"),
        ("empty", "not an ONNX file"),
        ("text", "not an ONNX file"),
        ("version", "has version 99 of the container; this ganglion reads version 3"),
        ("foreign", "is an ONNX model, not a compiled network"),
        ("header", "is damaged"),
        ("array", "is damaged"),
        ("operator", "is damaged"),
        ("attribute", "is damaged"),
        ("edge", "is damaged"),
        ("delay", "is damaged.*paths_are_balanced"),
        ("stage", "is damaged"),
    ],
)
def test_a_spoiled_file_is_a_clear_error(net: Graph, tmp_path: Path, kind: str, message: str) -> None:
    path = save(net, tmp_path / "net.onnx")
    spoil(path, kind)
    with pytest.raises(InputError, match=f"(?s){message}") as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_every_truncation_is_noticed(net: Graph, tmp_path: Path) -> None:
    data = save(net, tmp_path / "net.onnx").read_bytes()
    for length in range(0, len(data) - 1, 97):
        (tmp_path / "cut.onnx").write_bytes(data[:length])
        with pytest.raises(InputError):
            load(tmp_path / "cut.onnx")


def test_a_missing_file_and_folder(net: Graph, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        load(tmp_path / "nothing.onnx")
    with pytest.raises(InputError, match="cannot write"):
        save(net, tmp_path / "no" / "folder" / "net.onnx")


def test_a_failing_save_leaves_the_old_file_and_nothing_else(
    net: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(net, tmp_path / "net.onnx")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        save(net, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_the_header_is_plain_json(net: Graph) -> None:
    assert [p.key for p in to_onnx(net).metadata_props] == [KEY]
