"""The mapping in a network's file: whole again when read, refused when spoiled, and never of another network."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion import InputError
from ganglion.ir import Graph
from ganglion.mapping import Mapping, kept_in, map_network
from ganglion.mapping.text import VERSION
from tests.backends import networks


def mapped(**options: Any) -> tuple[Graph, Mapping]:
    net = networks.residual()
    mapping = map_network(net, "loihi2", **options)
    return replace(net, mapping=mapping.to_text()), mapping


def test_the_networks_file_keeps_its_mapping(tmp_path: Path) -> None:
    net, mapping = mapped()
    ganglion.save(net, tmp_path / "net.onnx")
    loaded = ganglion.load(tmp_path / "net.onnx")
    kept = kept_in(loaded)
    assert kept is not None
    assert kept.mapping is not None
    assert kept.mapping.to_text() == mapping.to_text()
    assert kept.mapping.as_json() == mapping.as_json()
    assert ganglion.expand_clusters(loaded).mapping == ""  # it is of that network no more
    assert kept_in(networks.residual()) is None


def test_a_network_that_does_not_fit_keeps_why() -> None:
    mapping = map_network(networks.mlp(), "loihi1", form="graded")
    assert Mapping.from_text(mapping.to_text()).as_json() == mapping.as_json()
    assert mapping.fits == "no"


def test_a_mapping_of_another_network_is_told() -> None:
    net, _ = mapped()
    other = replace(networks.convolutions(), mapping=net.mapping)
    longer = replace(net, steps=net.steps + 1)  # the same neurons; but costs are those of a window
    for graph in (other, longer):
        kept = kept_in(graph)
        assert kept is not None
        assert kept.mapping is None
        assert "of another network; map the network again" in kept.problem
    renamed = kept_in(replace(net, name="other", notes=("a note",)))
    assert renamed is not None
    assert renamed.mapping is not None


@pytest.mark.parametrize("version", [1, 3, 99])
def test_another_version_is_named(version: int) -> None:
    net, mapping = mapped()
    text = mapping.to_text().replace(f'"mapping":{VERSION}', f'"mapping":{version}', 1)
    with pytest.raises(
        InputError, match=f"has form {version}, of another version of ganglion; this one reads {VERSION}"
    ):
        Mapping.from_text(text)
    kept = kept_in(replace(net, mapping=text))
    assert kept is not None
    assert f"has form {version}" in kept.problem


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "3", '"mapping"', "null", '{"mapping": 2}', '{"mapping": "2"}', "[" * 100_000, "\x00"]
)
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="damaged") as caught:
        Mapping.from_text(text)
    assert "ganglion map NET.onnx" in (caught.value.hint or "")


def put(*path: Any, value: Any) -> Callable[[Any], Any]:
    def spoil(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value(data[path[-1]]) if callable(value) else value

    return spoil


SPOILT: dict[str, Callable[[Any], Any]] = {
    "a name that is a number": put("network", value=3),
    "true for a number": put("seed", value=True),
    "no layers": put("layers", value=[]),
    "two layers of one name": put("layers", 1, "name", value="a/relu"),
    "a layer with one more field": put("layers", 0, "colour", value="red"),
    "a shape of two": put("layers", 0, "shape", value=[1, 2]),
    "a limit of 0": put("layers", 0, "limits", value=lambda limits: dict.fromkeys(limits, 0)),
    "a limit of nothing used": put("layers", 0, "limits", value={"patience": 3}),
    "no limits": put("layers", 0, "limits", value={}),
    "another number of cores": put("layers", 0, "cores", value=77),
    "cores of a population that is not there": put("cores", 0, value=lambda core: ["nobody", *core[1:]]),
    "a core without its box": put("cores", 0, value=lambda core: [core[0], [], core[2]]),
    "a core that is a number": put("cores", 0, value=lambda core: [*core[:2], 5]),
    "a core of words": put("cores", 0, value=lambda core: [*core[:2], ["x"] * len(core[2])]),
    "a core of too few": put("cores", 0, value=lambda core: [*core[:2], core[2][1:]]),
    "three places": put("places", value=lambda places: places[:3]),
    "a place outside": put("places", 1, 0, value=8),
    "a place below": put("places", 2, 0, value=-1),
    "a chip far away": put("places", 0, 0, value=10**9),
    "a chip beyond all numbers": put("places", 0, 0, value=10**30),
    "half a place": put("places", 0, 0, value=0.5),
    "one place too few": put("places", 0, value=lambda chips: chips[1:]),
    "cores without places": put("places", value=None),
    "a route to nowhere": lambda d: put(next(iter(d["routes"])), 1, 0, value=10**6)(d["routes"]),
    "a route of three": lambda d: put(next(iter(d["routes"])), value=lambda r: r[:3])(d["routes"]),
    "a route without end": lambda d: put(next(iter(d["routes"])), 1, value=lambda r: r[1:])(d["routes"]),
    "messages that are no number": lambda d: put(next(iter(d["routes"])), 3, 0, value=float("nan"))(d["routes"]),
    "fewer messages than none": lambda d: put(next(iter(d["routes"])), 3, 0, value=-1.0)(d["routes"]),
    "half a route": lambda d: put(next(iter(d["routes"])), 0, 0, value=0.5)(d["routes"]),
    "a verdict of its own": put("checks", 0, "verdict", value="maybe"),
    "a check without a remedy": lambda d: d["checks"][0].pop("remedy"),
    "costs without counts": lambda d: d["costs"].pop("counts"),
    "counts in words": put("costs", "counts", "updates", value="many"),
    "a time without bounds": put("costs", "time_per_step_us", value={"low": 1}),
    "energy in one number": put("costs", "energy_uJ", value=3),
    "a mesh of three": put("mesh", value=[1, 2, 3]),
    "a mesh of nothing": put("mesh", value=[0, 4]),
    "no fingerprint": lambda d: d.pop("fingerprint"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_mapping_is_refused(name: str) -> None:
    net, mapping = mapped()
    data = json.loads(mapping.to_text())
    spoilt = copy.deepcopy(data)
    SPOILT[name](spoilt)
    assert spoilt != data
    with pytest.raises(InputError, match=r"the network's mapping is damaged: ."):
        Mapping.from_text(json.dumps(spoilt))
    kept = kept_in(replace(net, mapping=json.dumps(spoilt)))
    assert kept is not None
    assert kept.problem.startswith("the network's mapping is damaged")
    assert kept.problem.endswith("; map the network again (ganglion map NET.onnx -o NET.onnx)")
    assert "\n" not in kept.problem


TEXT = map_network(networks.mlp(), "loihi2").to_text()


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_text_gives_anything_but_a_mapping_or_a_clear_error(data: st.DataObject) -> None:
    """One character of the text changed, left out or put in; what is still read is shown without complaint."""
    at = data.draw(st.integers(0, len(TEXT) - 1))
    new = data.draw(st.sampled_from(["", "0", "9", "-", "1e9", '"', "[", "]", "{", "}", ",", "null", "x", "\\", "."]))
    text = TEXT[:at] + new + TEXT[at + data.draw(st.integers(0, 1)) :]
    try:
        mapping = Mapping.from_text(text)
    except InputError:
        return
    assert mapping.as_json()
    assert mapping._repr_html_()


def test_costs_may_hold_more_than_is_shown() -> None:
    _, mapping = mapped()
    data = json.loads(mapping.to_text())
    data["costs"]["peak"] = {"x": 1}
    assert Mapping.from_text(json.dumps(data)).costs["peak"] == {"x": 1}


def test_messages_are_kept_to_six_digits() -> None:
    net = networks.residual()
    x = (networks.codes(net, 3) - net.input.zero_point) * net.input.scale
    _, mapping = mapped(x=x)
    back = Mapping.from_text(mapping.to_text())
    for name, routes in mapping.routes.items():
        np.testing.assert_allclose(back.routes[name].messages, routes.messages, atol=1e-6)
        np.testing.assert_array_equal(back.routes[name].sources, routes.sources)
