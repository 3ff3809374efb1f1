"""Populations: the ops that hold membrane potentials.

Time. Population p handles local step t of sample k at global step `level + k * T + t`. At local step
0 the membrane is set to 0 and whatever is still in flight from the window before is dropped; then
the input is added. The bias is added at every step of a window and at no other. Outside its windows
a population neither integrates nor fires.

Every array is a scalar, one value per channel (C,), or one per neuron; tables have one row per
member in front. Before quantisation they are float64 in real units, afterwards integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganglion.ir.types import size

from .base import Array, Current, Op, Potential, Shape, Spikes, Type, is_integer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Membrane(Op):
    """Base of the populations that integrate.

    `unit` is the real value of one integer unit of the membrane potential (Delta, () or (C,); 1 before
    quantisation), `interval` the range [low, high] that the potential provably never leaves. `grid`, () or (C,), is the
    real value of which all that arrives is a whole multiple, where the model's own weights are integers.
    """

    bias: Array | None = None
    level: int = 0
    unit: Array
    grid: Array | None = None
    interval: tuple[int, int] | None = None

    def input_shape(self, types: tuple[Type, ...]) -> Shape:
        shape = self.same_shape(types, Current, Spikes)  # spikes directly only before composition
        if self.bias is not None:
            self.check_channelwise("the bias", self.bias, shape)
        self.check_channelwise("the membrane unit", self.unit, shape)
        return shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupNeuron(Membrane):
    """tau integrate-and-fire members with one shared membrane history and staggered thresholds.

    At each step of a window, with k = 1..tau (Group Neuron, Lv et al., ICASSP 2024, arXiv 2402.19061):

        V <- V + input + bias
        n <- number of k with V >= thresholds[k]
        V <- V - R[n],  R = cumulative sum of inhibition (lateral inhibition, soft reset)

    The paper has thresholds k * q, R[n] = n * q and V(0) = q / 2, with q = theta / tau. Here V(0) = 0:
    real form: thresholds[k] = (k - 1/2) * q, inhibition[k] = q.
    Integer form: thresholds[k] = ceil((k - 1/2) * q), inhibition[k] = rint(k * q) - rint((k - 1) * q), q in
    membrane units. tau = 1 is the soft-reset integrate-and-fire neuron.

    Any other V(0) is a shift of the thresholds; any other number of levels, another table.

    Members with thresholds below 0 may take back what fired too early, but never more than was sent in this window:
    with S what has been sent so far, less what was taken back (0 at the window's start), and j = 1, 2, ...

        m <- the least of S and the number of j with V < negative[j]
        V <- V + excitation[1] + ... + excitation[m],  and n - m is sent

    Integer form: negative[j] = ceil of the real one, excitation as inhibition. `bias_by_step`, (T,) or (T, C), is added
    at each local step of the window beside the bias.

    `thresholds` and `inhibition` are (tau,) or (tau, C), `negative` and `excitation` likewise. One spike stands for the
    real value `scale`. Where `digits` is not 0, the count is sent by so many members as its binary digits: a cascade
    of thresholds that are powers of two, of which `thresholds` are all sums.
    """

    mnemonic: ClassVar[str] = "group-neuron"

    thresholds: Array
    inhibition: Array
    scale: float
    negative: Array | None = None
    excitation: Array | None = None
    bias_by_step: Array | None = None
    digits: int = 0

    @property
    def levels(self) -> int:
        """The most spikes' worth of one step."""
        return int(self.thresholds.shape[0])

    @property
    def finest(self) -> float:
        """The least value that it can tell from 0."""
        return self.scale

    @property
    def counts(self) -> tuple[int, int, bool]:
        """The least and the most that is sent in a step, and whether a neuron sends at most once a window."""
        return -self.takers, self.levels, False

    @property
    def members(self) -> int:
        """tau, the number of integrate-and-fire members of each cluster that send; without those that take back."""
        return self.digits or self.levels

    @property
    def takers(self) -> int:
        """The number of members that take spikes back."""
        return 0 if self.negative is None else int(self.negative.shape[0])

    @property
    def graded_only(self) -> str:
        """Why it has no form of explicit members; empty where it has one."""
        if self.digits:
            return f"the members of '{self.name}' see each other's spikes within a step; only its graded form exists"
        return ""

    @property
    def taking(self) -> tuple[Array, Array] | None:
        """Thresholds and excitation of the members that take spikes back; None where there are none."""
        return None if self.negative is None or self.excitation is None else (self.negative, self.excitation)

    def infer(self, *types: Type) -> Spikes:
        shape = self.input_shape(types)
        tables = (self.thresholds, self.inhibition)
        if self.levels < 1 or any(t.shape not in ((self.levels,), (self.levels, shape[0])) for t in tables):
            raise self.fail(f"threshold tables of shape {self.thresholds.shape} do not fit {shape[0]} channels")
        gaps = np.diff(self.thresholds, axis=0)  # a model of integers may skip levels
        if (gaps < 0).any() or (self.grid is None and not gaps.all()) or (self.thresholds[0] <= 0).any():
            raise self.fail(
                f"the thresholds of '{self.name}' are not positive and strictly increasing in whole membrane units",
                "its threshold is tiny beside its weights or the input's range: narrow --input-range, use fewer "
                "members, or look at the layer",
            )
        if (self.inhibition <= 0).any():
            raise self.fail("a member without lateral inhibition would never stop firing")
        self._check_takers(shape)
        if self.bias_by_step is not None and self.bias_by_step.shape[1:] not in ((), shape[:1]):
            raise self.bug(f"a bias by step of shape {self.bias_by_step.shape} for {shape}")
        if self.digits and self.levels != 2**self.digits - 1:
            raise self.bug(f"{self.levels} levels are not all sums of {self.digits} powers of two")
        low, high, once = self.counts
        return Spikes(shape=shape, low=low, high=high, once=once)

    def _check_takers(self, shape: Shape) -> None:
        if self.negative is None or self.excitation is None:
            if self.negative is not self.excitation:
                raise self.bug("has only one of the tables of the members that take spikes back")
            return
        tables = (self.negative, self.excitation)
        if any(t.shape not in ((self.takers,), (self.takers, shape[0])) for t in tables) or not self.takers:
            raise self.fail(f"threshold tables of shape {self.negative.shape} do not fit {shape[0]} channels")
        falling = (np.diff(self.negative, axis=0) <= 0).all() and (self.excitation > 0).all()
        if not falling or (self.negative[0] > self.thresholds[0]).any():
            raise self.bug("the thresholds of the members that take spikes back do not fall from below the others")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntegrateFire(Membrane):
    """One member of a cluster as a population of its own; binary spikes; never resets itself.

    At each step of a window:

        V <- V + input + bias + (lateral inhibition sent one step before; dropped at local step 0)
        s <- V >= threshold

    `inhibited_by` names the `LateralInhibition` whose output arrives one step later: a feedback edge,
    therefore not among `inputs`. `threshold` is () or (C,), `bias_by_step` as in `GroupNeuron`.

    The j-th member that takes spikes back (`takes` = j; 0: one that sends) fires instead while V < threshold and at
    least j of the spikes that its cluster has sent in this window are not taken back; they are counted one step later,
    as the inhibition arrives.
    """

    mnemonic: ClassVar[str] = "integrate-fire"

    threshold: Array
    inhibited_by: str
    takes: int = 0
    bias_by_step: Array | None = None

    def infer(self, *types: Type) -> Spikes:
        shape = self.input_shape(types)
        self.check_channelwise("the threshold", self.threshold, shape)
        if self.bias_by_step is not None and self.bias_by_step.shape[1:] not in ((), shape[:1]):
            raise self.bug(f"a bias by step of shape {self.bias_by_step.shape} for {shape}")
        return Spikes(shape=shape, low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LateralInhibition(Op):
    """Every spike of member k sends -weights[k] to all members of its cluster, itself too, one step later.

    `inputs` are the members in the order of their thresholds, those that take spikes back behind the others: they
    excite, with weights below 0. `weights` is (tau,) or (tau, C).
    """

    mnemonic: ClassVar[str] = "lateral-inhibition"

    weights: Array

    def infer(self, *types: Type) -> Current:
        shape = self.same_shape(types, Spikes)
        if self.weights.shape not in ((len(types),), (len(types), shape[0])):
            raise self.bug(f"weights of shape {self.weights.shape} for {len(types)} members of {shape}")
        return Current(shape=shape, integer=is_integer(self.weights))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cluster(Op):
    """The members of a cluster seen as one population: count = the number of members that fire, of which the last
    `takers` count as -1.

    It costs no time-step: a projection from a cluster is the same projection from every member.
    """

    mnemonic: ClassVar[str] = "cluster"

    scale: float
    takers: int = 0

    def infer(self, *types: Type) -> Spikes:
        return Spikes(shape=self.same_shape(types, Spikes), low=-self.takers, high=len(types) - self.takers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaxPool(Membrane):
    """The maximum over windows of space, exactly: it passes on the growth of the largest cumulative count.

    Its membranes A lie at the places of its input, (C, H, W) or (C, H), and only integrate. At each step of a window:

        A <- A + input
        n <- (maximum of A over each window) - (what it was one step before; 0 at local step 0)

    so that after T steps the counts add up to the maximum of the inputs' counts. Windows are those of ONNX `MaxPool`:
    `pads` (top, left, bottom, right) never win. One spike stands for the real value `scale`, () or (C,). Every step
    sends between `low` and `high` spikes, as its sources do, and where these send `once` a window, so does it: what is
    worth most comes first. The ONNX value `value` is `base`, () or (C,), plus what
    the spikes stand for.
    """

    mnemonic: ClassVar[str] = "max-pool"

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    scale: Array
    low: int = 0
    high: int = 0
    once: bool = False
    value: str = ""
    base: Array | None = None

    def infer(self, *types: Type) -> Spikes:
        shape = self.input_shape(types)
        self.check_channelwise("the value of a spike", self.scale, shape)
        if self.bias is not None or len(shape) not in (2, 3):
            raise self.bug(f"pools (C, H, W) without a bias, got {shape}")
        shape = (*shape, 1)[:3]
        spatial = []
        for axis in (0, 1):
            reach = self.dilations[axis] * (self.kernel[axis] - 1) + 1
            before, after = self.pads[axis], self.pads[axis + 2]
            extent = shape[1 + axis] + before + after
            if extent < reach or min(before, after) < 0 or max(before, after) >= reach:
                raise self.fail(f"windows over {reach} places with pads {self.pads} do not fit {shape}")
            spatial.append((extent - reach) // self.strides[axis] + 1)
        return Spikes(shape=(shape[0], *spatial), low=self.low, high=self.high, once=self.once)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout(Membrane):
    """A population that only integrates: V <- V + input + bias. logits = V * unit / T at the window's end.

    `shape` is the shape of the model's output; () where it is the population's own.
    """

    mnemonic: ClassVar[str] = "readout"

    shape: Shape = ()

    def infer(self, *types: Type) -> Potential:
        shape = self.input_shape(types)
        integers = {isinstance(t, Current) and t.integer for t in types}
        if len(integers) != 1:
            raise self.bug("takes real or integer currents, not both")
        if self.shape and size(self.shape) != size(shape):
            raise self.bug(f"logits of shape {self.shape} from {shape}")
        return Potential(shape=shape, integer=integers.pop())
