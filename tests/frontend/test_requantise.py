"""The integer arithmetic of 8-bit kernels, code for code against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest

from ganglion.frontend.kernels import INT8_KERNELS, UINT8_KERNELS, kernels_saturate
from ganglion.frontend.requantise import (
    Encoding,
    add_codes,
    average_codes,
    average_of_sum,
    conv_scale,
    dequantise,
    global_average_scale,
    quantise,
    quantise_bias,
    recode,
    requantise,
    sum_decides_average,
)
from ganglion.frontend.thresholds import smallest_reaching

from .helpers import Array, build

TYPES = pytest.mark.parametrize("dtype", [np.uint8, np.int8], ids=["uint8", "int8"])
FLOAT_BIAS = pytest.mark.skipif(
    tuple(map(int, ort.__version__.split(".")[:2])) < (1, 23), reason="older ones do not fuse a float bias"
)
PER_CHANNEL = pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])


def session(body: str, x: str, constants: dict[str, Any], *, y: str = "y", saved: Path | None = None) -> Any:
    """An optimised session without saturation; `body` in the text form of onnx, `m.` for com.microsoft."""
    uint8 = any(np.asarray(c).dtype == np.uint8 for c in constants.values())
    text = body.replace("m.QLinear", "com.microsoft.QLinear").replace("m.QGemm", "com.microsoft.QGemm")
    model = build(text, x=x, y=y, extra=', "com.microsoft" : 1', weights=constants)
    for output in model.graph.output:  # onnxruntime finds its type
        output.ClearField("type")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    for key, value in (INT8_KERNELS | (UINT8_KERNELS if uint8 and kernels_saturate() else {})).items():
        options.add_session_config_entry(key, value)
    if saved is not None:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(saved)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(session: Any, **inputs: Array) -> Array:
    return np.asarray(session.run(None, inputs)[0])


def parameters(name: str, as_: Encoding, dtype: type) -> dict[str, Any]:
    return {f"{name}s": as_.scale, f"{name}z": np.array(as_.zero_point, dtype)}


def encodings(dtype: type, *factors: float, seed: int, ratio: float | None = None) -> Iterator[tuple[Encoding, ...]]:
    """Cases of encodings with scales of about `factors`, and all kinds of zero points.

    With `ratio` the second scale is so many times the first: 1 gives many ties in averages, 2 / count even more.
    """
    rng, info = np.random.default_rng(seed), np.iinfo(dtype)
    for zero_points in ("low", "middle", "high", *["any"] * 12):
        choice = {"low": info.min, "middle": (info.min + info.max + 1) // 2, "high": info.max}
        some = [
            Encoding(
                np.float32(f * rng.uniform(0.5, 2)),
                int(choice.get(zero_points, rng.integers(info.min, info.max + 1))),
                int(info.min),
                int(info.max),
            )
            for f in factors
        ]
        if ratio is not None:
            some[1] = some[1]._replace(scale=np.float32(some[0].scale * np.float32(ratio)))
        yield tuple(some)


def all_codes(dtype: type) -> Array:
    info = np.iinfo(dtype)
    return np.arange(info.min, info.max + 1)


def random_codes(seed: int, dtype: type, *shape: int) -> Array:
    return np.random.default_rng(seed).choice(all_codes(dtype), shape).astype(dtype)


@pytest.mark.parametrize(("dtype", "weights"), [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
@PER_CHANNEL
def test_convolutions(dtype: type, weights: type, per_channel: bool) -> None:
    """Codes of all sizes, weights with a zero point, an int32 bias."""
    rng = np.random.default_rng(1)
    for case, (x_as, y_as) in enumerate(encodings(dtype, 0.02, 0.5, seed=2)):
        channels = 5 + 4 * case
        x, w = random_codes(case, dtype, 3, channels, 6, 5), random_codes(50 + case, weights, 9, channels, 1, 1)
        w_zero = int(rng.choice(all_codes(weights)))
        w_scale = rng.uniform(0.001, 0.01, 9 if per_channel else ()).astype(np.float32)
        bias = rng.integers(-30000, 30000, 9).astype(np.int32)
        constants = {"w": w, "ws": w_scale, "wz": np.full(w_scale.shape, w_zero, weights), "b": bias}
        constants |= parameters("x", x_as, dtype) | parameters("y", y_as, dtype)
        conv = session(
            "y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz, b)", f"{dtype.__name__}[N,{channels},6,5] x", constants
        )
        terms = np.tensordot(x.astype(int) - x_as.zero_point, w[..., 0, 0].astype(int) - w_zero, axes=(1, 1))
        scale = conv_scale(x_as.scale, w_scale, y_as.scale)
        codes = requantise(terms + bias, scale, *y_as[1:])
        np.testing.assert_array_equal(run(conv, x=x), np.moveaxis(codes, -1, 1))


@TYPES
@PER_CHANNEL
def test_every_threshold(dtype: type, per_channel: bool) -> None:
    """At every threshold, and one below it, a convolution whose bias is the sum gives the code that it should."""
    for x_as, y_as in encodings(dtype, 0.02, 0.03, seed=3):
        w_scale = np.random.default_rng(4).uniform(0.00001, 0.01, 3 if per_channel else 1).astype(np.float32)
        scale = conv_scale(x_as.scale, w_scale, y_as.scale)[:, None]

        def code(V: Array, scale: Array = scale, y_as: Encoding = y_as) -> Array:
            return requantise(V, scale, *y_as[1:])

        limit = np.full(len(w_scale), 2**31 - 1)
        thresholds = smallest_reaching(code, 255, -limit, limit, y_as.low)
        bias = np.stack([thresholds, thresholds - 1], axis=1).reshape(-1)
        constants = {"w": np.zeros((bias.size, 1, 1, 1), np.int8), "b": bias.astype(np.int32)}
        constants |= {"ws": np.repeat(w_scale, 510), "wz": np.zeros(bias.size, np.int8)}
        constants |= parameters("x", x_as, dtype) | parameters("y", y_as, dtype)
        conv = session("y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz, b)", f"{dtype.__name__}[N,1,1,1] x", constants)
        got = run(conv, x=np.zeros((1, 1, 1, 1), dtype)).reshape(len(w_scale), 2, 255)
        expected = y_as.low + np.stack([np.arange(1, 256), np.arange(255)])
        np.testing.assert_array_equal(got, np.broadcast_to(expected, got.shape))


@TYPES
@PER_CHANNEL
@pytest.mark.parametrize("op", ["QGemm", "QGemm to float", "QLinearMatMul"])
def test_matrices(dtype: type, per_channel: bool, op: str) -> None:
    rng = np.random.default_rng(5)
    for x_as, y_as in encodings(dtype, 0.02, 0.4, seed=6):
        x, w = random_codes(16, dtype, 150, 70), random_codes(17, np.int8, 70, 21)
        bias = rng.integers(-9999, 9999, 21).astype(np.int32)
        w_scale = rng.uniform(0.001, 0.01, 21 if per_channel else ()).astype(np.float32)
        constants = {"w": w, "ws": w_scale, "wz": np.zeros(w_scale.shape, np.int8)} | parameters("x", x_as, dtype)
        alpha = 1.0 if op == "QLinearMatMul" else 0.7
        V = (x.astype(int) - x_as.zero_point) @ w.astype(int) + (0 if op == "QLinearMatMul" else bias)
        body = {
            "QGemm": "y = m.QGemm<alpha = 0.7>(x, xs, xz, w, ws, wz, b, ys, yz)",
            "QGemm to float": "y = m.QGemm<alpha = 0.7>(x, xs, xz, w, ws, wz, b)",
            "QLinearMatMul": "y = QLinearMatMul(x, xs, xz, w, ws, wz, ys, yz)",
        }[op]
        constants |= {} if op == "QLinearMatMul" else {"b": bias}
        constants |= {} if op == "QGemm to float" else parameters("y", y_as, dtype)
        got = run(session(body, f"{dtype.__name__}[N,70] x", constants), x=x)
        if op == "QGemm to float":
            expected = V.astype(np.float32) * conv_scale(x_as.scale, w_scale, alpha=alpha)
            assert got.dtype == np.float32
        else:
            expected = requantise(V, conv_scale(x_as.scale, w_scale, y_as.scale, alpha), *y_as[1:])
        np.testing.assert_array_equal(got, expected)


@TYPES
def test_sums_of_every_pair(dtype: type) -> None:
    for a, b, y in encodings(dtype, 0.02, 0.03, 0.04, seed=7):
        constants = {k: v for n, e in zip("aby", (a, b, y), strict=True) for k, v in parameters(n, e, dtype).items()}
        kind = dtype.__name__
        add = session("y = m.QLinearAdd(a, as, az, b, bs, bz, ys, yz)", f"{kind}[N] a, {kind}[N] b", constants)
        i, j = (grid.ravel() for grid in np.meshgrid(all_codes(dtype), all_codes(dtype)))
        got = run(add, a=i.astype(dtype), b=j.astype(dtype))
        np.testing.assert_array_equal(got, add_codes(i, j, a, b, y))


@TYPES
def test_quantising_and_back(dtype: type) -> None:
    rng = np.random.default_rng(8)
    for x_as, y_as in encodings(dtype, 0.02, 0.03, seed=9):
        constants, kind = parameters("x", x_as, dtype) | parameters("y", y_as, dtype), dtype.__name__
        ties = ((np.arange(-300, 300) + 0.5) * np.float64(y_as.scale)).astype(np.float32)
        x = np.concatenate([ties, np.nextafter(ties, np.float32(9)), rng.normal(0, 3, 999).astype(np.float32), [1e30]])
        x = x.astype(np.float32)
        got = run(session("y = QuantizeLinear(x, ys, yz)", "float[N] x", constants), x=x)
        np.testing.assert_array_equal(got, quantise(x, y_as))
        codes = all_codes(dtype)
        got = run(session("y = DequantizeLinear(x, xs, xz)", f"{kind}[N] x", constants), x=codes.astype(dtype))
        np.testing.assert_array_equal(got, dequantise(codes, x_as))
        concat = "y = m.QLinearConcat<axis = 0>(ys, yz, x, xs, xz, x, ys, yz)"
        got = run(session(concat, f"{kind}[N] x", constants), x=codes.astype(dtype))
        np.testing.assert_array_equal(got, np.concatenate([recode(codes, x_as, y_as), codes]))


@TYPES
@pytest.mark.parametrize("ratio", [None, 1, 2 / 15])
@pytest.mark.parametrize("op", ["GlobalAveragePool", "AveragePool"])
def test_averages_of_whole_images(dtype: type, ratio: float | None, op: str) -> None:
    for x_as, y_as in encodings(dtype, 0.02, 0.01, seed=10, ratio=ratio):
        x = random_codes(11, dtype, 1000, 3, 3, 5)
        constants = parameters("x", x_as, dtype) | parameters("y", y_as, dtype)
        body = f"y = m.QLinear{op}{'<kernel_shape = [3, 5]>' if op == 'AveragePool' else ''}(x, xs, xz, ys, yz)"
        got = run(session(body, f"{dtype.__name__}[N,3,3,5] x", constants), x=x)
        V = (x.astype(int) - x_as.zero_point).sum((2, 3))
        scale = global_average_scale(15, x_as.scale, y_as.scale)
        np.testing.assert_array_equal(got[..., 0, 0], requantise(V, scale, *y_as[1:]))


@TYPES
@pytest.mark.parametrize("ratio", [None, 1, 2 / 9])
@pytest.mark.parametrize("padding", ["none", "left out", "counted"])
def test_averages_of_windows(dtype: type, padding: str, ratio: float | None) -> None:
    for case, (x_as, y_as) in enumerate(encodings(dtype, 0.02, 0.02, seed=12, ratio=ratio)):
        size, pad = 2 + case % 2, int(padding != "none")
        x = random_codes(13, dtype, 200, 3, 6, 6)
        constants = parameters("x", x_as, dtype) | parameters("y", y_as, dtype)
        counted = int(padding == "counted")
        pool = session(
            f"y = m.QLinearAveragePool<kernel_shape = [{size}, {size}], pads = [{pad}, {pad}, {pad}, {pad}], "
            f"count_include_pad = {int(padding == 'counted')}>(x, xs, xz, ys, yz)",
            f"{dtype.__name__}[N,3,6,6] x",
            constants,
        )
        border = [(0, 0), (0, 0), (pad, pad), (pad, pad)]
        inside = windows(np.pad(np.ones((1, 1, 6, 6), int), border), size).sum(-1)
        count = np.full(inside.shape, size * size) if counted else inside
        padded = windows(np.pad(x.astype(int), border, constant_values=x_as.zero_point), size)
        np.testing.assert_array_equal(run(pool, x=x), average_codes(padded, count, x_as, y_as))


def windows(x: Array, size: int) -> Array:
    """The values of each window, row by row, in the last axis."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return view.reshape(*view.shape[:4], size * size)


