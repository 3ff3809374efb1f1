"""The command line: `ganglion COMMAND ...`; one function per command, each over the Python function of its name.

Exit codes: 0 done; 1 the answer is no (a difference, a node that is not supported); 2 bad input.

networks.py  check, compile, import-nir, inspect, emit, methods, doctor
runs.py      simulate, compare, sweep, report
chips.py     map
console.py   what they share; the options are in ganglion/arguments.py
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from rich.markup import escape

import ganglion
from ganglion.arguments import check_outputs, parser
from ganglion.errors import GanglionError, InternalError

from . import chips, networks, runs
from .console import BAD_INPUT, DONE, err


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


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "check": networks.check,
    "compile": networks.compile_,
    "import-nir": networks.import_nir,
    "inspect": networks.inspect,
    "simulate": runs.simulate,
    "emit": networks.emit,
    "map": chips.map_,
    "compare": runs.compare,
    "sweep": runs.sweep,
    "report": runs.report,
    "methods": networks.methods,
    "doctor": networks.doctor,
}

__all__ = ["main"]
