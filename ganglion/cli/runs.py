"""The commands that run samples: simulate, compare, sweep, report."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

import ganglion
from ganglion.comparison import Comparison
from ganglion.errors import InputError
from ganglion.ir import dims
from ganglion.ir.file import write_whole
from ganglion.ledger import table_of as ledger_table
from ganglion.samples import array, labels_of
from ganglion.sweeps.plot import check_plot
from ganglion.sweeps.table import table_of

from .console import DONE, NO, bars, give, out, progress
from .networks import compile_options


def simulate(a: argparse.Namespace) -> int:
    net = ganglion.load(a.net)
    x = array(a.input, "input")[: a.samples]
    if not x.size:
        raise InputError(f"{a.input} holds no samples")
    labels = labels_of(array(a.labels, "labels"), len(x)) if a.labels else None
    record: Any = "all" if a.record == ["all"] else a.record
    with progress() as bar:
        run = ganglion.simulate(
            net,
            x,
            engine=a.engine,
            record=record,
            kernel=a.kernel,
            loops=a.loops,
            jobs=a.jobs,
            progress=bar("simulating"),
        )
    accuracy = None if labels is None else float(np.mean(run.logits.reshape(len(x), -1).argmax(1) == labels))
    table = Table(title=f"{escape(net.name)}: {run.samples} samples, T = {run.steps}")
    for heading in ("population", "shape", "spikes", "rate", "synaptic operations"):
        table.add_column(heading, justify="left" if heading in ("population", "shape") else "right")
    for name, operations in run.operations.items():
        spikes = (f"{run.spikes[name]:,}", f"{run.rates[name]:.4f}") if name in run.spikes else ("codes", "")
        table.add_row(escape(name), dims(net.typeof(name).shape), *spikes, f"{operations:,}")
    if a.output:
        potentials = {f"{name}.potential": v for name, v in run.potentials.items()}
        file = io.BytesIO()
        np.savez_compressed(file, **{"logits": run.logits, **run.counts, **potentials})  # type: ignore[arg-type]
        write_whole(a.output, file.getvalue())
    result = {
        "samples": run.samples,
        "steps": run.steps,
        "accuracy": accuracy,
        "spikes_per_sample": run.spikes_per_sample,
        "operations_per_sample": run.operations_per_sample,
        "clipped": run.clipped,
        "populations": [
            {"name": n, "spikes": s, "rate": run.rates[n], "operations": run.operations[n]}
            for n, s in run.spikes.items()
        ],
    }
    give(a, result, table)
    if a.json != "-":
        shown = "" if accuracy is None else f"accuracy {100 * accuracy:.2f} %, "
        out.print(
            f"{shown}{run.spikes_per_sample:,.1f} spikes and "
            f"{run.operations_per_sample:,.1f} synaptic operations per sample"
        )
    return DONE


def compare(a: argparse.Namespace) -> int:
    x = array(a.input, "input")
    labels = array(a.labels, "labels") if a.labels else None
    with progress() as bar:
        result = ganglion.compare(
            a.model,
            a.net,
            x,
            labels=labels,
            samples=a.samples,
            lava=a.lava,
            lava_samples=a.lava_samples,
            lava_python=a.lava_python,
            sanafe=a.sanafe,
            sanafe_samples=a.sanafe_samples,
            sanafe_populations=a.sanafe_populations,
            sanafe_python=a.sanafe_python,
            timeout=a.timeout,
            onnx=a.onnx,
            ledger=a.ledger,
            target=a.target,
            progress=bars(bar),
        )
    give(a, result.as_json(), _comparison_table(result))
    if a.json != "-":
        _verdict(result)
        if result.ledger is not None:
            out.print(ledger_table(result.ledger))
    return DONE if result.equal else NO


def _comparison_table(result: Comparison) -> Table:
    table = Table("population", "rate", title=f"spike counts of every neuron at every step, {result.samples} samples")
    for pair in result.pairs:
        table.add_column(pair.replace("_", " "), justify="right")
    for name in [*result.rates, result.readout]:
        cells = []
        for by_name in result.pairs.values():
            if name not in by_name:
                cells.append("[dim]did not run[/]")
                continue
            agreement = by_name[name]
            colour = "red" if agreement.different else "green"
            cells.append(f"[{colour}]{agreement.different}[/] of {agreement.compared} differ")
        rate = f"{result.rates[name]:.4f}" if name in result.rates else "potential"
        table.add_row(escape(name), rate, *cells)
    return table


def _verdict(result: Comparison) -> None:
    for engine, same in result.agreement.items():
        if same is not None:
            accuracy = result.accuracy[engine]
            shown = "" if accuracy is None else f", accuracy {100 * accuracy:.2f} %"
            n = result.executed.get(engine, result.samples)
            against = f", agrees with onnxruntime on {100 * same:.2f} %" if engine != "onnxruntime" else ""
            far = f", logits {100 * (result.distance[engine] or 0):.2g} % away" if engine != "onnxruntime" else ""
            out.print(f"{engine:12} {n} samples{shown}{against}{far}", soft_wrap=True)
    for pair, by_name in result.pairs.items():
        for name, agreement in by_name.items():
            if agreement.first:
                f = agreement.first
                out.print(
                    f"[red]{pair.replace('_', ' ')}[/]: first difference in {escape(name)}: sample {f['sample']}, "
                    f"step {f['step']}, neuron {tuple(f['neuron'])}: expected {f['expected']}, got {f['got']}"
                )
                break
        else:
            out.print(f"[green]{pair.replace('_', ' ')}: equal to the bit[/]")
    for remark in result.remarks:
        out.print(escape(remark), soft_wrap=True)


def sweep(a: argparse.Namespace) -> int:
    if a.plot:
        check_plot(a.plot)
    beside = next((Path(p).parent for p in (a.csv, a.plot, a.json) if p and p != "-"), Path())
    x = array(a.input, "input")[: a.samples]
    labels = array(a.labels, "labels") if a.labels else None
    with progress() as bar:
        result = ganglion.sweep(
            a.model,
            x,
            labels,
            steps=a.steps,
            members=a.members,
            methods=a.methods,
            store=a.store or beside / f"{Path(a.model).stem}.sweep",
            scheduler=a.scheduler,
            jobs=a.jobs,
            progress=bars(bar),
            **compile_options(a),
        )
    if a.csv:
        result.to_csv(a.csv)
    if a.plot:
        result.plot(a.plot)
    give(a, result.as_json(), table_of(result))
    return NO if any(row.problem for row in result.rows) else DONE


def report(a: argparse.Namespace) -> int:
    with progress() as bar:
        made = ganglion.report(
            a.net,
            a.model,
            array(a.input, "input"),
            array(a.labels, "labels") if a.labels else None,
            path=a.output,
            samples=a.samples,
            sweep=not a.no_sweep,
            steps=a.sweep_steps,
            members=a.sweep_members,
            target=a.target,
            jobs=a.jobs,
            progress=bars(bar),
        )
    give(a, made.as_json(), escape(str(made)))
    return DONE
