"""Every method's neurons as ONNX models, on the digits network: the simulator's spikes, in both forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.backends import onnx
from ganglion.comparison import ONNX_VS_SIMULATOR
from ganglion.methods import METHODS

pytest.importorskip("torch")
from tests.models import digits

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("onnx methods")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return digits.train_digits(tmp_path_factory.mktemp("digits"), epochs=3)


def test_phase_coding_is_refused_with_its_reason(trained: Any, tmp_path: Path) -> None:
    net = ganglion.compile(trained.onnx, steps=4, method="phase")
    with pytest.raises(ganglion.CompileError, match="collects a whole window before it sends"):
        ganglion.emit(net, "onnx", tmp_path / "bundle")


@pytest.mark.parametrize("name", [name for name in METHODS if name != "phase"])
def test_the_models_equal_the_simulator(trained: Any, name: str) -> None:
    method, x = METHODS[name], np.load(trained.images)
    samples = x[3:40] if method.calibrated else None
    net = ganglion.compile(trained.onnx, steps=4, members=1 if method.one_member else 3, method=name, optimize=samples)
    result = ganglion.compare(trained.onnx, net, x[:6], onnx=True)
    pair = result.pairs[ONNX_VS_SIMULATOR]
    assert set(pair) == {op.name for op in net.populations} | {net.readout.name}
    for population, agreement in pair.items():
        assert agreement.compared == 6 * 4 * np.prod(net.typeof(population).shape), population
        assert agreement.different == 0, (population, agreement.first)
    assert max(result.rates.values()) > 0.02  # something fires, so that equality says something
    assert result.agreement["onnx"] == result.agreement["simulator"]
    codes = net.input.encode(x[:6])[0]
    step, window = (onnx.run(net, codes, form=form, block=2) for form in onnx.FORMS)
    for population, counts in window.counts.items():
        np.testing.assert_array_equal(step.counts[population], counts)
