"""The corrections of a network, and their text in its file: the same network comes of them without the samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array


def _none() -> Array:
    return np.zeros(())


@dataclass(frozen=True, kw_only=True, eq=False)
class Correction:
    """What is changed in one population, or in the readout, which has a bias only.

    scale    theta, and with it what a spike stands for, is so many times what the method says
    shift    of V(0), in spikes' worth of membrane potential: () or (C,)
    bias     more bias at every step of the window, in real units: () or (C,)
    by_step  more bias at each local step, in real units: (T, C); None for none
    before   the relative error on the samples without any correction in the network: the root of the mean squared
             difference between the window's mean (of what spikes stand for, or the logits) and the source's
             activation, by the root mean square of the latter
    after    the same with all corrections
    """

    scale: float = 1.0
    shift: Array = field(default_factory=_none)
    bias: Array = field(default_factory=_none)
    by_step: Array | None = None
    before: float = 0.0
    after: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Floats in JSON come back as the same float64."""
        return {
            "scale": self.scale,
            "shift": self.shift.tolist(),
            "bias": self.bias.tolist(),
            "by_step": None if self.by_step is None else self.by_step.tolist(),
            "before": self.before,
            "after": self.after,
        }

    @staticmethod
    def from_json(given: Mapping[str, Any]) -> Correction:
        """Raises KeyError, TypeError or ValueError for what `as_json` does not give."""
        values = dict(given)
        for name in ("shift", "bias", "by_step"):
            if values[name] is not None:
                values[name] = np.array(values[name], np.float64)
                if not np.isfinite(values[name]).all():
                    raise ValueError(f"{name} is not finite")
        if not values["scale"] > 0:
            raise ValueError("scale is not positive")
        return Correction(**values)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """`corrections` by the name of the population, in the order of the network; found on so many `samples`."""

    samples: int = 0
    corrections: Mapping[str, Correction] = field(default_factory=dict)

    def to_text(self) -> str:
        """For the file of a network."""
        by_name = {name: c.as_json() for name, c in self.corrections.items()}
        return json.dumps({"samples": self.samples, "corrections": by_name})

    @staticmethod
    def from_text(text: str) -> Tuning:
        """What `to_text` wrote; "" is none. Raises `InputError` where this ganglion does not know it."""
        if not text:
            return Tuning()
        try:
            given = json.loads(text)
            corrections = {name: Correction.from_json(c) for name, c in given["corrections"].items()}
            return Tuning(samples=int(given["samples"]), corrections=corrections)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"the network's record of what was optimised cannot be read: {error}"
            raise InputError(what, hint="compile it again") from error
