"""Two networks, compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from ganglion.inspection import difference
from ganglion.ir import Dense, Graph, GroupNeuron
from ganglion.ir.file import from_onnx, to_onnx
from tests import networks
from tests.inspection.helpers import small_stages


@pytest.fixture
def net() -> Graph:
    return small_stages()[-2]


def changed(graph: Graph, name: str, **fields: object) -> Graph:
    """`graph` whose op `name` has other fields."""
    return graph.rebuild([replace(op, **fields) if op.name == name else op for op in graph.ops])  # type: ignore[arg-type]


@given(networks.integer_networks())
@settings(max_examples=10, deadline=None)
def test_a_network_equals_itself_after_a_round_trip(graph: Graph) -> None:
    found = difference(graph, from_onnx(to_onnx(graph)))
    assert found.equal
    assert str(found) == "equal"
    assert found.as_json() == {
        "equal": True, "header": [], "only_in_a": [], "only_in_b": [], "changed": [], "reordered": False
    }  # fmt: skip


@given(networks.imported())
@settings(max_examples=10, deadline=None)
def test_equal_means_equal_texts(graph: Graph) -> None:
    one, other = networks.quantized(graph, 2, 2, "loihi2"), networks.quantized(graph, 2, 3, "loihi2")
    assert not difference(one, other).equal
    assert difference(one, one).equal


def test_arrays_tell_how_many_values_differ_and_by_how_much(net: Graph) -> None:
    op = net["fc2"]
    assert isinstance(op, Dense)
    weight = op.weight.copy()
    weight[0, 0] -= 3 * np.sign(weight[0, 0])
    weight[1, 2] -= np.sign(weight[1, 2])
    found = difference(net, changed(net, "fc2", weight=weight))
    assert set(found.changed) == {"fc2"}
    (change,) = found.changed["fc2"]
    assert (change.field, change.different, change.compared, change.largest) == ("weight", 2, 36, 3.0)
    assert "weight: 2 of 36 values differ, by 3 at most" in str(found)
    (entry,) = found.as_json()["changed"]
    assert entry["fields"][0]["a"]["checksum"] != entry["fields"][0]["b"]["checksum"]
    json.dumps(found.as_json(), allow_nan=False)


def test_fields_show_both_values(net: Graph) -> None:
    found = difference(net, changed(net, "fc2", exponent=3, origin=("elsewhere",)))
    assert [(c.field, c.a, c.b) for c in found.changed["fc2"]] == [
        ("origin", ("/fc2/node",), ("elsewhere",)),
        ("exponent", 1, 3),
    ]
    assert "    exponent: 1 -> 3\n" in str(found)
    assert found.as_json()["changed"] == [
        {
            "name": "fc2",
            "fields": [
                {"field": "origin", "a": ["/fc2/node"], "b": ["elsewhere"]},
                {"field": "exponent", "a": 1, "b": 3},
            ],
        }
    ]


def test_other_dtypes_shapes_and_missing_arrays_differ(net: Graph) -> None:
    op = net["a"]
    assert isinstance(op, GroupNeuron)
    wide = difference(net, changed(net, "a", thresholds=op.thresholds.astype(np.int64))).changed["a"]
    assert [(c.field, c.different, c.largest) for c in wide] == [("thresholds", 0, 0.0)]
    assert str(wide[0]) == "thresholds: 0 of 18 values differ, by 0 at most, int32 -> int64"
    biased = difference(net, changed(net, "a", bias=np.arange(6, dtype=np.int32))).changed["a"]
    assert [str(c) for c in biased] == ["bias: nothing -> int32 6, 0 to 5"]
    single = difference(net, changed(net, "a", unit=op.unit[0])).changed["a"]
    assert str(single[0]).startswith("unit: float64 6, ")


def test_what_is_no_number_equals_itself_alone() -> None:
    graph = small_stages()[0]
    weight = np.array([[1.0, np.nan, np.inf, -np.inf]] * 6)
    one = changed(graph, "fc1", weight=weight)
    assert difference(one, changed(graph, "fc1", weight=weight.copy())).equal
    other = weight.copy()
    other[0] = [1.0, 2.0, np.inf, np.inf]
    (change,) = difference(one, changed(graph, "fc1", weight=other)).changed["fc1"]
    assert (change.different, change.largest) == (2, np.inf)
    assert change.as_json()["largest"] == "Infinity"


def test_the_header_and_the_order_count(net: Graph) -> None:
    found = difference(net, net.rebuild(net.ops, name="other", notes=("another note",), steps=4, source="ab"))
    assert [(c.field, c.a, c.b) for c in found.header] == [
        ("name", "network", "other"),
        ("steps", 2, 4),
        ("source", None, "ab"),
        ("notes", ["a note"], ["another note"]),
    ]
    assert "source: nothing -> ab" in str(found)
    ops = list(net.ops)
    ops[3:5] = reversed(ops[3:5])
    moved = difference(net, net.rebuild(ops))
    assert moved.reordered
    assert not moved.equal
    assert "stand in another order" in str(moved)


def test_ops_that_only_one_has() -> None:
    *_, graded, clustered = small_stages()
    found = difference(graded, clustered)
    assert found.only_in_a == ()
    assert [op.name for op in found.only_in_b] == [f"{n}#{k}" for n in "ab" for k in (1, 2, 3, "inhibition")]
    assert found.changed["a"][0].field == "op"
    back = difference(clustered, graded)
    assert [op.name for op in back.only_in_a] == [op.name for op in found.only_in_b]
    text = str(back)
    assert text.count("\n- %") == 8
    assert text.endswith("8 ops only in the first (-), 0 only in the second (+), 2 changed")