@pytest.mark.parametrize(
    ("count", "scale", "zero_point", "decides"),
    [(4, 0.02, 0, False), (4, 0.02, 100, False), (9, 0.02, 0, True), (9, 0.02, 100, True), (4, 2**-6, 100, True)],
)
def test_whether_the_sum_decides_an_average(count: int, scale: float, zero_point: int, decides: bool) -> None:
    as_ = Encoding(np.float32(scale), zero_point, 0, 255)
    x = np.random.default_rng(14).integers(0, 256, (100000, count))
    same = average_codes(x, count, as_, as_) == average_of_sum((x - zero_point).sum(-1), count, as_, as_)
    assert sum_decides_average(count, as_, as_) == decides == same.all()


@TYPES
@PER_CHANNEL
@pytest.mark.parametrize("bias_type", ["int32", pytest.param("float", marks=FLOAT_BIAS)])
def test_an_optimised_network(dtype: type, per_channel: bool, bias_type: str, tmp_path: Path) -> None:
    """DequantizeLinear, Conv, Relu, QuantizeLinear become one QLinearConv of the same arithmetic."""
    rng, low = np.random.default_rng(15), int(np.iinfo(dtype).min)
    x_as, y_as = Encoding(np.float32(0.013), low + 97, low, low + 255), Encoding(np.float32(0.021), low, low, low + 255)
    w = random_codes(18, np.int8, 300, 20, 1, 1)
    w_scale = rng.uniform(0.001, 0.01, 300 if per_channel else ()).astype(np.float32)
    real = ((rng.integers(-9999, 9999, 300) + 0.5) * x_as.scale * w_scale).astype(np.float32)  # ties, or next to one
    integers = quantise_bias(real, x_as.scale, w_scale)
    constants = {"w": w, "ws": w_scale, "wz": np.zeros(w_scale.shape, np.int8), "bs": x_as.scale * w_scale}
    constants |= parameters("x", x_as, dtype) | parameters("y", y_as, dtype)
    constants["b"] = real if bias_type == "float" else integers.astype(np.int32)
    axis = "<axis = 0>" if per_channel else ""
    body = (
        f"q = QuantizeLinear(x, xs, xz) d = DequantizeLinear(q, xs, xz) v = DequantizeLinear{axis}(w, ws, wz)"
        f"{'f = Identity(b)' if bias_type == 'float' else f'f = DequantizeLinear{axis}(b, bs)'}"
        "c = Conv(d, v, f) r = Relu(c) y = QuantizeLinear(r, ys, yz)"
    )
    fused = session(body, "float[N,20,7,7] x", constants, saved=tmp_path / "fused.onnx")
    nodes = [node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node]
    assert nodes == ["QuantizeLinear", "QLinearConv"]
    x = rng.normal(0, 1, (5, 20, 7, 7)).astype(np.float32)
    V = np.tensordot(quantise(x, x_as) - x_as.zero_point, w[..., 0, 0].astype(int), axes=(1, 1)) + integers
    codes = requantise(V, conv_scale(x_as.scale, w_scale, y_as.scale), *y_as[1:])
    np.testing.assert_array_equal(run(fused, x=x), np.moveaxis(codes, -1, 1))
