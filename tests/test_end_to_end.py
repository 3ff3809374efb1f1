"""The whole path: torch -> ONNX -> spiking network -> engines, on a trained network and on the large ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.comparison import STEP_VS_LAYER

pytest.importorskip("torch")
import torch

from ganglion.frontend.torch import QCFS, export
from tests.models import digits, models

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("end-to-end")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The digits network after a few epochs: not its best, but real activations on real images."""
    return digits.train_digits(tmp_path_factory.mktemp("digits"), epochs=4)


def near_a_step(model: torch.nn.Module, x: Any, margin: float) -> Any:
    """For every sample, whether any activation lies within `margin` of one of its steps (in float64)."""
    double = torch.nn.Module.double(__import__("copy").deepcopy(model))
    near = np.zeros(len(x), bool)

    def look(module: Any, inputs: Any, output: Any) -> None:
        step = float(module.threshold.detach()) / module.levels
        places = inputs[0].detach().numpy().reshape(len(x), -1) / step + 0.5
        k = np.clip(np.rint(places), 1, module.levels)
        near[:] |= (np.abs(places - k) * step < margin).any(axis=1)

    hooks = [m.register_forward_hook(look) for m in double.modules() if isinstance(m, QCFS)]
    assert hooks
    with torch.no_grad():
        double(torch.from_numpy(x).double())
    return near


def test_one_step_with_as_many_members_as_levels_is_the_trained_network(trained: Any) -> None:
    """Theorem 1 on the trained network, against onnxruntime itself."""
    from ganglion.frontend import run_onnxruntime

    x = np.load(trained.images)
    net = ganglion.compile(trained.onnx, steps=1, members=4, target=None)
    logits = ganglion.simulate(net, x).logits
    expected = run_onnxruntime(trained.onnx, x)
    clear = ~near_a_step(trained.model, x, 1e-5)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    close = (np.abs(logits - expected) / scale).max(axis=1) < 1e-4
    assert close[clear].all()
    assert clear.mean() > 0.85  # few images are excused, ...
    assert close.mean() >= 0.95  # ... and most of those do not need it
    np.testing.assert_array_equal(logits.argmax(1)[clear], expected.argmax(1)[clear])


@pytest.mark.parametrize(("steps", "members"), [(1, 1), (1, 4), (4, 1), (2, 4)])
def test_compare_finds_no_difference_on_the_trained_network(trained: Any, steps: int, members: int) -> None:
    net = ganglion.compile(trained.onnx, steps=steps, members=members)
    result = ganglion.compare(trained.onnx, net, np.load(trained.images), labels=np.load(trained.labels), samples=50)
    assert result.equal
    for name, agreement in result.pairs[STEP_VS_LAYER].items():
        assert agreement.compared == 50 * steps * np.prod(net.typeof(name).shape)
    assert json.loads(json.dumps(result.as_json()))["equal"]


def test_compare_names_the_first_difference(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One spike more, in one place, must be found and placed exactly."""
    from ganglion.simulator.layer import Window

    net = ganglion.compile(trained.onnx, steps=2, members=4)
    third = net.input.encode(np.load(trained.images)[2:3])[0]
    original = Window.group_neuron

    def wrong(self: Any, op: Any) -> Any:
        counts = original(self, op)
        if op.name == "block3.relu2":  # of the third sample, in whichever block it is: step, row, column, channel
            counts[(self.codes == third).all(axis=(1, 2, 3)), 1, 3, 1, 5] += 1
        return counts

    from ganglion.simulator import layer

    monkeypatch.setitem(layer.RULES, ganglion.ir.GroupNeuron, wrong)
    result = ganglion.compare(trained.onnx, net, np.load(trained.images), samples=4)
    pair = result.pairs[STEP_VS_LAYER]
    assert not result.equal
    assert {name for name, a in pair.items() if a.different} == {"block3.relu2", "logits"}
    first = pair["block3.relu2"].first
    assert first is not None
    assert (first["sample"], first["step"], first["neuron"]) == (2, 1, [5, 3, 1])
    assert first["got"] == first["expected"] + 1


def test_more_steps_and_members_come_closer_to_the_source(trained: Any) -> None:
    """With T * tau = L * 8 the integer network has almost the source's accuracy."""
    x, y = np.load(trained.images), np.load(trained.labels)
    net = ganglion.compile(trained.onnx, steps=4, members=8)
    result = ganglion.compare(trained.onnx, net, x, labels=y)
    accuracy = result.accuracy
    assert accuracy["onnxruntime"] is not None
    assert accuracy["simulator"] is not None
    assert accuracy["simulator"] >= accuracy["onnxruntime"] - 0.02


@pytest.mark.parametrize("dynamo", [True, False])
def test_both_exporters_give_the_same_network(trained: Any, dynamo: bool, tmp_path: Path) -> None:
    x = np.load(trained.images)[:8]
    for dynamic in (True, False):
        path = export(
            trained.model, torch.from_numpy(x), tmp_path / "m.onnx", dynamo=dynamo, dynamic_batch=dynamic,
            input_range=(0.0, 1.0), input_step=1 / 16,
        )  # fmt: skip
        net = ganglion.compile(path, steps=2, members=4)
        assert net.depth == 8
        assert ganglion.compare(path, net, x).equal
        np.testing.assert_array_equal(
            ganglion.simulate(net, x).logits,
            ganglion.simulate(ganglion.compile(trained.onnx, steps=2, members=4), x).logits,
        )


LARGE = """
import resource, sys, time
import numpy as np
import ganglion
start = time.perf_counter()
net = ganglion.compile(sys.argv[1], steps=2, members=4)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of the parent too, at the time of its fork
result = ganglion.compare(sys.argv[1], net, np.load(sys.argv[2]))
compared = sum(a.compared for pair in result.pairs.values() for a in pair.values())
rates = list(result.rates.values())
print(seconds, peak, int(result.equal), compared, min(rates), sep=",")
"""


@pytest.mark.parametrize("name", ["resnet18", pytest.param("vgg16", marks=pytest.mark.slow)])
def test_large_networks_compile_and_both_engines_agree(name: str, tmp_path: Path) -> None:
    """Under 30 s and 4 GB, in a process of its own so that the peak is the compiler's."""
    shape = models.NETWORKS[name].shape
    x = models.random_images(shape, 2, seed=5)
    path = export(models.random_network(name), x[:1], tmp_path / f"{name}.onnx", input_range=(0.0, 1.0))
    np.save(tmp_path / "x.npy", x.numpy())
    output = subprocess.run(
        [sys.executable, "-c", LARGE, str(path), str(tmp_path / "x.npy")], check=True, capture_output=True, text=True
    )
    seconds, gigabytes, equal, compared, rate = (float(v) for v in output.stdout.strip().split(","))
    assert seconds < 30
    assert gigabytes < 4
    assert equal == 1
    assert compared > 1_000_000
    assert rate > 0.05  # every population fires, so that equality says something
