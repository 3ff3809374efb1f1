"""The reference engine: batches of any kind, intermediate values, and clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from ganglion.errors import InputError
from ganglion.frontend import run_onnxruntime, run_values

from .helpers import Array, build, dyadic

W = dyadic(7, 3)


def model(batch: str = "N") -> onnx.ModelProto:
    return build("a = Gemm(x, w) y = Relu(a)", x=f"float[{batch},7] x", y=f"float[{batch},3] y", weights={"w": W})


@pytest.mark.parametrize("batch", ["N", "1", "4"])
@pytest.mark.parametrize("n", [1, 4, 10])
def test_any_number_of_samples(batch: str, n: int) -> None:
    x = np.random.default_rng(0).integers(-4, 5, (n, 7)) / 2
    y = run_onnxruntime(model(batch), x, block=3)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.maximum(x @ W, 0))


def test_every_source(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(model(), path, save_as_external_data=True, size_threshold=0, location="net.data")
    x = np.eye(7)
    for source in (path, str(path), model(), ir.from_proto(model())):
        np.testing.assert_array_equal(run_onnxruntime(source, x), np.maximum(W, 0))
        np.testing.assert_array_equal(run_values(source, x, ["a"])["a"], W)


def test_values_in_between() -> None:
    x = np.eye(7)[:5]
    before = model()
    text = before.SerializeToString()
    values = run_values(before, x, ["a", "y"], block=2)
    np.testing.assert_array_equal(values["a"], W[:5])
    np.testing.assert_array_equal(values["y"], np.maximum(W[:5], 0))
    assert before.SerializeToString() == text
    with pytest.raises(InputError, match="no value called b"):
        run_values(model(), x, ["b"])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 6)), r"shape \(2, 6\); the model takes \(N, 7\)"),
        (np.zeros(7), r"shape \(7,\)"),
        (np.zeros((0, 7)), "no samples"),
        (np.array([["a"] * 7]), "not numbers"),
        (np.zeros((2, 7), complex), "not numbers"),
    ],
)
def test_unusable_inputs(x: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_onnxruntime(model(), x)


def test_integer_inputs_must_fit() -> None:
    m = build("f = Cast<to=1>(x) y = Gemm(f, w)", x="uint8[N,7] x", weights={"w": W})
    np.testing.assert_array_equal(run_onnxruntime(m, np.eye(7)), W)
    with pytest.raises(InputError, match="uint8"):
        run_onnxruntime(m, np.full((1, 7), 256))
    with pytest.raises(InputError, match="uint8"):
        run_onnxruntime(m, np.full((1, 7), 0.5))


def test_unusable_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        run_onnxruntime(tmp_path / "none.onnx", np.zeros((1, 7)))
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"bad\.onnx: is not an ONNX file"):
        run_onnxruntime(tmp_path / "bad.onnx", np.zeros((1, 7)))
    foreign = build("y = Gemm(x, w)", x="float[N,7] x", weights={"w": W}, extra=', "Foo" : 1')
    foreign.graph.node[0].domain = "Foo"
    with pytest.raises(InputError, match="onnxruntime cannot load it"):
        run_onnxruntime(foreign, np.zeros((1, 7)))
    two = build("y = Add(x, z)", x="float[N,7] x, float[N,7] z")
    with pytest.raises(InputError, match="takes 2 inputs"):
        run_onnxruntime(two, np.zeros((1, 7)))
    folded = build("s = Constant<value_ints=[-1]>() y = Reshape(x, s)", x="float[N,7] x", y="float[M] y")
    with pytest.raises(InputError, match="axis 0 is not the batch"):
        run_onnxruntime(folded, np.zeros((2, 7)))
