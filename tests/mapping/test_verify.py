"""The verifier catches mappings that are spoiled, each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganglion import InternalError, targets
from ganglion.ir import Graph
from ganglion.mapping import Core, Mapping, map_network, verify
from ganglion.mapping.routes import Routes
from ganglion.mapping.tiles import weight_bits
from ganglion.mapping.verify import faults
from ganglion.targets import Target
from tests.backends import networks

from .test_mapping import small_cores


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Target, Mapping]:
    path: Path = small_cores(tmp_path_factory.mktemp("chip"))
    net, chip = networks.residual(), targets.load(path)
    return net, chip, map_network(net, chip, form="cluster")


ROUTE = ("sources", "targets", "neurons", "messages")


def with_core(mapping: Mapping, index: int, **changes: object) -> Mapping:
    core: Core = replace(mapping.cores[index], **changes)  # type: ignore[arg-type]
    return replace(mapping, cores=(*mapping.cores[:index], core, *mapping.cores[index + 1 :]))


def with_use(mapping: Mapping, name: str, change: int) -> Mapping:
    use = mapping.cores[1].use
    return with_core(mapping, 1, use=use | {name: use[name] + change})


def with_place(mapping: Mapping, **values: int) -> Mapping:
    assert mapping.placement is not None
    arrays = {k: getattr(mapping.placement, k).copy() for k in values}
    for key, value in values.items():
        arrays[key][1] = value
    return replace(mapping, placement=replace(mapping.placement, **arrays))


def on_one_place(mapping: Mapping) -> Mapping:
    p = mapping.placement
    assert p is not None
    return with_place(mapping, chip=int(p.chip[0]), x=int(p.x[0]), y=int(p.y[0]), slot=int(p.slot[0]))


def with_routes(mapping: Mapping, change: Callable[[Routes], Routes]) -> Mapping:
    name = next(iter(mapping.routes))
    return replace(mapping, routes=mapping.routes | {name: change(mapping.routes[name])})


def first(mapping: Mapping) -> Routes:
    return next(iter(mapping.routes.values()))


def fewer(routes: Routes) -> Routes:
    return replace(routes, **{k: getattr(routes, k)[1:] for k in ROUTE})


def astray(routes: Routes) -> Routes:
    return replace(routes, targets=np.concatenate([[0], routes.targets[1:]]))


def doubled(routes: Routes) -> Routes:
    return replace(routes, **{k: np.append(getattr(routes, k), getattr(routes, k)[0]) for k in ROUTE})


def miscounted(routes: Routes) -> Routes:
    return replace(routes, neurons=routes.neurons + 1)


def wider(mapping: Mapping) -> Mapping:
    shape = mapping.layers[0].shape
    return with_core(mapping, 0, box=((0, shape[0]), (0, shape[1]), (0, shape[2])))


def smaller_limit(mapping: Mapping) -> Mapping:
    first = mapping.layers[0]
    return replace(mapping, layers=(replace(first, limits=first.limits | {"neurons": 1}), *mapping.layers[1:]))


SPOILED: dict[str, tuple[Callable[[Mapping], Mapping], str]] = {
    "a core is missing": (lambda m: replace(m, cores=m.cores[1:]), "on no core"),
    "neurons are on two cores": (wider, "on more than one core"),
    "a core holds neurons that are not there": (lambda m: with_core(m, 0, box=((0, 999), (0, 1), (0, 1))), "which has"),
    "a core holds a stranger": (lambda m: with_core(m, 0, population="stranger"), "does not have"),
    "two cores are at one place": (on_one_place, "cores are at chip"),
    "a core is off the mesh": (lambda m: with_place(m, x=99), "off the mesh"),
    "a core is beyond its tile": (lambda m: with_place(m, slot=4), "off the mesh"),
    "a core has no place": (lambda m: replace(m, placement=None), "not every core has a place"),
    "a spike has no route": (lambda m: with_routes(m, fewer), "has no route"),
    "a route leads astray": (lambda m: with_routes(m, astray), "route that nothing needs"),
    "a spike has two routes": (lambda m: with_routes(m, doubled), "has two routes"),
    "a route's neurons are counted wrongly": (lambda m: with_routes(m, miscounted), "counts the neurons"),
    "a projection has no routes": (lambda m: replace(m, routes=dict(list(m.routes.items())[1:])), "has no route"),
    "routes of nothing": (lambda m: replace(m, routes=m.routes | {"x": first(m)}), "routes of 'x'"),
    "synapses are missing": (lambda m: with_use(m, "synapses", -1), "synapses, not"),
    "in-axons are missing": (lambda m: with_use(m, "in-axons", -1), "in-axons, not"),
    "out-axons are missing": (lambda m: with_use(m, "out-axons", -1), "out-axons, not"),
    "thresholds are missing": (lambda m: with_use(m, "thresholds", -1), "thresholds, not"),
    "formats are missing": (lambda m: with_use(m, "synapse formats", -1), "synapse formats, not"),
    "words are missing": (lambda m: with_use(m, "synaptic words", -1), "synaptic words, not"),
    "a list is shorter than it is": (lambda m: with_use(m, "words of one axon", -1), "words of one axon, not"),
    "neurons are missing": (lambda m: with_use(m, "neurons", -1), "neurons, not"),
    "a limit is passed": (smaller_limit, "of 1 neurons"),
    "cores are counted wrongly": (
        lambda m: replace(m, layers=(replace(m.layers[0], cores=m.layers[0].cores + 1), *m.layers[1:])),
        "is said to take",
    ),
    "the board is too small": (lambda m: replace(m, board="nothing"), "than the board"),
}  # fmt: skip


def test_a_mapping_as_made_has_no_faults(mapped: tuple[Graph, Target, Mapping]) -> None:
    net, chip, mapping = mapped
    assert mapping.core_count > len(mapping.layers)
    assert faults(net, chip, mapping) == []


@pytest.mark.parametrize("name", ["synaptic memory", "memory", "neurons", "thresholds"])
def test_bytes_that_are_missing_are_caught(name: str) -> None:
    """On a chip that counts bytes and keeps a kernel once."""
    net, chip = networks.pools(), targets.load("loihi2")
    mapping = map_network(net, chip, form="cluster")
    assert faults(net, chip, mapping) == []
    (found,) = faults(net, chip, with_use(mapping, name, -1))
    assert f" {name}, not " in found


def test_the_most_negative_weight_takes_all_of_its_bits() -> None:
    hardware = targets.load("loihi1").hardware
    assert hardware is not None
    assert weight_bits(np.array([-128, 7], np.int8), hardware) == 8
    assert weight_bits(np.array([-3, 3], np.int8), hardware) == 3
    assert weight_bits(np.array([0], np.int8), hardware) == 1


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_mapping_is_caught(how: str, mapped: tuple[Graph, Target, Mapping]) -> None:
    net, chip, mapping = mapped
    spoil, told = SPOILED[how]
    spoiled = spoil(mapping)
    assert any(told in fault for fault in faults(net, chip, spoiled))
    with pytest.raises(InternalError, match="mapping"):
        verify(net, chip, spoiled)
