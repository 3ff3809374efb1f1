"""The command about chips: map."""

from __future__ import annotations

import argparse
from dataclasses import replace

from rich.markup import escape
from rich.table import Table

import ganglion
from ganglion.ir import dims
from ganglion.mapping import Mapping
from ganglion.samples import array

from .console import DONE, NO, bars, give, out, progress

COLOURS = {"yes": "green", "no": "red", "under assumptions": "yellow"}


def map_(a: argparse.Namespace) -> int:
    net = ganglion.load(a.net)
    with progress() as bar:
        mapping = ganglion.map(
            net,
            a.target,
            form=a.form,
            board=a.board,
            x=array(a.input, "input")[: a.samples] if a.input else None,
            seed=a.seed,
            progress=bars(bar),
        )
    if a.output:
        ganglion.save(replace(net, mapping=mapping.to_text()), a.output)
    give(a, mapping.as_json(), _layers(mapping))
    if a.json != "-":
        _tell(mapping)
    return NO if mapping.fits == "no" else DONE


def _layers(mapping: Mapping) -> Table:
    at_least = "" if mapping.placement else "at least "
    table = Table(
        title=f"{escape(mapping.network)} on {escape(mapping.target)}, {mapping.form} form: {at_least}"
        f"{mapping.core_count} cores"
    )
    for heading in ("population", "shape", "members", "tile", "cores", "what binds"):
        table.add_column(heading, justify="right" if heading in ("members", "cores") else "left")
    for x in mapping.layers:
        binding = f"[red]{escape(x.binding)}[/]" if x.broken else escape(x.binding)
        cores = f"{'>= ' if x.broken else ''}{x.cores}"
        table.add_row(escape(x.name), dims(x.shape), str(x.members), dims(x.extents), cores, binding)
    return table


def _tell(mapping: Mapping) -> None:
    for check in mapping.checks:
        if check.verdict != "pass":
            colour, word = ("red", "no") if check.verdict == "fail" else ("yellow", "assumed")
            out.print(f"[{colour}]{word}[/]: {escape(str(check))}", soft_wrap=True)
    passed = sum(check.verdict == "pass" for check in mapping.checks)
    board = f" ({mapping.board})" if mapping.board else ""
    chips = f" on {mapping.chips} chip{'s' if mapping.chips != 1 else ''}{board}" if mapping.placement else ""
    out.print(
        f"fits: [{COLOURS[mapping.fits]}]{mapping.fits}[/]; {mapping.core_count} cores{chips}; "
        f"{passed} of {len(mapping.checks)} conditions pass; what binds: {escape(mapping.binding)}",
        soft_wrap=True,
    )
    _costs(mapping)


def _costs(mapping: Mapping) -> None:
    costs = mapping.costs
    told = [f"{k.replace('_', ' ')} {v:,}" for k, v in costs["counts"].items() if v is not None]
    out.print(f"per sample of {costs['steps']} steps: {', '.join(told)}", soft_wrap=True)
    out.print(f"the ANN: {costs['ann']['macs']:,} multiply-accumulates of {costs['ann']['bits']} bits", soft_wrap=True)
    time = costs["time_per_step_us"]
    if time is not None:
        high = "unknown" if time["high"] is None else f"{time['high']:g} us"
        out.print(f"one time-step: at least {time['low']:g} us, at most {high} ({time['from']})", soft_wrap=True)
    for name, band in (costs["energy_uJ"] or {}).items():
        out.print(f"energy, {name}: {band['low']:,g} to {band['high']:,g} uJ", soft_wrap=True)
    if costs["energy_uJ"] is None:
        why = "no constants are public" if mapping.samples else "it takes spikes (--input), and public constants"
        out.print(f"energy: not told; {why}")
