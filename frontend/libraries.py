"""Calls into onnx, onnx_ir, onnxscript and onnxruntime on what a user gave: their failures are answers to the user."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ganglion.errors import GanglionError, InputError

for _name in ("onnx_ir", "onnxscript"):  # what they log is said in an error, or is of no use to the user
    logging.getLogger(_name).addHandler(logging.NullHandler())


@contextmanager
def guarded(what: str, *, hint: str = "") -> Iterator[None]:
    """Whatever is raised inside becomes an `InputError`: `what`, and the library's own reason.

    Only for single calls of a library: a mistake of ours must not look like the user's. Warnings (of numpy, about
    constants that overflow) are not shown.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GanglionError:
        raise
    except Exception as error:  # these libraries have no common base, and let through what C++ and numpy raise
        raise InputError(f"{what}: {reason(error)}", hint=hint) from error


@contextmanager
def in_model(label: str) -> Iterator[None]:
    """Puts what the model is called, `label`, before every `InputError` about it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{label}: {error.message}", hint=error.hint) from error.__cause__


def reason(error: BaseException) -> str:
    """The first line of the innermost cause that says something, and the node that it speaks of further down."""
    while error.__cause__ is not None and str(error.__cause__):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    lines[0] = re.sub(r"^\[\w+Error\] ", "", lines[0])  # what onnx calls it in C++
    node = re.search(r"Bad node spec for node\. Name: (\S+)", "\n".join(lines[1:]))
    return f"{node[1]}: {lines[0]}" if node else lines[0]
