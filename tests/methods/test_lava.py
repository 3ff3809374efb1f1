"""Every method on Lava, on the digits network: the simulator's spikes, graded and as clusters where there are such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.backends import lava
from ganglion.comparison import LAVA_VS_SIMULATOR
from ganglion.errors import InputError
from ganglion.methods import METHODS
from tests.backends.conftest import lava_python

pytest.importorskip("torch")
from tests.models import digits

__all__ = ["lava_python"]
pytestmark = [pytest.mark.lava, pytest.mark.torch, pytest.mark.xdist_group("lava methods")]

QUICK = {("signed-gn", "graded"), ("signed-gn", "cluster"), ("h-mt", "graded"), ("deng-gu", "graded")}
CASES = [
    pytest.param(name, form, marks=[] if (name, form) in QUICK else [pytest.mark.slow])
    for name, method in METHODS.items()
    for form in ("graded", *(["cluster"] if method.cluster else []))
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return digits.train_digits(tmp_path_factory.mktemp("digits"), epochs=3)


def members(name: str) -> int:
    return 1 if METHODS[name].one_member else 3


@pytest.mark.parametrize(("name", "form"), CASES)
def test_lava_equals_the_simulator(lava_python: Path, trained: Any, name: str, form: Any) -> None:
    x = np.load(trained.images)
    samples = x[3:40] if METHODS[name].calibrated else None
    net = ganglion.compile(trained.onnx, steps=4, members=members(name), method=name, optimize=samples)
    result = ganglion.compare(trained.onnx, net, x[:3], lava=form, lava_python=lava_python)
    for population, agreement in result.pairs[LAVA_VS_SIMULATOR].items():
        assert agreement.compared == 3 * 4 * np.prod(net.typeof(population).shape), population
        assert agreement.different == 0, (population, agreement.first)
    assert max(result.rates.values()) > 0.02  # something fires, so that equality says something


def test_a_form_that_does_not_exist_is_refused(trained: Any, tmp_path: Path) -> None:
    net = ganglion.compile(trained.onnx, steps=2, members=3, method="h-mt")
    bundle = ganglion.emit(net, "lava", tmp_path / "bundle")
    assert "forms=('graded',)" in (bundle / "network.py").read_text()
    with pytest.raises(InputError, match="has no cluster form"):
        lava.run(bundle, net.input.encode(np.load(trained.images)[:1])[0], form="cluster")
