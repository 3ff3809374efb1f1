"""The command about chips: map."""

from __future__ import annotations

import argparse
from dataclasses import replace

from rich.markup import escape
from rich.table import Table

import ganglion
from ganglion.mapping import Mapping, words
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
    headings, rows = words.layers(mapping)
    table = Table(title=escape(words.title(mapping)))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i in words.NUMBERS else "left")
    for x, row in zip(mapping.layers, rows, strict=True):
        *cells, binding = map(escape, row)
        table.add_row(*cells, f"[red]{binding}[/]" if x.broken else binding)
    return table


def _tell(mapping: Mapping) -> None:
    for check in words.open_checks(mapping):
        colour = "red" if check.verdict == "fail" else "yellow"
        out.print(f"[{colour}]{words.WORDS[check.verdict]}[/]: {escape(str(check))}", soft_wrap=True)
    for line in words.helps(mapping):
        out.print(escape(line), soft_wrap=True)
    colour = COLOURS[mapping.fits]
    out.print(f"fits: [{colour}]{mapping.fits}[/]; {escape(words.verdict(mapping))}", soft_wrap=True)
    for name, told in words.costs(mapping).items():
        out.print(escape(f"{name}: {told}"), soft_wrap=True)
