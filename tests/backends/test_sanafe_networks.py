"""The digits network on SANA-FE, as `compare` runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ganglion
from ganglion.comparison.executors import on_sanafe
from ganglion.ir import Graph

pytest.importorskip("torch")

from ganglion.cli import main
from tests.models import digits

pytestmark = [pytest.mark.sanafe, pytest.mark.torch, pytest.mark.xdist_group("sanafe")]
PAIR = "sanafe_vs_simulator"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> digits.Trained:
    return digits.train_digits(tmp_path_factory.mktemp("digits"), epochs=3)


def compiled(trained: digits.Trained, members: int) -> Graph:
    return ganglion.compile(trained.onnx, steps=2, members=members)


def test_the_whole_network(trained: digits.Trained, sanafe_python: Path) -> None:
    net = compiled(trained, members=1)
    result = ganglion.compare(trained.onnx, net, np.load(trained.images)[:4], sanafe=True, sanafe_samples=2)
    pair = result.pairs[PAIR]
    assert set(pair) == {op.name for op in net.populations} | {net.readout.name}
    for population, agreement in pair.items():
        assert agreement.compared == 2 * 2 * np.prod(net.typeof(population).shape), population
        assert agreement.different == 0, (population, agreement.first)
    assert result.executed == {"sanafe": 2}
    assert result.distance["sanafe"] is not None
    (remark,) = result.remarks
    assert remark.startswith("SANA-FE: ")
    assert "uJ" in remark


def test_clusters(
    trained: digits.Trained, sanafe_python: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the command line; four members, of which SANA-FE runs the first two populations."""
    path = ganglion.save(compiled(trained, members=4), tmp_path / "net.onnx")
    command = ["compare", str(trained.onnx), str(path), "--input", str(trained.images), "--samples", "3"]
    command += ["--sanafe", "--sanafe-samples", "1", "--sanafe-populations", "2", "--json", str(tmp_path / "r.json")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "sanafe vs simulator: equal to the bit" in shown
    assert "the first 2 populations" in shown
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["engines"][PAIR] == {
        "compared": 2 * 2 * 1024,
        "different": 0,
        "readout": {"compared": 0, "different": 0},
    }
    assert found["accuracy"].get("sanafe") is None


def test_a_wrong_network_is_noticed(
    trained: digits.Trained, sanafe_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another network's spikes in place of this one's: the comparison says where."""
    net, other = compiled(trained, members=1), compiled(trained, members=2)
    wrong = on_sanafe(None, 2, None, 120)
    monkeypatch.setattr(
        "ganglion.comparison.executors.emit",
        lambda graph, *rest, **options: ganglion.emit(other, *rest, **options),
    )
    ran = wrong.run(net, net.input.encode(np.load(trained.images)[:1])[0], lambda done, total: None)
    expected = ganglion.simulate(net, np.load(trained.images)[:1], record="all").counts
    assert any((expected[name] != counts).any() for name, counts in ran.counts.items())
    result = ganglion.compare(
        trained.onnx, net, np.load(trained.images)[:1], sanafe=True, sanafe_populations=2, timeout=120
    )
    assert not result.equal
    first = next(a.first for a in result.pairs[PAIR].values() if a.first)
    assert first["expected"] != first["got"]


@pytest.mark.slow
@pytest.mark.parametrize("mapped", [False, True])
def test_the_whole_network_in_clusters(trained: digits.Trained, mapped: bool, sanafe_python: Path) -> None:
    """tau = 2: 3.3 million synapses, 2.2 GB. (tau = 4 takes 8.5 GB; docs/sanafe.md has what came of it.)"""
    net = compiled(trained, members=2)
    if mapped:
        net = ganglion.compile(trained.onnx, steps=2, members=2, target="loihi1")
        mapping = ganglion.map(net, "loihi1", form="cluster")
        assert mapping.placement is not None
        net = replace(net, mapping=mapping.to_text())
    result = ganglion.compare(trained.onnx, net, np.load(trained.images)[:2], sanafe=True, timeout=280)
    assert result.equal
    assert (", as mapped" in result.remarks[0]) == mapped
    assert set(result.pairs[PAIR]) == {op.name for op in net.populations} | {net.readout.name}
