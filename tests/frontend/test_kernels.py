"""Whether 8-bit kernels saturate."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from ganglion.frontend import kernels
from ganglion.frontend.kernels import INT8_KERNELS, UINT8_KERNELS, kernel_settings, kernels_saturate

from .quantised_models import Builder

PROCESSOR = Path("/proc/cpuinfo")


@pytest.mark.skipif(not PROCESSOR.exists(), reason="only Linux says in a file what the processor can do")
def test_x86_saturates_without_dot_products() -> None:
    words = set(PROCESSOR.read_text().split())
    assert kernels_saturate() == ("sse2" in words and not words & {"avx512_vnni", "avx_vnni"})


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("nodes", [False, True])
def test_the_types_of_codes_decide_the_settings(kind: str, nodes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where kernels saturate, and also where zero points are given by Constant nodes."""
    monkeypatch.setattr(kernels, "kernels_saturate", lambda: True)
    b = Builder(3, 4, 4)
    model = b.model(b.coded(b.add("Conv", b.coded("x", 0.1, 5, kind), b.weights(2, 3, 1, 1)), 0.1, 5, kind))
    if nodes:
        constants = [onnx.helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
        model.graph.node.extend(constants)
        del model.graph.initializer[:]
    assert kernel_settings(model) == (INT8_KERNELS if kind == "int8" else INT8_KERNELS | UINT8_KERNELS)


def test_models_of_floats_need_no_settings() -> None:
    b = Builder(3, 4, 4)
    assert kernel_settings(b.model(b.add("Relu", "x"))) == {}
