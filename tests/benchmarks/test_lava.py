"""Lava in the benchmark: its own processes compute the same network, or it is not measured."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import ganglion
from benchmarks import network, rounds, tables
from benchmarks.cases import LAVA, LAVA_STOCK, LAVAS, LAYER, Case
from benchmarks.network import Measured
from benchmarks.peers import lava_cpu
from benchmarks.prepare import INPUTS, compiled
from ganglion.errors import EngineError
from ganglion.ir import Conv2d, Dense, Graph, OneToOne
from tests.backends import networks
from tests.backends.conftest import lava_python
from tests.backends.networks import population, readout, source, weights
from tests.backends.reference import simulate

__all__ = ["lava_python"]

CASES = [Case("resnet20", batch, steps) for batch in (1, 16) for steps in (1, 4)]


def oblong() -> Graph:
    """Nothing is square: image, kernels, strides, pads, dilations; groups and exponents; a delay of two steps."""
    return networks.network(
        "oblong", 3, 4,
        source((2, 7, 6), -8, 15),
        Conv2d(name="stem", inputs=("image",), weight=weights(1, 6, 2, 3, 2), strides=(1, 2), pads=(1, 0, 1, 0)),
        population("a", "stem", level=1, q=400.5, members=4, bias=np.arange(-3, 3, dtype=np.int32)),
        Conv2d(
            name="grouped", inputs=("a",), weight=weights(2, 6, 3, 2, 3), groups=2, dilations=(2, 1), pads=(1, 1, 1, 1),
            exponent=2,
        ),
        population("b", "grouped", level=2, q=700.0, members=4),
        Conv2d(name="narrow", inputs=("b",), weight=weights(3, 6, 6, 3, 1), pads=(1, 0, 1, 0)),
        population("c", "narrow", level=3, q=500.0, members=3),
        Conv2d(name="wide", inputs=("c",), weight=weights(4, 6, 6, 1, 3), pads=(0, 1, 0, 1)),
        OneToOne(name="skip", inputs=("a",), weight=weights(5, 6, 7, 3), exponent=1, delay=2),
        population("d", "wide", "skip", level=4, q=np.arange(300.0, 900.0, 100.0), members=4),
        Dense(name="fc", inputs=("d",), weight=weights(6, 5, 6 * 7 * 3)),
        readout("fc", level=5),
    )  # fmt: skip


@pytest.mark.lava
@pytest.mark.parametrize("make", [networks.residual, oblong])
def test_the_stock_processes_compute_the_same_network(make: Callable[[], Graph], lava_python: Path) -> None:
    graph = make()
    codes = networks.codes(graph, samples=3)
    expected = simulate(graph, codes)
    found = lava_cpu.run_lava(LAVA_STOCK, graph, codes, record="all")
    assert {*found.counts, *found.potentials} == set(expected)
    for name, values in (found.counts | found.potentials).items():
        assert len(np.unique(values)) > 1, f"{name} is silent, or always the same: the test says nothing"
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.lava
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": weights(1, 2, 2, 3, 3), "pads": (1, 1, 1, 0)}, r"'conv': Lava's Conv has no pads \(1, 1, 1, 0\)"),
        ({"weight": weights(1, 2, 2, 1, 1), "strides": (128, 1)}, "'conv': Lava's Conv lets .* wrap at 127"),
        ({"weight": weights(1, 2, 2, 1, 1), "upsample": (2, 1)}, "unexpected keyword argument 'upsample'"),
    ],
)
def test_what_lavas_convolution_cannot_do_is_refused(options: dict[str, Any], message: str, lava_python: Path) -> None:
    conv = Conv2d(name="conv", inputs=("image",), **options)
    graph = networks.network("small", 1, 1, source((2, 5, 5), 0, 1), conv, readout("conv", level=1))
    with pytest.raises(EngineError, match=message):
        lava_cpu.run_lava(LAVA_STOCK, graph, networks.codes(graph, samples=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What prepare.py would have filled, with a network whose image is as wide as it is high and deep."""
    net = networks.residual()
    ganglion.save(net, tmp_path / compiled(net.steps, net.members))
    np.save(tmp_path / INPUTS, networks.codes(net, samples=4).astype(np.float32))
    return tmp_path


