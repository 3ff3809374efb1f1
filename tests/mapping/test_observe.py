"""What is seen on samples: messages as the simulator counts them, peaks as the potentials themselves have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion import targets
from ganglion.cli import main
from ganglion.ir import Array, Graph, GroupNeuron, Membrane, Projection, Spikes, per_channel
from ganglion.ir.linear import apply
from ganglion.mapping import map_network
from ganglion.mapping.layers import layers_of
from ganglion.mapping.observe import observe
from tests import networks as drawn
from tests.backends import networks


def samples(net: Graph, n: int) -> Array:
    return np.asarray((networks.codes(net, n) - net.input.zero_point) * net.input.scale)


def peaks_by_hand(net: Graph, x: Array, entries: set[str]) -> tuple[dict[str, int], dict[str, int]]:
    """The largest sums and potentials, window by window from the recorded counts, in int64."""
    run = ganglion.simulate(net, x, engine="layer", record="all")
    codes = net.input.encode(x)[0].astype(np.int64)
    sent = {name: counts.astype(np.int64) for name, counts in run.counts.items()}
    sent[net.input.name] = np.stack([codes] * net.steps)
    sums, potentials = {}, {}
    for op in net.of(Membrane):
        shape = net.typeof(op.inputs[0]).shape
        V = np.zeros((len(x), *shape), np.int64)
        sums[op.name] = potentials[op.name] = 0
        for t in range(net.steps):
            arrived = np.zeros_like(V)
            for name in op.inputs:
                p = net[name]
                assert isinstance(p, Projection)
                current = apply(p, sent[p.inputs[0]][t], p.weight.astype(np.int64)) << p.exponent
                V = V + current
                arrived = arrived + (current if name in entries else 0)
            V = V if op.bias is None else V + per_channel(op.bias.astype(np.int64), shape)
            sums[op.name] = max(sums[op.name], int(np.abs(arrived).max()))
            potentials[op.name] = max(potentials[op.name], int(np.abs(V).max()))
            if isinstance(op, GroupNeuron):
                taken = np.concatenate([np.zeros_like(op.inhibition[:1]), op.inhibition]).cumsum(0)
                for k, value in enumerate(taken):
                    V = V - np.where(sent[op.name][t] == k, per_channel(np.asarray(value), shape), 0)
    return sums, potentials


@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
@pytest.mark.parametrize("make", [networks.mlp, networks.convolutions, networks.residual, networks.plain])
def test_peaks_are_those_of_the_potentials(make: Callable[[], Graph], target: str) -> None:
    net = make()
    hardware = targets.load(target).hardware
    assert hardware is not None
    layers = layers_of(net, hardware, "cluster")
    entries = {link.name for layer in layers.values() for link in layer.incoming if link.entry}
    x = samples(net, 3)
    sums, potentials = peaks_by_hand(net, x, entries)
    seen = observe(net, layers, x)
    assert seen.sums == sums
    assert seen.potentials == potentials
    assert min(potentials.values()) > 0


@settings(max_examples=15, deadline=None)
@given(drawn.integer_networks(), st.integers(1, 20))
def test_nothing_that_is_seen_passes_its_proof(net: Graph, n: int) -> None:
    x = drawn.samples(net, n)
    told = map_network(net, "loihi2", x=x).costs["observed"]
    assert told["samples"] == n
    for name, peak in told["populations"].items():
        assert peak["sum"] <= peak["sum_bound"], name
        assert peak["potential"] <= peak["potential_bound"], name


def test_messages_are_the_simulators_counts_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    net = networks.residual()
    hardware = targets.load("loihi1").hardware
    assert hardware is not None
    x = samples(net, 5)
    counts = ganglion.simulate(net, x, record="all").counts
    for form, block in (("cluster", 16), ("cluster", 2), ("graded", 3)):
        monkeypatch.setattr("ganglion.mapping.observe.BLOCK", block)
        rates = observe(net, layers_of(net, hardware, form), x).rates
        for name, sent in counts.items():
            if isinstance(net.typeof(name), Spikes):
                whole = sent if form == "cluster" else sent != 0
                np.testing.assert_allclose(rates[name].ravel(), whole.mean((0, 1)).ravel())


@pytest.mark.parametrize(("room", "verdict"), [(-1, "fail"), (1, "unknown")])
def test_a_peak_never_passes_a_check_but_can_fail_one(room: int, verdict: str) -> None:
    """Registers just too narrow, or wide enough, for what was measured, and too narrow for the worst case."""
    chip = targets.load("loihi1")
    assert chip.hardware is not None
    net = networks.mlp()
    x = samples(net, 2)
    seen = map_network(net, chip, form="cluster", x=x).costs["observed"]["populations"]["relu2"]
    bits = int(seen["sum"]).bit_length() + room  # sign included
    most = 2 ** (bits - 1) - 1
    assert (seen["sum"] > most) == (verdict == "fail")
    assert seen["sum_bound"] > most
    narrow = replace(chip, hardware=replace(chip.hardware, sum_bits=bits))
    without, with_samples = (map_network(net, narrow, form="cluster", x=given) for given in (None, x))
    (before,), (after,) = (
        [c for c in mapping.checks if (c.name, c.where) == ("sum of one step", "relu2")]
        for mapping in (without, with_samples)
    )
    assert (before.verdict, after.verdict) == ("unknown", verdict)
    assert before.detail == f"|sum| up to {seen['sum_bound']} of {most} in the worst case"
    assert after.detail == f"{before.detail}, up to {seen['sum']} on 2 samples"
    assert f"membrane_bits = {bits}" in after.remedy
    assert verdict == "unknown" or with_samples.fits == "no"


def test_what_has_no_proof_is_not_known() -> None:
    net = networks.mlp()  # by hand: it has no intervals
    found = [c for c in map_network(net, "loihi2", x=samples(net, 2)).checks if c.name == "potential"]
    assert [c.where for c in found] == ["relu1", "relu2", "logits"]
    assert all(c.verdict == "unknown" and "|potential| has no proved bound, up to " in c.detail for c in found)


def test_the_json_tells_peaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = networks.mlp()
    np.save(tmp_path / "x.npy", samples(net, 2))
    path = str(ganglion.save(net, tmp_path / "net.onnx"))
    assert main(["map", path, "--target", "loihi2", "--input", str(tmp_path / "x.npy"), "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)["costs"]["observed"]
    assert told["populations"]["relu2"].keys() == {"sum", "sum_bound", "potential", "potential_bound"}
    assert "no proof" in told["meaning"]
    assert main(["map", path, "--target", "loihi2", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["costs"]["observed"] is None
