"""Every method against the equations of its paper, neuron by neuron and spike for spike.

No code of the package computes what is expected. All parameters are dyadic, so that float64 is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganglion import ir
from ganglion.ir import Array, Graph, Staircase, passes
from ganglion.methods import METHODS, method_of
from ganglion.pipeline import spiking
from ganglion.simulator import simulate
from tests import networks
from tests.oracle import LINEAR, largest, linear, spread

Neuron = Callable[[list[float], float, int], list[float]]  # (what arrives at each step, theta, tau) -> values of spikes


def gn(current: list[float], theta: float, tau: int) -> list[float]:
    """Lv et al.: members k with thresholds k q, V(0) = q / 2; every spike inhibits all by q."""
    q, V, sent = theta / tau, theta / tau / 2, []
    for x in current:
        V += x
        fired = [k * q <= V for k in range(1, tau + 1)]
        V -= sum(fired) * q
        sent.append(sum(fired) * q)
    return sent


def integrate_and_fire(current: list[float], theta: float, tau: int) -> list[float]:
    """Bu et al.: soft reset, V(0) = theta / 2."""
    V, sent = theta / 2, []
    for x in current:
        V += x
        s = theta <= V
        V -= s * theta
        sent.append(s * theta)
    return sent


def deng_gu(current: list[float], theta: float, tau: int) -> list[float]:
    """Deng and Gu: V(0) = 0, and V_th / (2 T) more at each of T steps."""
    V, sent = 0.0, []
    for x in current:
        V += x + theta / (2 * len(current))
        s = theta <= V
        V -= s * theta
        sent.append(s * theta)
    return sent


def signed_gn(current: list[float], theta: float, tau: int) -> list[float]:
    """Of ours: as gn, and the j-th member with a negative threshold takes one back where V is below (1 - j) q."""
    q, V, out, sent = theta / tau, theta / tau / 2, 0, []
    for x in current:
        V += x
        n = sum(k * q <= V for k in range(1, tau + 1))
        m = min(out, sum((1 - j) * q > V for j in range(1, tau + 1)))
        V += (m - n) * q
        out += n - m
        sent.append((n - m) * q)
    return sent


def snm(current: list[float], theta: float, tau: int) -> list[float]:
    """V(0) = 0; a negative spike at V <= -theta, if the spikes so far sum up to more than 0."""
    V, total, sent = 0.0, 0, []
    for x in current:
        V += x
        s = int(theta <= V) - int(-theta >= V) * int(total > 0)
        V -= s * theta
        total += s
        sent.append(s * theta)
    return sent


def dcgs(current: list[float], theta: float, tau: int) -> list[float]:
    """V(0) = theta / 2; a negative spike below 0, if what was sent so far is theta at least."""
    V, total, sent = theta / 2, 0.0, []
    for x in current:
        V += x
        s = int(theta <= V) - int(V < 0) * int(total >= theta)
        V -= s * theta
        total += s * theta
        sent.append(s * theta)
    return sent


def dual_threshold(current: list[float], theta: float, tau: int) -> list[float]:
    """V(0) = theta / 2; a negative spike below -theta / 4, if one has been sent that is not taken back."""
    V, total, sent = theta / 2, 0, []
    for x in current:
        V += x
        s = int(theta <= V) - int(-theta / 4 > V) * int(total >= 1)
        V -= s * theta
        total += s
        sent.append(s * theta)
    return sent


def h_mt(current: list[float], theta: float, tau: int) -> list[float]:
    """A cascade of thresholds theta_1 / 2^(i - 1), one after the other in every step; together they reach theta."""
    first = theta / (2**tau - 1) * 2 ** (tau - 1)
    V, sent = first / 2 ** (tau - 1) / 2, []
    for x in current:
        V += x
        value = 0.0
        for i in range(1, tau + 1):
            if first / 2 ** (i - 1) <= V:
                V -= first / 2 ** (i - 1)
                value += first / 2 ** (i - 1)
        sent.append(value)
    return sent


def phase(current: list[float], theta: float, tau: int) -> list[float]:
    """Hwang and Kung: one spike, of value theta B^-s, at the first step whose shifted threshold the whole sum reaches.

    T times as much, since a mean over the window is taken. B^(T - 1) is 2 T, so B is 4 for T = 2 and 2 for T = 4.
    """
    T, total = len(current), sum(current)
    B = {1: 2, 2: 4, 4: 2}[T]
    for s in range(T):
        value, next_one = theta / B**s, theta / B ** (s + 1) if s < T - 1 else 0.0
        if (value + next_one) / 2 <= total / T:
            return [0.0] * s + [T * value] + [0.0] * (T - 1 - s)
    return [0.0] * T


ORACLES: dict[str, Neuron] = {
    "gn": gn,
    "if": integrate_and_fire,
    "deng-gu": deng_gu,
    "signed-gn": signed_gn,
    "snm": snm,
    "dcgs": dcgs,
    "dual-threshold": dual_threshold,
    "h-mt": h_mt,
    "phase": phase,
}


def test_every_method_has_an_oracle() -> None:
    needs_samples = {name for name, method in METHODS.items() if method.calibrated}  # tests/tuning has theirs
    assert ORACLES.keys() == METHODS.keys() - needs_samples


@pytest.mark.parametrize("name", ORACLES)
@given(st.data())
@settings(max_examples=15)
def test_the_papers_equations(name: str, data: st.DataObject) -> None:
    way = method_of(name)
    levels = (1, 3, 7) if name == "h-mt" else (1, 2, 4)
    graph = passes.run(data.draw(networks.imported(levels=levels)), [passes.compose])
    tau = 1 if way.one_member else data.draw(st.sampled_from([1, 2, 4]))
    if name == "h-mt":  # of as many levels as the activations have, so that their steps are those of the spikes
        tau = {1: 1, 3: 2, 7: 3}[next((op.levels for op in graph.of(Staircase)), 1)]  # a network may have none
    steps = data.draw(st.sampled_from([1, 2, 4]))
    net = passes.run(graph, spiking(steps=steps, members=tau, target=None, method=way))
    x = networks.samples(net, 2)
    run = simulate(net, x, record="all", engine=data.draw(st.sampled_from(["step", "layer"])))
    thetas = {op.name: op.step * op.levels for op in graph.of(Staircase)}
    for n in range(2):
        expected = values_of(graph, x[n], steps, lambda op, current: fired(ORACLES[name], current, thetas[op], tau))
        for op in (op for op in net.ops if isinstance(op, ir.Neuron)):
            np.testing.assert_array_equal(run.counts[op.name][:, n] * op.scale, expected[op.name])


def fired(neuron: Neuron, current: Array, theta: float, tau: int) -> Array:
    """`neuron` at every place of `current` (T, *shape)."""
    sent = np.zeros(current.shape)
    for where in np.ndindex(current.shape[1:]):
        sent[(slice(None), *where)] = neuron([float(at[where]) for at in current], theta, tau)
    return sent


def values_of(graph: Graph, x: Array, steps: int, population: Callable[[str, Array], Array]) -> dict[str, Array]:
    """What every population of the composed network sends for one sample, as real values (T, *shape)."""
    values: dict[str, Any] = {}
    for op in graph.ops:
        if op.mnemonic == "input":
            codes = np.rint(x / graph.input.scale) + graph.input.zero_point
            values[op.name] = np.stack([codes * graph.input.scale] * steps)
            continue
        got = [values[name] for name in op.inputs]
        if op.mnemonic in LINEAR:
            values[op.name] = np.stack([linear(op, at) for at in got[0]])
            continue
        current = np.sum(got, axis=0)
        if op.mnemonic == "max-pool":
            peaks = np.stack([largest(op, total) for total in np.cumsum(current, axis=0)])
            values[op.name] = np.diff(peaks, axis=0, prepend=0)
            continue
        bias = getattr(op, "bias", None)
        current = current + (0 if bias is None else spread(bias, current.shape[1:]))
        values[op.name] = population(op.name, current) if op.mnemonic == "staircase" else current
    return values