@pytest.mark.lava
@pytest.mark.parametrize("engine", LAVAS)
def test_a_run_is_measured(engine: str, folder: Path, lava_python: Path) -> None:
    said = lava_cpu.measure(engine, folder, 3, 4, samples=2)
    assert 0 < said["step_s"] < 10
    assert said["time_steps"] == 2 * 3 + 5
    assert said["processes"] > 15
    assert said["compared"] == 3 * 2 * 5


@pytest.mark.lava
def test_a_wrong_order_of_the_axes_is_noticed(monkeypatch: pytest.MonkeyPatch, folder: Path, lava_python: Path) -> None:
    real = lava_cpu.use_stock

    def spoilt(bundle: Path) -> None:
        real(bundle)
        module = bundle / "stock" / "__init__.py"
        right = module.read_text(encoding="utf-8")
        assert "C_LAST = (2, 1, 0)" in right
        module.write_text(right.replace("C_LAST = (2, 1, 0)", "C_LAST = (1, 2, 0)"), encoding="utf-8")

    monkeypatch.setattr(lava_cpu, "use_stock", spoilt)
    said = lava_cpu.measure(LAVA_STOCK, folder, 3, 4, samples=2)
    assert list(said) == ["missing"]
    assert "potentials differ from the simulator's in" in said["missing"]


class Layer:
    """In the place of the layer engine's worker."""

    def logits(self, case: Case) -> list[list[float]]:
        return [[0.0]] * case.batch

    def run(self, case: Case) -> float:
        assert case == Case("resnet20", 16, 4)
        return 16 * 4 * 0.001


def test_a_moments_load_does_not_decide_the_layer_engines_turn() -> None:
    class Disturbed(Layer):
        calls = 0

        def run(self, case: Case) -> float:
            self.calls += 1
            return super().run(case) * (100 if self.calls % 3 == 0 else 1)

    layer = Disturbed()
    assert network.layer_step(layer, Case("resnet20", 16, 4)) == pytest.approx(0.001)  # type: ignore[arg-type]
    assert layer.calls == network.LAYER_CALLS


def test_lava_and_the_layer_engine_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order = []

    def script(module: str, engine: str, *arguments: str) -> dict[str, Any]:
        assert arguments == (str(tmp_path), "4", "4")
        order.append(engine)
        return {"step_s": 0.02 if engine == LAVA else 0.4, "processes": 67}

    monkeypatch.setattr(network, "script", script)
    monkeypatch.setattr(rounds, "MOST", 3)
    measured = Measured(times={case: {LAYER: [1.0]} for case in CASES})
    network.measure_lava(CASES, tmp_path, Layer(), measured, 0, Console(file=io.StringIO()))  # type: ignore[arg-type]
    assert order == [LAVA, LAVA_STOCK] * 4  # the first ones warm up
    assert measured.lava["step_s"] == {LAYER: [pytest.approx(0.001)] * 3, LAVA: [0.02] * 3, LAVA_STOCK: [0.4] * 3}
    assert measured.times[Case("resnet20", 1, 4)] == {LAYER: [1.0], LAVA: [0.08] * 3, LAVA_STOCK: [1.6] * 3}
    assert not measured.missing
    line = tables.lava("resnet20", measured.lava)
    assert "Lava with our connections: 20.0, 20 times that; Lava with Lava's own: 400, 400 times that." in line


@pytest.mark.parametrize("which", [[LAVA_STOCK], [LAVA, LAVA_STOCK]])
def test_a_lava_that_is_missing_is_named(which: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def script(module: str, engine: str, *arguments: str) -> dict[str, Any]:
        return {"missing": "no luck"} if engine in which else {"step_s": 0.02}

    monkeypatch.setattr(network, "script", script)
    measured = Measured(times={case: {LAYER: [1.0]} for case in CASES})
    network.measure_lava(CASES, tmp_path, Layer(), measured, 0, Console(file=io.StringIO()))  # type: ignore[arg-type]
    assert measured.missing == [f"{engine}: no luck" for engine in which]
    left = [engine for engine in LAVAS if engine not in which]
    assert list(measured.lava.get("step_s", {})) == ([LAYER, *left] if left else [])
    assert list(measured.times[Case("resnet20", 1, 4)]) == [LAYER, *left]
