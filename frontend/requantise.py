"""What onnxruntime's 8-bit kernels compute, to the last code, as functions of exact integers.

The formulas are those of its CPU kernels for x86-64; `tests/frontend/test_requantise.py` holds them to onnxruntime
itself. All real numbers are float32, every operation rounds to float32, and `rint` rounds halves to the even number.
Sums of integers are int64 here and int32 there: equal while |V| < 2**31.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
HALF_ULP = 2.0**-24  # the relative error of one rounding to float32


class Encoding(NamedTuple):
    """How codes stand for real numbers: (code - zero_point) * scale, for codes in [low, high]."""

    scale: np.float32
    zero_point: int
    low: int
    high: int


def conv_scale(x_scale: Any, w_scale: Any, y_scale: Any = None, alpha: float = 1.0) -> Floats:
    """The factor that takes QLinearConv, QGemm or QLinearMatMul from its integer sum to the output's codes.

    ((alpha * x_scale) * w_scale) / y_scale in this order; `alpha` is Gemm's. () or, with w_scale (C,), one per channel.
    Without `y_scale` it takes the sum to the float output of QGemm and MatMulIntegerToFloat (see `dequantise`).
    """
    product = np.float32(alpha) * np.float32(x_scale) * np.asarray(w_scale, np.float32)
    return np.asarray(product if y_scale is None else product / np.float32(y_scale), np.float32)


def quantise_bias(bias: Floats, x_scale: Any, w_scale: Any) -> NDArray[np.int64]:
    """The integers that the optimiser makes of a float bias (C,) so that it can fuse the node: rint(b / (x*w))."""
    return _rint(np.asarray(bias, np.float32) / conv_scale(x_scale, w_scale))


def requantise(V: Array, scale: Any, zero_point: int, low: int, high: int) -> NDArray[np.int64]:
    """zero_point + rint(clip(float32(V) * scale, low - zero_point, high - zero_point)).

    `V` is the integer sum of QLinearConv, QGemm or QLinearMatMul: sum((x - x_zero) * (w - w_zero)) + bias; `scale`
    is `conv_scale`, () or something that broadcasts against V. A Relu before the output's codes changes nothing where
    zero_point = low, and is fused only there.
    """
    return _rounded(np.asarray(V).astype(np.float32) * np.asarray(scale, np.float32), zero_point, low, high)


def quantise(x: Any, y: Encoding) -> NDArray[np.int64]:
    """QuantizeLinear: the codes of the real numbers `x`; a true division, not a product with 1 / scale."""
    return _rounded(np.asarray(x, np.float32) / np.float32(y.scale), y.zero_point, y.low, y.high)


def dequantise(codes: Array, x: Encoding) -> Floats:
    """DequantizeLinear: float32(code - zero_point) * scale. With zero_point 0, a kernel's float output from its sum."""
    return np.asarray((np.asarray(codes) - x.zero_point).astype(np.float32) * np.float32(x.scale), np.float32)


def recode(codes: Array, x: Encoding, y: Encoding) -> NDArray[np.int64]:
    """DequantizeLinear, then QuantizeLinear; QLinearConcat does it to each of its inputs."""
    return quantise(dequantise(codes, x), y)


def add_codes(a: Array, b: Array, a_as: Encoding, b_as: Encoding, y_as: Encoding) -> NDArray[np.int64]:
    """QLinearAdd of the codes `a` and `b`, tensors of one shape (here they broadcast).

    rint(fma(a, ra, fma(b, rb, offset))) in [low, high], with ra = a_scale / y_scale, rb = b_scale / y_scale,
    offset = y_zero - fma(ra, a_zero, rb * b_zero): the zero point is added before the rounding. Other than x86
    processors with AVX2 compute it otherwise.
    """
    ra, rb = np.float32(a_as.scale) / np.float32(y_as.scale), np.float32(b_as.scale) / np.float32(y_as.scale)
    offset = np.float32(y_as.zero_point) - _fma(ra, a_as.zero_point, rb * np.float32(b_as.zero_point))
    total = _fma(np.asarray(a), ra, _fma(np.asarray(b), rb, offset))
    return _rounded(total, 0, y_as.low, y_as.high)


def global_average_scale(count: int, x_scale: Any, y_scale: Any) -> np.float32:
    """x_scale / (y_scale * count), the factor for `requantise` of V = sum(x - x_zero) over `count` values.

    For QLinearGlobalAveragePool, and for QLinearAveragePool whose window is the whole image without padding.
    """
    return np.float32(np.float32(x_scale) / (np.float32(y_scale) * np.float32(count)))


def average_codes(x: Array, count: Any, x_as: Encoding, y_as: Encoding) -> NDArray[np.int64]:
    """QLinearAveragePool of the codes `x` (..., K), the values of a window row by row; a window of part of the image.

    It adds float32 values in this order and divides by `count`, so codes near a half depend on the order: see
    `sum_decides_average`. What lies in the padding is left out of the sum; put the input's zero point there.
    """
    values = dequantise(x, x_as)
    total = np.zeros(values.shape[:-1], np.float32)
    for k in range(values.shape[-1]):
        total = total + values[..., k]
    return _averaged(total, count, y_as)


def average_of_sum(V: Array, count: int, x_as: Encoding, y_as: Encoding) -> NDArray[np.int64]:
    """`average_codes` of windows with the integer sum V = sum(x - x_zero), where `sum_decides_average`."""
    return _averaged(dequantise(V, x_as._replace(zero_point=0)), count, y_as)


def sum_decides_average(count: int, x_as: Encoding, y_as: Encoding) -> bool:
    """Whether `average_codes` of `count` values is a function of their integer sum, whatever their order.

    Proven by the bound (count + 1) * 2**-24 * sum|x - x_zero| * scale on the error of the float32 sum. It is not for
    an even `count` between equal scales, unless the scale has few bits (a power of two): every tie is in doubt.
    """
    below, above = x_as.low - x_as.zero_point, x_as.high - x_as.zero_point
    V = np.arange(count * below, count * above + 1)
    largest = count * max(abs(below), abs(above))
    absolute = np.abs(V) if below >= 0 or above <= 0 else np.full(V.shape, largest)
    scale = float(x_as.scale)
    if int(np.frexp(scale)[0] * 2**24) % 2 ** int(np.ceil(np.log2(largest))) == 0:
        return True  # no sum needs more than 24 bits: nothing is rounded
    error = (count + 1) * HALF_ULP * absolute * scale
    least = np.nextafter((V * scale - error).astype(np.float32), np.float32(-np.inf))
    most = np.nextafter((V * scale + error).astype(np.float32), np.float32(np.inf))
    return bool((_averaged(least, count, y_as) == _averaged(most, count, y_as)).all())


def _averaged(total: Floats, count: Any, y: Encoding) -> NDArray[np.int64]:
    mean = total / np.asarray(count, np.float32) / np.float32(y.scale)
    return _rounded(mean + np.float32(y.zero_point), 0, y.low, y.high)


def _rounded(x: Any, zero_point: int, low: int, high: int) -> NDArray[np.int64]:
    """zero_point + rint(x), clipped."""
    return zero_point + _rint(np.clip(x, low - zero_point, high - zero_point))


def _rint(x: Any) -> NDArray[np.int64]:
    return np.asarray(np.rint(x), np.int64)


def _fma(x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once: float64 holds the product with an 8-bit code, and the sum for scales not 2**20 apart."""
    return (np.asarray(x, np.float64) * np.float64(y) + np.asarray(z, np.float64)).astype(np.float32)
