"""What calibration decides: the levels of plain activations, and the range of values that stay linear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir

from ganglion.errors import InputError

from .calibration import Granularity, Method, Observations, observe, thresholds
from .ramp import Ramp
from .values import Array, name_of, shape_of

NARROWEST = 1 / 16  # of the layer's theta: a channel that hardly ever fires must not have thresholds below a weight


class Levels(Protocol):
    """Decides levels and ranges for a model: from samples (`Calibration`), from what it says itself (`Bounds`), or for
    a preview (`Preview`).
    """

    def choose(
        self, model: ir.Model, value: ir.Value, ramps: Mapping[ir.Value, Ramp], linear: Sequence[ir.Value]
    ) -> Chosen:
        """For the model with the input `value`: its ramps by their outputs, and the values that stay linear."""
        ...


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """`levels` of every ramp, with its theta; the range of linear values; and that of the input, where it is known."""

    levels: int
    thetas: Mapping[ir.Value, Array]
    ranges: Mapping[ir.Value, tuple[Array, Array]]
    input_range: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the file of the network, so that the same choice can be made again without the samples."""
        return {
            "levels": self.levels,
            "thetas": {name_of(v): theta.tolist() for v, theta in self.thetas.items()},
            "ranges": {name_of(v): [b.tolist() for b in bounds] for v, bounds in self.ranges.items()},
            "input_range": self.input_range,
        }

    def theta(self, value: ir.Value) -> Array:
        """What the highest level of the ramp with output `value` stands for, () or (C,)."""
        return self.thetas[value]

    def range(self, value: ir.Value) -> tuple[Array, Array] | None:
        """The lowest and highest value per channel, (C,), None where it was not observed."""
        return self.ranges.get(value)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Samples, and how levels are chosen from what the model does with them.

    samples      (N, *shape), as the model takes them
    levels       L of every plain activation: the members of its Group Neuron
    steps        T: over T steps a population can tell T * L values, which the error is minimised for
    method       "mse", "percentile" or "max" (see `thresholds`)
    granularity  one theta per "layer" or per "channel"; the latter is the geometric mean of what the channel alone and
                 the layer would have: more would cost the next weights, which it is folded into, their bits
                 (the migration strength 1/2 of SmoothQuant, Xiao et al., ICML 2023, arXiv 2211.10438)
    percentile   for the method of this name
    progress     called with (done, all samples)
    seen         what the model did with the samples: calibrations that differ in how they choose may share this list,
                 so that the model runs once
    """

    samples: Array
    levels: int
    steps: int = 1
    method: Method = "mse"
    granularity: Granularity = "channel"
    percentile: float = 99.99
    progress: Callable[[int, int], None] | None = None
    seen: list[Observations] = field(default_factory=list)

    def choose(
        self, model: ir.Model, value: ir.Value, ramps: Mapping[ir.Value, Ramp], linear: Sequence[ir.Value]
    ) -> Chosen:
        """Runs the model on the samples, unless that was done."""
        plain = [v for v, r in ramps.items() if r.base == 0]
        linear = [v for v in linear if len(shape_of(v) or ()) > 1]
        if not self.seen:
            names = [name_of(v) for v in plain], [name_of(v) for v in linear]
            self.seen.append(observe(model, self.samples, *names, progress=self.progress))
        seen = self.seen[0]
        notes: list[str] = []
        thetas = {v: self._theta(v, r, seen, notes) for v, r in ramps.items()}
        return Chosen(
            levels=self.levels,
            thetas=thetas,
            ranges={v: seen.ranges[name_of(v)] for v in linear},
            input_range=_range_of(self.samples),
            notes=notes,
        )

    def _theta(self, value: ir.Value, r: Ramp, seen: Observations, notes: list[str]) -> Array:
        if r.base != 0:  # clipped at both ends, away from 0: its own range
            return np.array(r.height)
        histogram = seen.histograms[name_of(value)]
        if histogram.dead.all():
            notes.append(f"'{name_of(value)}' was never positive on the calibration samples")
        found = {
            granularity: thresholds(
                histogram,
                method=self.method,
                levels=self.levels * self.steps,
                granularity=granularity,
                percentile=self.percentile,
            )
            for granularity in dict.fromkeys(("layer", self.granularity))
        }
        layer, own = found["layer"], found[self.granularity]
        theta = np.maximum(np.sqrt(own * layer), layer * NARROWEST)
        return np.asarray(np.minimum(theta, r.height))


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """No samples: what an activation is clipped at is its theta, as one that was trained to clip there means it.

    `levels` of every one, as in `Calibration`. Endless ramps have no theta then, and linear values no range.
    """

    levels: int

    def choose(
        self, model: ir.Model, value: ir.Value, ramps: Mapping[ir.Value, Ramp], linear: Sequence[ir.Value]
    ) -> Chosen:
        """Runs nothing."""
        count = f"the bounds of {len(ramps)} activations are" if len(ramps) > 1 else "the bound of an activation is"
        return Chosen(
            levels=self.levels,
            thetas={v: np.array(r.height) for v, r in ramps.items()},
            ranges={},
            notes=[f"no samples were given, so {count} taken for the threshold (else: --calibration X.npy)"],
        )


@dataclass(frozen=True)
class Recorded:
    """What an earlier calibration chose, by ONNX value name: `record` is what `Chosen.as_json` gave."""

    record: Mapping[str, Any]

    def choose(
        self, model: ir.Model, value: ir.Value, ramps: Mapping[ir.Value, Ramp], linear: Sequence[ir.Value]
    ) -> Chosen:
        """Runs nothing; raises `InputError` where the record is of another model."""
        thetas, ranges = self.record["thetas"], self.record["ranges"]
        missing = [name_of(v) for v in ramps if name_of(v) not in thetas]
        if missing:
            raise InputError(f"the network's calibration knows no activation called {', '.join(missing)}")
        bounds = {v: ranges[name_of(v)] for v in linear if name_of(v) in ranges}
        return Chosen(
            levels=self.record["levels"],
            thetas={v: np.array(thetas[name_of(v)]) for v in ramps},
            ranges={v: (np.array(low), np.array(high)) for v, (low, high) in bounds.items()},
            input_range=tuple(self.record["input_range"]) if self.record["input_range"] else None,
        )


@dataclass(frozen=True)
class Preview:
    """Stands in for a calibration where only the structure matters: every theta is 1, every range [0, 1].

    Without `ranges`, no linear value has one.
    """

    ranges: bool = True

    def choose(
        self, model: ir.Model, value: ir.Value, ramps: Mapping[ir.Value, Ramp], linear: Sequence[ir.Value]
    ) -> Chosen:
        """Runs nothing."""
        unit = (np.array(0.0), np.array(1.0))
        seen = linear if self.ranges else ()
        return Chosen(levels=1, thetas=dict.fromkeys(ramps, np.array(1.0)), ranges=dict.fromkeys(seen, unit))


def _range_of(samples: Array) -> tuple[float, float] | None:
    """Lowest and highest value, with 0 among them; None where all are 0."""
    low, high = min(float(np.min(samples)), 0.0), max(float(np.max(samples)), 0.0)
    return (low, high) if low < high else None
