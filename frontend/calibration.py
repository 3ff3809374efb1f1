"""What the values of a network are on samples: ranges, and where plain activations become staircases.

A plain ReLU, or a clipped one, y = f(x) becomes y = s * clip(floor(x / s + 1/2), 0, L) with s = theta / L:
threshold balancing (Deng & Gu, ICLR 2021, arXiv 2103.00476). The samples tell theta.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import onnx_ir as ir

from ganglion.errors import InputError, InternalError

from .balancing import least_error
from .histogram import Histogram
from .onnxruntime_engine import cast, checked, session_with
from .values import Array, name_of, sample_shape, shape_of

Method: TypeAlias = Literal["mse", "percentile", "max"]
Granularity: TypeAlias = Literal["layer", "channel"]


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What calibration has seen on `samples` samples, by ONNX value name and per channel (axis 1 of the value).

    `histograms` of the activations; `ranges`, the lowest and the highest value, each (C,) float64, of the
    linear values.
    """

    samples: int
    histograms: Mapping[str, Histogram]
    ranges: Mapping[str, tuple[Array, Array]]


def observe(
    model: ir.Model,
    x: Array,
    activations: Sequence[str],
    linear: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Observations:
    """Runs `model`, as `read` returns it, with onnxruntime on the samples `x` and watches some of its values.

    `x` (N, ...) holds N samples, each of the shape and in the units of the model's input: what the trained
    network was given after all preprocessing, not raw pixels where it was trained on normalised ones. A few
    hundred samples like those of the training are enough. `x` may be a memory-mapped file; only one batch at a
    time is in memory. `activations` and `linear` name ONNX values (N, C, ...); what is recorded is in the
    model's units. `progress` is called with the number of samples done and N.

    Raises `InputError` for samples that do not fit, none at all, NaN or infinity in them or in an observed value,
    `CompileError` for a value whose axis 0 is not the batch.
    """
    names = list(dict.fromkeys([*activations, *linear]))
    channels = _channels(model, names)
    _check_shape(x, model.graph.inputs[0])
    histograms = {name: Histogram(channels[name]) for name in activations}
    ranges = {name: (np.full(channels[name], np.inf), np.full(channels[name], -np.inf)) for name in linear}
    for done, values in _run(model, x, names):
        for name, y in values.items():
            bad = _not_finite(y)
            if bad.size:
                raise InputError(
                    f"'{name}' becomes NaN or infinity in the model's run on sample {done - len(y) + bad[0]}",
                    hint="see whether the samples are scaled as in training, and whether the trained model is sound",
                )
            if name in histograms:
                histograms[name].add(y)
            if name in ranges:
                rest = tuple(axis for axis in range(y.ndim) if axis != 1)
                low, high = ranges[name]
                ranges[name] = np.minimum(low, y.min(axis=rest)), np.maximum(high, y.max(axis=rest))
        if progress is not None:
            progress(done, len(x))
    return Observations(samples=len(x), histograms=histograms, ranges=ranges)


def thresholds(
    histogram: Histogram,
    *,
    method: Method = "mse",
    levels: int,
    granularity: Granularity = "layer",
    percentile: float = 99.99,
) -> Array:
    """theta of an activation, in the model's units, float64: () for "layer", (C,) for "channel".

    "max" is the largest value seen. "percentile" is the value that `percentile` % of all values above 0 stay
    below, exact to one bin of the histogram. "mse" has the least sum of squared differences between the values
    above 0 and their staircase of `levels` levels. None is ever above the largest value.

    A channel that was never above 0 (`histogram.dead`) has the theta of its layer, and a layer that never was,
    where any theta does, has 1. Raises `InputError` for a method, a granularity, or a number out of range.
    """
    if method not in get_args(Method):
        raise InputError(f"there is no calibration method '{method}'", hint=f"one of {', '.join(get_args(Method))}")
    if granularity not in get_args(Granularity):
        raise InputError(f"thresholds per '{granularity}' do not exist", hint="one of layer, channel")
    if levels < 1:
        raise InputError(f"an activation needs at least one level, not {levels}")
    if not 0 < percentile <= 100:
        raise InputError(f"the percentile is {percentile}; it must be above 0 and at most 100")
    if granularity == "channel":
        layer = thresholds(histogram, method=method, levels=levels, percentile=percentile)
        return np.where(histogram.dead, layer, _thetas(histogram, method, levels, percentile))
    pooled = histogram.pooled()
    return np.where(pooled.dead, 1.0, _thetas(pooled, method, levels, percentile))[0, ...]


def _thetas(histogram: Histogram, method: Method, levels: int, percentile: float) -> Array:
    """theta of every channel (C,); of a dead one, any."""
    if method == "mse":
        return least_error(histogram, levels)
    return histogram.percentile(percentile) if method == "percentile" else histogram.maximum


def _channels(model: ir.Model, names: Sequence[str]) -> dict[str, int]:
    """The number of channels of each value."""
    known = {name_of(v): v for node in model.graph for v in node.outputs} | {name_of(v): v for v in model.graph.inputs}
    missing = [name for name in names if name not in known]
    if missing:
        raise InternalError(f"calibration was asked for values that the model does not have: {', '.join(missing)}")
    batch = (shape_of(model.graph.inputs[0]) or (1,))[0]
    result = {}
    for name in names:
        value = known[name]
        result[name] = sample_shape(value, batch, value.producer() or value.consumers()[0])[0]
    return result


def _check_shape(x: Array, given: ir.Value) -> None:
    expected = (shape_of(given) or ())[1:]
    if np.ndim(x) == 0 or np.shape(x)[1:] != expected:
        raise InputError(
            f"the samples have shape {np.shape(x)}; the model takes (N, {', '.join(map(str, expected))})",
            hint="the first axis counts the samples",
        )
    if not len(x):
        raise InputError("there are no samples to calibrate with")


def _run(model: ir.Model, x: Array, names: list[str]) -> Iterator[tuple[int, dict[str, Array]]]:
    """After each batch, how many samples are done and the values `names` of the batch."""
    session = session_with(model, names, threads=0)
    (given,) = session.get_inputs()
    size: int = given.shape[0]
    for start in range(0, len(x), size):
        with np.errstate(over="ignore", invalid="ignore"):  # told about below, or by the check
            part = cast(x[start : start + size], checked(x, given))
        bad = _not_finite(part)
        if bad.size:
            raise InputError(f"sample {start + bad[0]} holds NaN, infinity, or a number too large for {part.dtype}")
        padding = np.zeros((size - len(part), *part.shape[1:]), part.dtype)
        feed = {given.name: np.concatenate([part, padding])}
        try:
            results = session.run(names, feed) if names else []
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise InputError(f"the model: onnxruntime cannot run it: {error}") from error
        yield start + len(part), {n: np.asarray(r)[: len(part)] for n, r in zip(names, results, strict=True)}


def _not_finite(y: Array) -> Array:
    """The indices along axis 0 under which there is NaN or infinity."""
    return np.flatnonzero(~np.isfinite(y.reshape(len(y), -1)).all(axis=1))
