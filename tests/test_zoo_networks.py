"""The model zoo's topologies with random weights: they compile, and their integer logits are near onnxruntime's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import ganglion

pytest.importorskip("torch")
from tests.models import load_example

zoo = load_example("zoo")
WITH_LRN = ("bvlc_alexnet", "inception_v1", "zfnet512")
REST = ("densenet121", "inception_v2", "resnet50", "shufflenet", "vgg19")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in (*REST, *WITH_LRN)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["squeezenet", *SLOW])
def test_a_zoo_network(name: str) -> None:
    model, samples, x = zoo.zoo_model(name), zoo.zoo_images(16, seed=2), zoo.zoo_images(4, seed=1)
    drop = ("LRN",) if name in WITH_LRN else ()
    refused = {node.op_type for node in ganglion.check(model) if node.status == "refused"}
    assert refused == set(drop)
    if drop:
        with pytest.raises(ganglion.CompileError, match="LRN is not supported"):
            ganglion.compile(model, steps=4, members=16, calibration=samples)
    net = ganglion.compile(model, steps=4, members=16, calibration=samples, drop=drop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ganglion.GanglionWarning)  # an image may leave the range that others had
        logits = ganglion.simulate(net, x).logits.reshape(len(x), -1)
    expected = zoo.zoo_logits(zoo.without(model, drop), x)
    cosine = (logits * expected).sum(1) / np.linalg.norm(logits, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.mean() >= 0.99, cosine
