"""The command line: `ganglion COMMAND ...`; one function per command, each over the Python function of its name.

Exit codes: 0 done; 1 the answer is no (a difference, a node that is not supported); 2 bad input.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import ganglion
from ganglion.arguments import check_outputs, parser
from ganglion.comparison import Comparison
from ganglion.errors import GanglionError, InputError, InternalError
from ganglion.ir import Graph, dims, to_text
from ganglion.ir.file import write_whole
from ganglion.ledger import table_of as ledger_table
from ganglion.samples import array, labels_of
from ganglion.sweeps.plot import check_plot
from ganglion.sweeps.table import table_of

DONE, NO, BAD_INPUT = 0, 1, 2
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to fail
    arguments = parser().parse_args(argv)
    try:
        check_outputs(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", ganglion.GanglionWarning)
            code = COMMANDS[arguments.command](arguments)
            return code
    except InternalError as error:
        err.print(f"[red]internal error[/]: {escape(str(error))}")
        err.print(escape(error.ir_text))
        raise
    except GanglionError as error:
        err.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        return BAD_INPUT
    except KeyboardInterrupt:
        err.print("interrupted")
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(f"[yellow]warning[/]: {escape(str(message))}", soft_wrap=True)


def check(a: argparse.Namespace) -> int:
    nodes = ganglion.check(a.model, drop=a.drop, output=a.output_name)
    ok = all(node.status != "refused" for node in nodes)
    table = Table(
        "node", "operator", "status", "note", title=f"{escape(a.model)}: {'can' if ok else 'cannot'} be compiled"
    )
    colours = {"supported": "green", "changed": "yellow", "refused": "red"}
    before = ""
    for n in nodes:
        note = '"' if n.note == before != "" else escape(n.note)
        table.add_row(escape(n.name), n.op_type, f"[{colours[n.status]}]{n.status}[/]", note)
        before = n.note
    rows = [{"name": n.name, "op_type": n.op_type, "status": n.status, "note": n.note} for n in nodes]
    _give(a, {"ok": ok, "nodes": rows}, table)
    return DONE if ok else NO


def compile_(a: argparse.Namespace) -> int:
    start = time.perf_counter()
    dumped: list[Path] = []

    def watch(name: str, graph: Graph) -> None:
        if a.dump_ir:
            folder = Path(a.dump_ir)
            folder.mkdir(parents=True, exist_ok=True)
            dumped.append(folder / f"{len(dumped)}-{name}.txt")
            dumped[-1].write_text(to_text(graph) + "\n", encoding="utf-8")

    options = _compile_options(a)
    with _progress() as bar:
        told = bar("calibration") if a.calibration else None
        net = ganglion.compile(a.model, steps=a.steps, members=a.members, watch=watch, progress=told, **options)
        ganglion.save(net, a.output)
    seconds = time.perf_counter() - start
    table = Table("population", "kind", "shape", "level", "membrane")
    table.title = f"{escape(net.name)} for {net.target}: T = {net.steps}"
    for op in net.of(ganglion.ir.Membrane):
        low, high = op.interval or (0, 0)
        members = f", {op.members} members" if isinstance(op, ganglion.ir.GroupNeuron) else ""
        bits = f"{ganglion.ir.signed_bits(low, high)} bits"
        table.add_row(escape(op.name), op.mnemonic + members, dims(net.typeof(op.name).shape), str(op.level), bits)
    summary = {
        "output": str(a.output),
        "populations": [op.name for op in net.populations],
        "neurons": sum(ganglion.ir.size(net.typeof(op.name).shape) for op in net.populations),
        "depth": net.depth,
        "steps": net.steps,
        "members": net.members,
        "target": net.target,
        "notes": list(net.notes),
        "seconds": round(seconds, 3),
    }
    _give(a, summary, table)
    if a.json != "-":
        for note in net.notes:
            out.print(f"[yellow]note[/]: {escape(note)}", soft_wrap=True)
        out.print(
            f"{escape(a.output)}: {summary['neurons']} neurons of {net.members or 'L'} members, in {seconds:.1f} s",
            soft_wrap=True,
        )
    return DONE


def _compile_options(a: argparse.Namespace) -> dict[str, Any]:
    """What `compile` and `sweep` share."""
    return {
        "target": a.target,
        "input_range": tuple(a.input_range) if a.input_range else None,
        "input_step": a.input_step,
        "calibration": array(a.calibration, "calibration samples") if a.calibration else None,
        "calibration_method": a.calibration_method,
        "calibration_granularity": a.calibration_granularity,
        "percentile": a.percentile,
        "drop": a.drop,
        "output": a.output_name,
    }


def inspect(a: argparse.Namespace) -> int:
    if a.json:
        _give(a, json.loads(ganglion.inspect(a.source, "json")), None)
    if a.json != "-":
        print(ganglion.inspect(a.source, a.format))
    return DONE


def simulate(a: argparse.Namespace) -> int:
    net = ganglion.load(a.net)
    x = array(a.input, "input")[: a.samples]
    if not x.size:
        raise InputError(f"{a.input} holds no samples")
    labels = labels_of(array(a.labels, "labels"), len(x)) if a.labels else None
    record: Any = "all" if a.record == ["all"] else a.record
    with _progress() as bar:
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
    _give(a, result, table)
    if a.json != "-":
        shown = "" if accuracy is None else f"accuracy {100 * accuracy:.2f} %, "
        out.print(
            f"{shown}{run.spikes_per_sample:,.1f} spikes and "
            f"{run.operations_per_sample:,.1f} synaptic operations per sample"
        )
    return DONE


def emit(a: argparse.Namespace) -> int:
    folder = ganglion.emit(a.net, a.backend, a.output, overwrite=a.overwrite)
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    _give(a, {"folder": str(folder), "files": files}, None)
    if a.json != "-":
        shown = escape(shlex.quote(str(folder / "network.py")))
        out.print(
            f"{escape(str(folder))}/ needs Python 3.10, lava-nc 0.10.0 and numpy < 2, and nothing of ganglion:",
            soft_wrap=True,
        )
        out.print(f"  python {shown} --input codes.npy --output counts.npz --form graded", soft_wrap=True)
        out.print("where codes.npy holds the input's integer codes: net.input.encode(x)[0]")
    return DONE


def compare(a: argparse.Namespace) -> int:
    x = array(a.input, "input")
    labels = array(a.labels, "labels") if a.labels else None
    with _progress() as bar:
        result = ganglion.compare(
            a.model,
            a.net,
            x,
            labels=labels,
            samples=a.samples,
            lava=a.lava,
            lava_samples=a.lava_samples,
            lava_python=a.lava_python,
            timeout=a.timeout,
            ledger=a.ledger,
            target=a.target,
            progress=_bars(bar),
        )
    _give(a, result.as_json(), _comparison_table(result))
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
            n = result.lava_samples if engine == "lava" else result.samples
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


def sweep(a: argparse.Namespace) -> int:
    if a.plot:
        check_plot(a.plot)
    beside = next((Path(p).parent for p in (a.csv, a.plot, a.json) if p and p != "-"), Path())
    x = array(a.input, "input")[: a.samples]
    labels = array(a.labels, "labels") if a.labels else None
    with _progress() as bar:
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
            progress=_bars(bar),
            **_compile_options(a),
        )
    if a.csv:
        result.to_csv(a.csv)
    if a.plot:
        result.plot(a.plot)
    _give(a, result.as_json(), table_of(result))
    return NO if any(row.problem for row in result.rows) else DONE


def doctor(a: argparse.Namespace) -> int:
    findings = ganglion.doctor(a.lava_python)
    table = Table("what", "", "detail")
    marks = {True: "[green]ok[/]", False: "[red]missing[/]", None: "[yellow]optional[/]"}
    for f in findings:
        table.add_row(f.name, marks[f.ok], escape(f.detail))
    _give(a, {"findings": [{"name": f.name, "ok": f.ok, "detail": f.detail} for f in findings]}, table)
    return NO if any(f.ok is False for f in findings) else DONE


def _give(a: argparse.Namespace, result: dict[str, Any], table: Table | None) -> None:
    """The result as JSON where it was asked for, and the table unless standard output is taken by JSON."""
    text = json.dumps(result, indent=1)
    if a.json == "-":
        print(text)
        return
    if a.json:
        write_whole(a.json, (text + "\n").encode())
    if table is not None:
        out.print(table)


@contextmanager
def _progress() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """`bar(name)(done, all)` shows progress on a terminal and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:

        def bar(name: str) -> Callable[[int, int], None]:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield bar


def _bars(bar: Callable[[str], Callable[[int, int], None]]) -> Callable[[str, int, int], None]:
    """(what, done, all): a bar for each `what`, from when it is first heard of."""
    bars: dict[str, Callable[[int, int], None]] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = bar(what)
        bars[what](done, total)

    return tell


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "check": check,
    "compile": compile_,
    "inspect": inspect,
    "simulate": simulate,
    "emit": emit,
    "compare": compare,
    "sweep": sweep,
    "doctor": doctor,
}

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
