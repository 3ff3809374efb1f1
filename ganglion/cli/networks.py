"""The commands about what a model or a network is: check, compile, import-nir, inspect, emit; methods and doctor."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from rich.markup import escape
from rich.table import Table

import ganglion
from ganglion.arguments import sources
from ganglion.backends import BACKENDS
from ganglion.inspection import (
    Difference,
    Dump,
    OpenedPopulation,
    difference,
    document,
    open_population,
    subject_of,
    written,
)
from ganglion.ir import dims
from ganglion.ir.file import write_whole
from ganglion.methods import METHODS
from ganglion.samples import array
from ganglion.tuning import Tuning

from .console import DONE, NO, give, out, progress


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
    give(a, {"ok": ok, "nodes": rows}, table)
    return DONE if ok else NO


def compile_(a: argparse.Namespace) -> int:
    start = time.perf_counter()
    watch = Dump(a.dump_ir) if a.dump_ir else None
    options = compile_options(a)
    with progress() as bar:
        net = ganglion.compile(
            a.model,
            steps=a.steps,
            members=a.members,
            method=a.method,
            watch=watch,
            progress=bar("calibration") if a.calibration else None,
            optimize_progress=bar("optimising") if a.optimize else None,
            **options,
        )
        ganglion.save(net, a.output)
    seconds = time.perf_counter() - start
    tuning = Tuning.from_text(net.tuning)
    table = _populations(net)
    summary = {
        "output": str(a.output),
        "populations": [op.name for op in net.populations],
        "neurons": sum(ganglion.ir.size(net.typeof(op.name).shape) for op in net.populations),
        "depth": net.depth,
        "steps": net.steps,
        "members": net.members,
        "target": net.target,
        "optimized": {name: {"before": c.before, "after": c.after} for name, c in tuning.corrections.items()},
        "notes": list(net.notes),
        "seconds": round(seconds, 3),
    }
    give(a, summary, table)
    if a.json != "-":
        if tuning.corrections:
            out.print(_optimised_table(tuning))
        for note in net.notes:
            out.print(f"[yellow]note[/]: {escape(note)}", soft_wrap=True)
        out.print(
            f"{escape(a.output)}: {summary['neurons']} neurons of {net.members or 'L'} members, in {seconds:.1f} s",
            soft_wrap=True,
        )
    return DONE


def import_nir(a: argparse.Namespace) -> int:
    net = ganglion.import_nir(
        a.model,
        reset=a.reset,
        steps=a.steps,
        target=a.target,
        input_range=tuple(a.input_range) if a.input_range else None,
        input_step=a.input_step,
    )
    ganglion.save(net, a.output)
    summary = {
        "output": str(a.output),
        "populations": [op.name for op in net.populations],
        "neurons": sum(ganglion.ir.size(net.typeof(op.name).shape) for op in net.populations),
        "depth": net.depth,
        "steps": net.steps,
        "target": net.target,
        "notes": list(net.notes),
    }
    give(a, summary, _populations(net))
    if a.json != "-":
        for note in net.notes:
            out.print(f"[yellow]note[/]: {escape(note)}", soft_wrap=True)
        out.print(f"{escape(a.output)}: {summary['neurons']} neurons of {net.members or 'L'} members", soft_wrap=True)
    return DONE


def _populations(net: ganglion.Graph) -> Table:
    table = Table("population", "kind", "shape", "level", "membrane")
    table.title = f"{escape(net.name)} for {net.target}: T = {net.steps}"
    for op in net.of(ganglion.ir.Membrane):
        low, high = op.interval or (0, 0)
        members = f", {op.members} members" if isinstance(op, ganglion.ir.GroupNeuron) else ""
        bits = f"{ganglion.ir.signed_bits(low, high)} bits"
        table.add_row(escape(op.name), op.mnemonic + members, dims(net.typeof(op.name).shape), str(op.level), bits)
    return table


def _optimised_table(tuning: Tuning) -> Table:
    table = Table("population", title=f"relative error against the source, {tuning.samples} samples")
    for heading in ("as compiled", "optimised", "threshold"):
        table.add_column(heading, justify="right")
    for name, c in tuning.corrections.items():
        threshold = f"x {c.scale:g}" if c.scale != 1 else ""
        table.add_row(escape(name), f"{100 * c.before:.1f} %", f"{100 * c.after:.1f} %", threshold)
    return table


def compile_options(a: argparse.Namespace) -> dict[str, Any]:
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
        "optimize": array(a.optimize, "samples to optimise on") if a.optimize else None,
    }


def inspect(a: argparse.Namespace) -> int:
    first, *others = (subject_of(path, drop=a.drop, output=a.output_name) for path in sources(a))
    found: Difference | OpenedPopulation | None = None
    if others:
        found = difference(first.graph, others[0].graph)
    elif a.cluster:
        found = open_population(first, a.cluster)
    result = found.as_json() if found else document(first) if a.json else {}
    if a.json:
        give(a, result, None)
    if a.output or a.json != "-":
        shown = json.dumps(result, indent=1) if a.format == "json" else str(found)
        content = shown if found else written(first, a.format)
        if a.output:
            write_whole(a.output, content if isinstance(content, bytes) else f"{content.rstrip()}\n".encode())
        else:
            print(content)
    return NO if isinstance(found, Difference) and not found.equal else DONE


def emit(a: argparse.Namespace) -> int:
    path = ganglion.emit(a.net, a.backend, a.output, overwrite=a.overwrite, populations=a.populations)
    files = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path.name]
    give(a, {"folder": str(path if path.is_dir() else path.parent), "files": files}, None)
    if a.json != "-":
        for line in BACKENDS[a.backend].usage(path):
            out.print(escape(line), soft_wrap=True)
    return DONE


def methods(a: argparse.Namespace) -> int:
    """The conversion methods, one a line."""
    table = Table("method", "neuron", "members", "trained", "clusters", "source")
    rows = []
    for name, method in METHODS.items():
        marks = ["yes" if flag else "" for flag in (method.training, method.cluster)]
        table.add_row(name, method.kind, "1" if method.one_member else "tau", *marks, escape(method.source))
        rows.append(
            {
                "name": name,
                "source": method.source,
                "training": method.training,
                "neuron": method.kind,
                "cluster": method.cluster,
                "one_member": method.one_member,
                "samples": method.calibrated,
            }
        )
    give(a, rows, table)
    return DONE


def doctor(a: argparse.Namespace) -> int:
    findings = ganglion.doctor(a.lava_python, a.sanafe_python)
    table = Table("what", "", "detail")
    marks = {True: "[green]ok[/]", False: "[red]missing[/]", None: "[yellow]optional[/]"}
    for f in findings:
        table.add_row(f.name, marks[f.ok], escape(f.detail))
    give(a, {"findings": [{"name": f.name, "ok": f.ok, "detail": f.detail} for f in findings]}, table)
    return NO if any(f.ok is False for f in findings) else DONE
