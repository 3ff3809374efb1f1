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
from .members import Collector, IntegrateFire, TakeBack
from .neurons import GroupNeuron

WEIGHT_BITS = 8
Processes = list[AbstractProcess]


@implements(proc=GroupNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ClusterModel(AbstractSubProcessModel):
    """Member k shares the input, fires at thresholds[k], and its spike sends -inhibition[k] to all members.

    It arrives one step later, together with the next input, before the next comparison; the members that fire are
    always the lowest n. So the sum of their spikes equals the payload that `GradedModel` sends. Members that take
    spikes back excite instead, and learn likewise one step later how many have been sent.
    """

    def __init__(self, proc: AbstractProcess) -> None:
        p = proc.proc_params
        channels, n = p["shape"][0], len(p["bias"])
        self.collector = Collector(name=f"{proc.name}#sum", size=n)
        self.collector.s_out.connect(proc.out_ports.s_out)
        members: Processes = []
        for k, threshold in enumerate(p["thresholds"], start=1):
            member = IntegrateFire(
                name=f"{proc.name}#{k}", channels=channels, bias=p["bias"], bias_by_step=p["bias_by_step"],
                threshold=threshold, window=p["window"],
            )  # fmt: skip
            setattr(self, f"member_{k}", member)  # Lava registers attributes; it overlooks the items of a list
            proc.in_ports.a_in.connect(member.a_in)
            member.s_out.connect(self.collector.a_in)
            members.append(member)
        senders = list(members)
        if len(p["negative"]):
            members += self.takers(proc)
        self.lateral(proc, "inhibition", senders, members, -1)
        self.lateral(proc, "excitation", members[len(senders) :], members, 1)
        proc.vars.v.alias(self.member_1.vars.v)

    def takers(self, proc: AbstractProcess) -> Processes:
        """The members that take spikes back, connected but for the lateral synapses."""
        p, found = proc.proc_params, []
        self.counts = OneToOne(name=f"{proc.name}#counts", shape=p["shape"], weight=1)
        self.collector.s_out.connect(self.counts.s_in)
        for j, threshold in enumerate(p["negative"], start=1):
            member = TakeBack(
                name=f"{proc.name}#-{j}", channels=p["shape"][0], bias=p["bias"], bias_by_step=p["bias_by_step"],
                threshold=threshold, rank=j, window=p["window"],
            )  # fmt: skip
            setattr(self, f"taker_{j}", member)
            proc.in_ports.a_in.connect(member.a_in)
            member.s_out.connect(self.collector.b_in)
            self.counts.a_out.connect(member.c_in)
            found.append(member)
        return found

    def lateral(
        self,
        proc: AbstractProcess,
        what: str,
        senders: list[AbstractProcess],
        members: list[AbstractProcess],
        sign: int,
    ) -> None:
        """The synapses over which the spikes of `senders` reach all `members`."""
        p = proc.proc_params
        for j, (which, weight, exponent) in enumerate(synapses(p[what]) if senders else [], start=1):
            lateral = OneToOne(name=f"{proc.name}#{what}{j}", shape=p["shape"], weight=sign * weight, exponent=exponent)
            setattr(self, f"{what}_{j}", lateral)
            for k in which:
                senders[k].s_out.connect(lateral.s_in)
            for member in members:
                lateral.a_out.connect(member.r_in)


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
