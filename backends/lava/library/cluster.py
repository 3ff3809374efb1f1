"""The Group Neuron as a cluster: tau populations of members with lateral inhibition."""

# pyright: reportMissingImports=false

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from .connections import OneToOne
from .members import Collector, IntegrateFire
from .neurons import GroupNeuron

WEIGHT_BITS = 8


@implements(proc=GroupNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ClusterModel(AbstractSubProcessModel):
    """Member k shares the input, fires at thresholds[k], and its spike sends -inhibition[k] to all members.

    It arrives one step later, together with the next input, before the next comparison; the members that fire are
    always the lowest n. So the sum of their spikes equals the payload that `GradedModel` sends.
    """

    def __init__(self, proc: AbstractProcess) -> None:
        p = proc.proc_params
        channels, n = p["shape"][0], len(p["bias"])
        self.collector = Collector(name=f"{proc.name}#sum", size=n)
        self.collector.s_out.connect(proc.out_ports.s_out)
        members = []
        for k, threshold in enumerate(p["thresholds"], start=1):
            member = IntegrateFire(
                name=f"{proc.name}#{k}", channels=channels, bias=p["bias"], threshold=threshold, window=p["window"]
            )
            setattr(self, f"member_{k}", member)  # Lava registers attributes; it overlooks the items of a list
            proc.in_ports.a_in.connect(member.a_in)
            member.s_out.connect(self.collector.a_in)
            members.append(member)
        for j, (senders, weight, exponent) in enumerate(synapses(p["inhibition"]), start=1):
            lateral = OneToOne(name=f"{proc.name}#inhibition{j}", shape=p["shape"], weight=-weight, exponent=exponent)
            setattr(self, f"lateral_{j}", lateral)
            for k in senders:
                members[k].s_out.connect(lateral.s_in)
            for member in members:
                lateral.a_out.connect(member.r_in)
        proc.vars.v.alias(self.member_1.vars.v)


def synapses(inhibition: np.ndarray) -> list[tuple[list[int], np.ndarray, int]]:
    """Lateral inhibition (tau, 1 or C, 1) as synapses of 8 bits: (sending members, weight 0..255, exponent).

    A weight wider than 8 bits is the sum of several synapses: one per 8-bit plane, with the plane's exponent. What
    the members have in common is sent by synapses they share; the small rest, which comes from rounding k * q, by
    synapses of those that have it.
    """
    common = inhibition.min(axis=0)
    rows: dict[bytes, tuple[list[int], np.ndarray]] = {}
    for k, row in enumerate(inhibition - common):
        rows.setdefault(row.tobytes(), ([], row))[0].append(k)
    found = []
    for senders, row in [(list(range(len(inhibition))), common), *rows.values()]:
        exponent = 0
        while row.any():
            plane = row & (2**WEIGHT_BITS - 1)
            if plane.any():
                found.append((senders, plane.ravel(), exponent))
            row, exponent = row >> WEIGHT_BITS, exponent + WEIGHT_BITS
    return found
