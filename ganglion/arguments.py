"""The options of every command, and what must hold of them before any work."""

from __future__ import annotations

import argparse
from pathlib import Path

from ganglion.errors import InputError
from ganglion.inspection import FORMATS
from ganglion.methods import METHODS
from ganglion.version import __version__


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="ganglion",
        description="ONNX in, a hardware-exact spiking network out, and proof that it is the same network.",
        epilog="exit codes: 0 done; 1 the answer is no; 2 bad input",
    )
    top.add_argument("--version", action="version", version=f"ganglion {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=name)
        sub.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output")
        return sub

    sub = command("check", "say for every node of a model whether it can be compiled")
    sub.add_argument("model", metavar="MODEL.onnx")
    _model_options(sub)

    sub = command("compile", "compile a model into a spiking network")
    sub.add_argument("model", metavar="MODEL.onnx")
    sub.add_argument("-o", "--output", required=True, metavar="NET.onnx")
    sub.add_argument("--steps", type=int, required=True, metavar="T", help="time-steps per sample")
    sub.add_argument(
        "--members",
        type=_members,
        metavar="TAU",
        help="members per Group Neuron, or: levels (1 by default for methods of one member)",
    )
    sub.add_argument(
        "--method",
        choices=list(METHODS),
        default="gn",
        metavar="METHOD",
        help=f"how activations become populations: {', '.join(METHODS)} (default: gn; `ganglion methods` explains)",
    )
    _compile_options(sub)
    sub.add_argument("--dump-ir", metavar="DIR", help="keep the IR after every pass: text, and a network to inspect")

    sub = command(
        "import-nir", "make a network of a NIR graph of integrate-and-fire neurons, or of one that emit wrote"
    )
    sub.add_argument("model", metavar="GRAPH.nir")
    sub.add_argument("-o", "--output", required=True, metavar="NET.onnx")
    foreign = sub.add_argument_group("graphs of other tools", "of a file that emit wrote, all is known already")
    foreign.add_argument(
        "--reset",
        choices=("soft", "hard"),
        help="what a spike does to the potential, which NIR leaves open: soft takes the threshold away; hard sets it "
        "to v_reset, which no network here can do",
    )
    foreign.add_argument("--steps", type=int, metavar="T", help="time-steps per sample")
    foreign.add_argument("--target", help="loihi1, loihi2 or a .toml file (default: loihi2)")
    _input_options(foreign)

    sub = command("inspect", "show a model or a network, of any stage")
    sub.add_argument("source", nargs="?", metavar="MODEL.onnx|NET.onnx")
    sub.add_argument("--format", choices=FORMATS, default="text", help="(default: text); onnx is for Netron")
    sub.add_argument("-o", "--output", metavar="FILE", help="write it there instead of to standard output")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--cluster", metavar="NAME", help="open one population: members, channels, inputs")
    what.add_argument(
        "--diff", nargs="+", metavar="NET.onnx", help="compare with another network; exit code 1: it differs"
    )
    _model_options(sub)

    sub = command("simulate", "run samples through a network")
    sub.add_argument("net", metavar="NET.onnx")
    _sample_options(sub)
    sub.add_argument("--engine", choices=("layer", "step"), default="layer")
    speed = sub.add_argument_group("speed", "of the layer engine; none of them changes a bit of the result")
    speed.add_argument(
        "--kernel",
        choices=("int8", "float32", "float64"),
        help="of all matrix products (default: the fastest exact one)",
    )
    speed.add_argument("--loops", choices=("numba", "numpy"), help="of all inner loops (default: numba, if installed)")
    speed.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one per core)")
    sub.add_argument("--record", nargs="*", default=[], metavar="POPULATION", help="populations to keep, or: all")
    sub.add_argument("-o", "--output", metavar="RUN.npz", help="write logits and recorded spike counts")

    sub = command("emit", "write a network for a backend")
    sub.add_argument("net", metavar="NET.onnx")
    sub.add_argument("-o", "--output", required=True, metavar="PATH")
    sub.add_argument("--backend", default="lava", metavar="NAME", help="lava, nir, onnx or sanafe (default: lava)")
    sub.add_argument("--overwrite", action="store_true", help="replace what emit wrote there before")
    sub.add_argument(
        "--populations", type=_positive, metavar="K", help="only the first K populations, without the readout (sanafe)"
    )

    sub = command("map", "lay a network out on a chip: whether it fits, what binds, what it costs")
    sub.add_argument("net", metavar="NET.onnx")
    sub.add_argument("--target", metavar="loihi1|loihi2|FILE.toml", help="(default: what it was compiled for)")
    sub.add_argument("--form", choices=("cluster", "graded"), help="(default: graded where spikes have a payload)")
    sub.add_argument("--board", metavar="NAME", help="the board it has to fit (default: the smallest that does)")
    sub.add_argument("--input", metavar="X.npy", help="samples on which spikes are measured, for traffic and costs")
    sub.add_argument("--samples", type=_positive, metavar="N", help="only the first N samples")
    sub.add_argument("--seed", type=int, default=0, help="of the search for places (default: 0)")
    sub.add_argument("-o", "--output", metavar="NET.onnx", help="write the network with its mapping")

    sub = command("compare", "run a model and its network in every engine and compare spike by spike")
    sub.add_argument("model", metavar="MODEL.onnx")
    sub.add_argument("net", metavar="NET.onnx")
    _sample_options(sub)
    sub.add_argument("--lava", choices=("graded", "cluster"), help="run Lava too, in this form")
    sub.add_argument("--lava-samples", type=_positive, metavar="N", help="only so many samples on Lava")
    sub.add_argument("--lava-python", metavar="PYTHON", help="the Python 3.10 that has lava-nc")
    sub.add_argument("--onnx", action="store_true", help="run it as a model of standard ONNX operators, too")
    sub.add_argument("--sanafe", action="store_true", help="run SANA-FE too, in cluster form: spikes, energy, latency")
    sub.add_argument("--sanafe-samples", type=_positive, metavar="N", help="only so many samples on SANA-FE")
    sub.add_argument("--sanafe-populations", type=_positive, metavar="K", help="only the first K populations there")
    sub.add_argument("--sanafe-python", metavar="PYTHON", help="the Python that has sanafe")
    sub.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="limit of the Lava run, and of SANA-FE's"
    )
    sub.add_argument(
        "--ledger",
        action="store_true",
        help="tell in which population, at which step from model to network, accuracy goes",
    )
    sub.add_argument("--target", metavar="FILE.toml", help="for --ledger: the target of your own it was compiled for")

    sub = command("sweep", "accuracy, spikes and synaptic operations of a model at many T and tau, by several methods")
    sub.add_argument("model", metavar="MODEL.onnx")
    sub.add_argument("--steps", type=_list, default=(1, 2, 4, 8), metavar="T,T,...", help="(default: 1,2,4,8)")
    sub.add_argument(
        "--members",
        type=_list,
        metavar="TAU,...",
        help="members per neuron; one may be: levels (default: 1,2,4,8; of h-mt 4,8; some methods have one member)",
    )
    sub.add_argument(
        "--methods",
        type=_methods,
        default=("gn",),
        metavar="METHOD,...",
        help=f"conversion methods: {', '.join(METHODS)}, or: all (default: gn; ftbc needs --optimize)",
    )
    _sample_options(sub)
    _compile_options(sub)
    sub.add_argument("--csv", metavar="FILE", help="write the table as CSV")
    sub.add_argument("--plot", metavar="FILE", help="draw it: .svg, .png or .pdf")
    sub.add_argument(
        "--store",
        metavar="DIR",
        help="where finished work is kept, so that a sweep begun again goes on (default: MODEL.sweep, beside the first "
        "of --csv, --plot and --json, or in the current folder)",
    )
    sub.add_argument("--scheduler", metavar="ADDRESS", help="compute on a Dask cluster: tcp://HOST:PORT")
    sub.add_argument("--jobs", type=_positive, metavar="N", help="threads for one block of samples")

    sub = command("report", "write one HTML page about a network: graph, ledger, spikes, and other T and tau")
    sub.add_argument("net", metavar="NET.onnx")
    sub.add_argument("--model", required=True, metavar="MODEL.onnx", help="what the network was compiled from")
    _sample_options(sub)
    sub.add_argument("-o", "--output", required=True, metavar="REPORT.html")
    sub.add_argument("--target", metavar="FILE.toml", help="the target of your own that the network was compiled for")
    sub.add_argument("--no-sweep", action="store_true", help="leave out other T and tau, and plain IF neurons")
    sub.add_argument("--sweep-steps", type=_list, metavar="T,T,...", help="(default: 1,2,4,8 and the network's own)")
    sub.add_argument("--sweep-members", type=_list, metavar="TAU,...", help="(default: 1,4 and the network's own)")
    sub.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one per core)")

    command("methods", "list the conversion methods")

    sub = command("doctor", "say what this machine has and what is missing")
    sub.add_argument("--lava-python", metavar="PYTHON", help="the Python 3.10 that has lava-nc")
    sub.add_argument("--sanafe-python", metavar="PYTHON", help="the Python that has sanafe")
    return top


