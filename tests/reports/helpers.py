"""A small residual network and a ledger made by hand, from which a page can be made without any measuring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganglion.ir import Graph, Input, Readout
from ganglion.ledger import Attribution, Entry, Ledger
from ganglion.reports.recording import Firing, raster_of
from ganglion.reports.result import ReportData
from ganglion.simulator import simulate
from ganglion.sweeps import Row, Sweep
from tests.networks import Builder, quantized, samples

RUNGS = ("onnxruntime", "staircase", "float spikes", "integer spikes")
HOSTILE = "</script><script>alert(1)</script><!-- & \u2028 'quoted\""


def residual_network(blocks: int = 2, members: int = 4) -> Graph:
    """Two convolutions beside an identity, `blocks` times; quantised, T = 2."""
    b = Builder(np.random.default_rng(0))
    b.add(Input(name="x", shape=(2, 5, 5), scale=1 / 8, low=0, high=16), (2, 5, 5))
    pads = (1, 1, 1, 1)
    b.conv(2, 3, 1, pads, 1, 1)
    b.staircase(4)
    for _ in range(blocks):
        skip = b.value
        b.conv(2, 3, 1, pads, 1, 1)
        b.staircase(4)
        b.conv(2, 3, 1, pads, 1, 1)
        b.join(skip)
        b.staircase(4)
    b.dense(3)
    b.add(Readout(name="logits", inputs=(b.value,), unit=np.array(1.0)), b.shape)
    return quantized(Graph(ops=tuple(b.ops), name="residual"), steps=2, members=members, target="loihi2")


def renamed(net: Graph, old: str, new: str) -> Graph:
    """`net` with another name for one op."""
    ops = [
        replace(op, name=new if op.name == old else op.name, inputs=tuple(new if i == old else i for i in op.inputs))
        for op in net.ops
    ]
    return net.rebuild(ops)


def made_up_ledger(net: Graph) -> Ledger:
    """Errors that grow from rung to rung and from population to population; the last one loses most."""
    names = [op.name for op in net.populations]
    entries = [
        Entry(
            name=name,
            rung=rung,
            absolute_error=0.01 * r,
            relative_error=0.02 * r * (i + 1),
            cosine=1 - 0.01 * r,
            sqnr_db=None if not r else 30.0 - r,
            clipped=0.01 * r if r else None,
            dead=0.1,
            saturated=0.02 if r else None,
            rate=0.3 if r > 1 else None,
            headroom_bits=5 if r == 3 else None,
            local_error=0.02 if r else None,
        )
        for r, rung in enumerate(RUNGS)
        for i, name in enumerate(names)
    ]
    rng = np.random.default_rng(0)
    return Ledger(
        samples=6,
        labelled=True,
        rungs=RUNGS,
        populations=names,
        accuracy=dict(zip(RUNGS, (1.0, 1.0, 0.9, 0.8), strict=True)),
        loss=20.0,
        entries=entries,
        attributions=[
            Attribution(rung="float spikes", population=names[0], loss=25.0),
            Attribution(rung="integer spikes", population=names[-1], loss=-5.0),
        ],
        first_offender=("float spikes", names[0]),
        summary="20.00 points lost",
        advice=f"{names[0]}: give it more members",
        points={name: rng.uniform(0, 2, (500, 2)) for name in names},
    )


def example_data(net: Graph | None = None) -> ReportData:
    """Everything that a page can show, small."""
    net = residual_network() if net is None else net
    x = samples(net, 6)
    rng = np.random.default_rng(0)
    rows = [
        Row(steps=t, members=m, accuracy=0.5 + 0.1 * t, agreement=0.6, spikes_per_sample=100.0 * t * m,
            operations_per_sample=1e4 * t * m, seconds=1.0, run_steps=2)
        for m in (1, 4) for t in (1, 2)
    ]  # fmt: skip
    rows.append(Row(steps=8, members=4, problem="the membrane potential may reach 25 bits"))
    return ReportData(
        net=net,
        model="residual.onnx",
        run=simulate(net, x),
        ledger=made_up_ledger(net),
        raster=raster_of(net, x[:2]),
        sweep=Sweep(model="residual", target="loihi2", samples=6, ann_accuracy=0.95, runs=2, rows=rows),
        firing={op.name: Firing(plain=0.2, group=0.25, pairs=rng.uniform(0, 1, (40, 2))) for op in net.populations},
        notes=["a note that a reader must know"],
    )
