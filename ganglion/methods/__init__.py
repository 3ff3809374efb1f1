"""Conversion methods: how an activation becomes a population. One file each; `METHODS` knows them by name.

base.py             what a method is
gn.py               Group Neurons, and plain integrate-and-fire
deng_gu.py          threshold balancing with a bias of theta / (2T)
signed_gn.py        Group Neurons that take spikes back
signed_if.py        SNM and DCGS: integrate-and-fire with negative spikes
dual_threshold.py   a positive and a negative threshold
ftbc.py             a bias at each step, from samples
h_mt.py             thresholds that are powers of two
phase.py            one spike a window, whose step says what it is worth
"""

from __future__ import annotations

import json
from dataclasses import fields

from ganglion.errors import InputError

from .base import Method
from .deng_gu import DengGu
from .dual_threshold import DualThreshold
from .ftbc import TemporalBias
from .gn import GroupNeurons, IntegrateAndFire
from .h_mt import MultiThreshold
from .phase import Phase
from .signed_gn import SignedGroupNeurons
from .signed_if import NegativeSpikes, SignedIntegrateAndFire

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        *(GroupNeurons, IntegrateAndFire, DengGu, SignedGroupNeurons),
        *(DualThreshold, SignedIntegrateAndFire, NegativeSpikes, MultiThreshold, Phase, TemporalBias),
    )
}


def method_of(method: str | Method) -> Method:
    """The method itself, or with its defaults the one of that name; `InputError` for another name."""
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise InputError(f"there is no method '{method}'", hint=f"one of {', '.join(METHODS)}")
    return METHODS[method]()


def to_text(method: Method) -> str:
    """For the file of a network: which method, with which parameters."""
    return json.dumps({"name": method.name} | {f.name: getattr(method, f.name) for f in fields(method)})


def from_text(text: str) -> Method:
    """What `to_text` wrote; "" is Group Neurons. Raises `InputError` where this ganglion does not know it."""
    if not text:
        return GroupNeurons()
    try:
        given = json.loads(text)
        return METHODS[given.pop("name")](**given)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the network's method is not known: {text}", hint="compile it again") from error


__all__ = [
    "METHODS",
    "DengGu",
    "DualThreshold",
    "GroupNeurons",
    "IntegrateAndFire",
    "Method",
    "MultiThreshold",
    "NegativeSpikes",
    "Phase",
    "SignedGroupNeurons",
    "SignedIntegrateAndFire",
    "TemporalBias",
    "from_text",
    "method_of",
    "to_text",
]