def _compile_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--target", default="loihi2", help="loihi1, loihi2 or a .toml file (default: loihi2)")
    _model_options(sub)
    _input_options(sub)
    calibration = sub.add_argument_group(
        "calibration", "chooses the levels of plain ReLUs, and where relay populations may stand, from samples"
    )
    calibration.add_argument("--calibration", metavar="X.npy", help="samples (N, ...), as the model takes them")
    calibration.add_argument(
        "--calibration-method",
        choices=("mse", "percentile", "max"),
        help="(default: what the conversion method says; mse for gn)",
    )
    calibration.add_argument("--percentile", type=float, default=99.99, metavar="P", help="(default: 99.99)")
    calibration.add_argument(
        "--calibration-granularity",
        choices=("channel", "layer"),
        default="channel",
        help="one threshold per channel, folded into the weights, or per layer (default: channel)",
    )

    sub.add_argument(
        "--optimize",
        metavar="X.npy",
        help="samples (N, ...) on which thresholds, initial potentials and biases are optimised for each T and tau "
        "(not those that accuracy is measured on); ftbc needs them",
    )


def _input_options(sub: argparse._ActionsContainer) -> None:
    sub.add_argument("--input-range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="real range of the input")
    sub.add_argument("--input-step", type=float, metavar="S", help="real value of one input code")


def _model_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="OP",
        help="leave out nodes of this type, such as LRN",
    )
    sub.add_argument("--output-name", metavar="NAME", help="which output, where the model has several")


