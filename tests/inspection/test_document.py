"""The JSON of every stage is as the schema has it, and the schema notices what is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings

import ganglion
from ganglion.inspection import schema
from ganglion.inspection.document import plain
from ganglion.inspection.facts import BESIDE
from ganglion.ir import OPS, Graph, Stage
from ganglion.ir.verify import ALLOWED
from tests import networks
from tests.inspection.helpers import pooled_stages, small_stages, stages

SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def document(graph: Graph) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(ganglion.inspect(graph, "json"))
    return data


def problems(data: dict[str, Any]) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(networks.imported())
@settings(max_examples=15, deadline=None)
def test_every_stage_of_drawn_networks_is_valid(graph: Graph) -> None:
    for stage in stages(graph):
        assert problems(document(stage)) == []


@pytest.mark.parametrize("make", [small_stages, pooled_stages])
def test_the_stages_are_all_there_and_valid(make: Callable[[], list[Graph]]) -> None:
    seen = make()
    assert {graph.stage for graph in seen} == set(Stage)
    for graph in seen:
        data = document(graph)
        assert problems(data) == []
        assert [op["name"] for op in data["ops"]] == [op.name for op in graph.ops]
        assert data["summary"]["depth"] == graph.depth


def attribute_names(rules: dict[str, Any]) -> set[str]:
    """The properties of an object of the schema, through references."""
    base = SCHEMA["$defs"][rules["$ref"].removeprefix("#/$defs/")] if "$ref" in rules else {}
    return set(rules.get("properties", ())) | (attribute_names(base) if base else set())


def test_the_schema_has_every_op_and_field() -> None:
    rules = {
        rule["if"]["properties"]["op"]["const"]: rule["then"]["properties"] for rule in SCHEMA["$defs"]["op"]["allOf"]
    }
    assert set(rules) == {kind.mnemonic for kind in OPS} == set(SCHEMA["$defs"]["op"]["properties"]["op"]["enum"])
    for kind in OPS:
        expected = {field.name for field in fields(kind)} - set(BESIDE)
        assert attribute_names(rules[kind.mnemonic]["attributes"]) == expected, kind.mnemonic


def test_the_schema_has_the_ops_of_every_stage() -> None:
    rules = {rule["if"]["properties"]["stage"]["const"]: rule["then"]["properties"] for rule in SCHEMA["allOf"]}
    assert set(rules) == {stage.name.lower() for stage in Stage}
    for stage in Stage:
        expected = {kind.mnemonic for kind in OPS if issubclass(kind, ALLOWED[stage])}
        assert set(rules[stage.name.lower()]["ops"]["items"]["properties"]["op"]["enum"]) == expected


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return spoil


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        put("format", value="something.else"),
        put("version", value=2),
        put("stage", value="boiled"),
        put("stage", value="imported"),
        put("stage", value="clustered"),
        put("steps", value=None),
        put("steps", value=0),
        put("target", value=None),
        put("extra", value=1),
        drop("notes"),
        put("notes", value=[1]),
        put("recipe", value={"drop": []}),
        put("recipe", value={"drop": [], "output": None, "calibration": {}}),
        drop("summary", "synapses"),
        put("summary", "neurons", value=-1),
        put("ops", value=[]),
        put("ops", 0, "op", value="warp"),
        put("ops", 0, "inputs", value=["a"]),
        put("ops", 1, "inputs", value=[]),
        put("ops", 1, "inputs", value=["a", "b"]),
        put("ops", 1, "op", value="conv2d"),
        put("ops", 1, "type", "kind", value="spikes"),
        put("ops", 1, "type", "integer", value=False),
        put("ops", 1, "level", value=-1),
        put("ops", 1, "placeholder", value=True),
        put("ops", 1, "bits", value={}),
        put("ops", 1, "bits", value={"exponent": 1}),
        put("ops", 1, "bits", value={"weights": 0, "exponent": 0}),
        drop("ops", 1, "attributes", "weight"),
        drop("ops", 1, "attributes", "delay"),
        put("ops", 1, "attributes", "delay", value=-1),
        put("ops", 1, "attributes", "kernel", value="int9"),
        put("ops", 1, "attributes", "extra", value=1),
        put("ops", 1, "attributes", "weight", value=[1, 2]),
        put("ops", 1, "attributes", "weight", "checksum", value="abc"),
        put("ops", 1, "attributes", "weight", "dtype", value="object"),
        put("ops", 1, "attributes", "weight", "shape", value=[-1]),
        drop("ops", 1, "attributes", "weight", "low"),
        put("ops", 2, "attributes", "interval", value=[1]),
        put("ops", 2, "attributes", "scale", value="0.5"),
        drop("ops", 2, "attributes", "unit"),
        drop("ops", 2, "origin"),
        put("ops", 2, "type", "high", value="4"),
    ],
)
def test_a_spoiled_document_is_noticed(spoil: Callable[[dict[str, Any]], None]) -> None:
    data = document(small_stages()[-2])
    assert data["stage"] == "quantized"
    assert [op["op"] for op in data["ops"][:3]] == ["input", "dense", "group-neuron"]
    spoiled = copy.deepcopy(data)
    spoil(spoiled)
    assert problems(data) == []
    assert problems(spoiled) != []


def test_a_recipe_is_summed_up() -> None:
    recipe = json.dumps({"drop": ["LRN"], "output": "y", "calibration": {"levels": 4, "thetas": [0.5] * 9}})
    graph = small_stages()[-2]
    data = document(graph.rebuild(graph.ops, recipe=recipe))
    assert problems(data) == []
    assert data["recipe"]["drop"] == ["LRN"]
    other = document(graph.rebuild(graph.ops, recipe=recipe.replace("0.5", "0.25")))
    assert data["recipe"]["calibration"] != other["recipe"]["calibration"]


def test_arrays_and_numbers_that_json_does_not_have() -> None:
    assert plain(np.array([1.0, np.inf, -np.inf, np.nan]))["values"] == [1.0, "Infinity", "-Infinity", "NaN"]
    assert plain(np.zeros((0, 3), np.int8)) == {"dtype": "int8", "shape": [0, 3], "checksum": "e3b0c442", "values": []}
    large = plain(np.arange(9, dtype=np.int16))
    assert (large["low"], large["high"], "values" in large) == (0, 8, False)
    assert plain((1, float("nan"))) == [1, "NaN"]
