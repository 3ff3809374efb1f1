"""A report's figures as the plain data that its page holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ganglion.ir import Array, Graph, size
from ganglion.ledger.ladder import INTEGER
from ganglion.mapping import kept_in
from ganglion.version import __version__

from .layout import Layout, layout
from .network import Edge, Population, edges_of, populations_of
from .result import ReportData, Summary

WIDE, NARROW = 1.9, 0.72  # width over height of the graph on a screen, and on a phone
DIGITS = 4  # significant, of every figure in the page
CROWDED = 1  # delays that may stand at one side of a population before they would cover each other
POINTS = 40_000  # pairs of activations that a page holds at most


def summary_of(data: ReportData) -> Summary:
    """The figures at the top."""
    net, ledger = data.net, data.ledger
    return Summary(
        network=net.name,
        model=data.model,
        target=net.target,
        steps=net.steps,
        members=net.members or None,
        populations=len(net.populations),
        neurons=sum(size(net.typeof(op.name).shape) for op in net.populations),
        depth=net.depth,
        samples=data.run.samples,
        labelled=ledger.labelled,
        source_accuracy=ledger.accuracy[ledger.rungs[0]],
        network_accuracy=ledger.accuracy[INTEGER],
        spikes_per_sample=data.run.spikes_per_sample,
        operations_per_sample=data.run.operations_per_sample,
        first_offender=ledger.first_offender,
        verdict=ledger.summary,
        advice=ledger.advice,
        chip=_chip(net),
    )


def as_plain(data: ReportData) -> dict[str, Any]:
    """All of it, for JSON: no arrays, no infinities, and no more digits than anyone sees."""
    populations = populations_of(data.net)
    edges = edges_of(data.net, populations)
    pairs = [(e.source, e.target) for e in edges]
    levels = [p.level for p in populations]
    layouts = {name: layout(levels, pairs, aspect) for name, aspect in (("wide", WIDE), ("narrow", NARROW))}
    plain: dict[str, Any] = _plain(
        {
            "version": __version__,
            "summary": asdict(summary_of(data)),
            "notes": list(data.notes),
            "compiler": list(data.net.notes),
            "populations": [asdict(p) for p in populations],
            "edges": [asdict(e) for e in edges],
            "ledger": _ledger(data),
            "spikes": _spikes(data, populations),
            "sweep": None if data.sweep is None else data.sweep.as_json(),
            "firing": [
                {"name": name, "plain": f.plain, "group": f.group, "pairs": f.pairs} for name, f in data.firing.items()
            ],
            "raster": {
                "classes": data.raster.classes,
                "populations": {
                    name: {"neurons": neurons, "counts": data.raster.counts[name], "totals": data.raster.totals[name]}
                    for name, neurons in data.raster.neurons.items()
                },
            },
        }
    )
    plain["layouts"] = {name: _drawn(found, edges) for name, found in layouts.items()}  # whole units, never rounded
    return plain


def _chip(net: Graph) -> dict[str, Any] | None:
    """Where the network is on a chip; None where it was never mapped, {} for a problem."""
    kept = kept_in(net)
    if kept is None or kept.mapping is None:
        return None if kept is None else {}
    m = kept.mapping
    return {"target": m.target, "fits": m.fits, "cores": m.core_count, "chips": m.chips}


def _ledger(data: ReportData) -> dict[str, Any]:
    ledger = data.ledger
    each = max(50, POINTS // max(len(ledger.points), 1))
    return {**ledger.as_json(), "points": {name: _thinned(p, each) for name, p in ledger.points.items()}}


def _spikes(data: ReportData, populations: Sequence[Population]) -> list[dict[str, Any]]:
    """Spikes and synaptic operations per sample, and spikes per neuron and time-step, of the input and all layers."""
    run = data.run
    return [
        {
            "name": p.name,
            "spikes": run.spikes[p.name] / run.samples if p.name in run.spikes else None,
            "operations": run.operations.get(p.name, 0) / run.samples,
            "rate": run.rates.get(p.name),
        }
        for p in populations
        if p.name in run.operations
    ]


def _drawn(found: Layout, edges: Sequence[Edge]) -> dict[str, Any]:
    """A layout in whole units. `labelled` are the edges whose delay has room beside their target."""
    sides: dict[tuple[int, float], list[int]] = {}
    for i, (edge, path) in enumerate(zip(edges, found.paths, strict=True)):
        if edge.delay:
            sides.setdefault((edge.target, path[-1][0]), []).append(i)
    return {
        "nodes": [[round(x), round(y)] for x, y in found.nodes],
        "paths": [[[round(x, 1), round(y, 1)] for x, y in path] for path in found.paths],
        "labelled": sorted(i for at_side in sides.values() if len(at_side) <= CROWDED for i in at_side),
        "box": [round(v) for v in (found.left, found.top, found.width, found.height)],
    }


def _thinned(points: Array, most: int) -> Array:
    return np.asarray(points[np.linspace(0, len(points) - 1, min(len(points), most)).astype(int)])


def _plain(value: Any) -> Any:
    """`value` as what JSON can hold; floats rounded, those that are not finite become None."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() else short
    return value