def _members(text: str) -> int | str:
    return text if text == "levels" else int(text)


def _list(text: str) -> tuple[int | str, ...]:
    words = [word.strip() for word in text.split(",")]
    wrong = [word for word in words if not word.isdecimal() and word != "levels"]
    if wrong:
        raise argparse.ArgumentTypeError(f"'{text}': '{wrong[0]}' is not a whole number; write 1,2,4")
    return tuple(word if word == "levels" else int(word) for word in words)


def _methods(text: str) -> str | tuple[str, ...]:
    if text == "all":
        return text
    words = tuple(word.strip() for word in text.split(","))
    wrong = [word for word in words if word not in METHODS]
    if wrong:
        raise argparse.ArgumentTypeError(f"there is no method '{wrong[0]}'; there are {', '.join(METHODS)}, and: all")
    return words


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def _sample_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--input", required=True, metavar="X.npy", help="samples (N, ...), as the model takes them")
    sub.add_argument("--labels", metavar="Y.npy", help="the right class of every sample")
    sub.add_argument("--samples", type=_positive, metavar="N", help="only the first N samples")


def check_outputs(a: argparse.Namespace) -> None:
    """Before any work: no output may be an input, and the folder of every output must be there.

    Raises `InputError` otherwise.
    """
    if a.command == "inspect":
        _check_inspect(a)
    given = vars(a)
    names = ("model", "net", "source", "input", "labels", "calibration", "optimize")
    inputs = {Path(given[k]).resolve() for k in names if given.get(k)} | {Path(p).resolve() for p in sources(a)}
    taken: dict[Path, str] = {}
    for option in ("output", "json", "csv", "plot", "dump_ir", "store"):
        value = given.get(option)
        if not value or value == "-":
            continue
        path, folder = Path(value), option in ("dump_ir", "store")
        flag = f"--{option.replace('_', '-')}"
        if path.resolve() in inputs:
            raise InputError(f"{path} is an input of this command; it would be overwritten", hint="name another output")
        if path.resolve() in taken:
            raise InputError(f"{path} is both {taken[path.resolve()]} and {flag}", hint="name another output")
        taken[path.resolve()] = flag
        if folder and path.exists() and not path.is_dir():
            raise InputError(f"{path} is not a folder", hint=f"{flag} takes a folder")
        if option != "dump_ir" and a.command != "emit" and not path.resolve().parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {path.parent}", hint="create it first")
    if given.get("dump_ir") and Path(a.output).resolve().parent == Path(a.dump_ir).resolve():
        raise InputError(f"{a.output} would lie among the files of --dump-ir", hint="name a folder of its own for them")


def sources(a: argparse.Namespace) -> list[str]:
    """What `inspect` is to look at: one file, or the two of --diff, which both may stand behind it."""
    return [path for path in (vars(a).get("source"), *(vars(a).get("diff") or ())) if path]


def _check_inspect(a: argparse.Namespace) -> None:
    count = len(sources(a))
    if a.diff and count != 2:
        raise InputError(f"--diff compares two networks, got {count}", hint="ganglion inspect A.onnx --diff B.onnx")
    if not count:
        raise InputError("there is nothing to inspect", hint="name a model or a network")
    if (a.diff or a.cluster) and a.format not in ("text", "json"):
        flag = "--diff" if a.diff else "--cluster"
        raise InputError(f"{flag} gives text or JSON, not {a.format}", hint="leave --format out")
    if a.format == "onnx" and not a.output:
        raise InputError("onnx is no text for a terminal", hint="give -o FILE.onnx")
