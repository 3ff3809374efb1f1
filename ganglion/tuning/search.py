"""Layer-wise calibration: theta, V(0) and biases with which a population comes closest to the source's activation.

Li et al. ("A free lunch from ANN", ICML 2021, arXiv 2106.06984) choose theta by the squared error of the window's mean,
and correct biases and initial potentials by its mean error. Here such corrections are tried out, what did best on the
samples is chosen, and no correction at all is always among what is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ganglion.ir import Array, Neuron, Staircase
from ganglion.methods import Method

from .apply import population
from .record import Correction
from .window import mean_value

SCALES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.25)  # of theta
SHIFTS = (-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4)  # of V(0), in spikes
ROUNDS = 3  # corrections of the bias, each by the mean error that the one before has left
PLACES = 1024  # of a channel's values, those that the candidates are tried on
CLOSEST = 1 / 16  # how near V(0) may come to the lowest threshold, in spikes
CANDIDATES = 1 + (ROUNDS + 1) * (1 + len(SCALES) + len(SHIFTS))


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A population to be corrected: the staircase `op`, and how it spikes in windows of `steps` = T.

    drive   (T, P, C), or (1, P, C) where it stays the same: what arrives at each step, without any bias
    wanted  (P, C), the source's activation
    places  (P,), which of all places of all samples these are
    """

    op: Staircase
    tau: int
    method: Method
    steps: int
    drive: Array
    wanted: Array
    places: Array

    def part(self, places: Array) -> Case:
        """At some of the places only."""
        return replace(self, drive=self.drive[:, places], wanted=self.wanted[places], places=self.places[places])

    def neuron(self, by: Correction) -> Neuron:
        """The population, corrected."""
        return population(self.op, self.tau, self.method, self.steps, by)

    def arriving(self, made: Neuron) -> Array:
        """`drive` and the bias of the population `made`."""
        if made.bias is None:
            return self.drive
        if made.bias.ndim < 2:
            return np.asarray(self.drive + made.bias)
        everywhere = np.moveaxis(made.bias, 0, -1).reshape(-1, len(made.bias))
        return np.asarray(self.drive + everywhere[self.places % len(everywhere)])

    def error(self, by: Correction) -> tuple[Array, Array]:
        """By channel (C,), with a correction: the mean squared error, and the mean of source minus spikes."""
        made = self.neuron(by)
        error = self.wanted - mean_value(made, self.arriving(made), self.steps)
        return np.asarray(np.mean(error**2, axis=0)), np.asarray(error.mean(axis=0))


@dataclass
class Best:
    """The best correction of every channel so far, for one theta."""

    error: Array
    shift: Array
    bias: Array

    def take(self, error: Array, shift: float, bias: Array) -> None:
        """Where `error` (C,) is less, what gave it."""
        better = error < self.error
        self.error = np.where(better, error, self.error)
        self.shift = np.where(better, shift, self.shift)
        self.bias = np.where(better, bias, self.bias)

    def correction(self, scale: float) -> Correction:
        return Correction(scale=scale, shift=self.shift, bias=self.bias)


def search(case: Case, scales: tuple[float, ...] = SCALES) -> Correction:
    """The correction of the least squared error: theta of the whole population, V(0) and bias of every channel.

    `CANDIDATES` are tried on `PLACES` values of every channel; what is best there has to be better on all values, or
    nothing is corrected.
    """
    few = case.part(spread(len(case.wanted), PLACES))
    error, _ = few.error(Correction())
    if not error.any():
        return Correction()
    best = {scale: _refined(few, scale) for scale in (1.0, *scales)}
    scale = min(best, key=lambda s: (float(best[s].error.sum()), abs(s - 1)))
    found = best[scale]
    lowest = float(np.min(case.neuron(Correction(scale=scale)).thresholds))
    room = lowest / case.neuron(Correction(scale=scale)).finest - CLOSEST
    for shift in (s for s in SHIFTS if s <= room):
        _correct_bias(few, scale, shift, found)
    return _kept(case, found.correction(scale))


def _refined(case: Case, scale: float) -> Best:
    """The best bias of every channel for a theta, with V(0) as it is."""
    channels = case.wanted.shape[1]
    best = Best(np.full(channels, np.inf), np.zeros(channels), np.zeros(channels))
    _correct_bias(case, scale, 0.0, best)
    return best


def _correct_bias(case: Case, scale: float, shift: float, best: Best) -> None:
    bias = np.zeros(case.wanted.shape[1])
    for _ in range(ROUNDS + 1):
        error, mean = case.error(Correction(scale=scale, shift=np.array(shift), bias=bias))
        best.take(error, shift, bias)
        bias = bias + mean


def _kept(case: Case, found: Correction) -> Correction:
    """On all values: `found`, in the channels where it is better than its theta alone; or nothing."""
    plain, _ = case.error(Correction())
    alone, _ = case.error(Correction(scale=found.scale))
    error, _ = case.error(found)
    better = error < alone
    if np.minimum(error, alone).sum() >= plain.sum():
        return Correction()
    return replace(found, shift=np.where(better, found.shift, 0.0), bias=np.where(better, found.bias, 0.0))


def spread(n: int, most: int) -> Array:
    """At most `most` of the numbers below `n`, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
