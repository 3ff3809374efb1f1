"""Compiled networks as ONNX models, through `compare`: every count of every population; ResNet-20 at T = 4, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ganglion
from ganglion.backends import onnx
from ganglion.cli import main
from ganglion.comparison import ONNX_VS_SIMULATOR

pytest.importorskip("torch")
from .test_lava_networks import network

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("name", "samples", "steps", "members"),
    [("mlp", 9, 3, 4), ("lenet", 5, 2, 17), ("digits", 9, 2, 4), ("rearranging", 5, 3, 3), ("resnet20", 4, 4, 4)],
)
def test_they_equal_the_simulator(name: str, samples: int, steps: int, members: int, tmp_path: Path) -> None:
    path, x = network(name, tmp_path, samples)
    net = ganglion.compile(path, steps=steps, members=members)
    result = ganglion.compare(path, net, x, onnx=True)
    pair = result.pairs[ONNX_VS_SIMULATOR]
    assert set(pair) == {op.name for op in net.populations} | {net.readout.name}
    for population, agreement in pair.items():
        assert agreement.compared == samples * steps * np.prod(net.typeof(population).shape), population
        assert agreement.different == 0, (population, agreement.first)
    assert result.executed["onnx"] == samples
    assert min(result.rates.values()) > 0.05  # everything fires, so that equality says something
    codes = net.input.encode(x)[0]
    step, window = (onnx.run(net, codes, form=form, block=2) for form in onnx.FORMS)
    for population, counts in (*window.counts.items(), *window.potentials.items()):
        np.testing.assert_array_equal((step.counts | step.potentials)[population], counts)


def test_the_command_line_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, x = network("mlp", tmp_path, 4)
    ganglion.save(ganglion.compile(path, steps=2, members=2), tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", x)
    assert main(["compare", str(path), str(tmp_path / "net.onnx"), "--input", str(tmp_path / "x.npy"), "--onnx"]) == 0
    shown = capsys.readouterr().out
    assert "onnx vs simulator: equal to the bit" in shown
