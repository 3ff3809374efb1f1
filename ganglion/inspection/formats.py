"""`inspect`, and the formats by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Literal, overload

from ganglion.errors import InputError
from ganglion.ir import to_text
from ganglion.ir.file import to_bytes
from ganglion.mapping import kept_in

from .chip import mapping_text
from .document import document
from .drawing import to_dot
from .exchange import to_graphml
from .page import to_html
from .subject import Source, Subject, subject_of

TextFormat = Literal["text", "json", "dot", "graphml", "html"]
Format = TextFormat | Literal["onnx"]


def _text(subject: Subject) -> str:
    """The network, and below it the mapping that it keeps."""
    kept = kept_in(subject.graph)
    network = to_text(subject.graph, subject.placeholders)
    return network if kept is None else f"{network.rstrip()}\n\n{mapping_text(kept)}"


WRITERS: dict[str, Callable[[Subject], str | bytes]] = {
    "text": _text,
    "json": lambda subject: json.dumps(document(subject), indent=1, allow_nan=False),
    "dot": to_dot,
    "graphml": to_graphml,
    "html": to_html,
    "onnx": lambda subject: to_bytes(subject.graph),
}
FORMATS = tuple(WRITERS)


@overload
def inspect(
    source: Source, format: TextFormat = "text", *, drop: Sequence[str] = (), output: str | None = None
) -> str: ...


@overload
def inspect(
    source: Source, format: Literal["onnx"], *, drop: Sequence[str] = (), output: str | None = None
) -> bytes: ...


def inspect(
    source: Source, format: Format = "text", *, drop: Sequence[str] = (), output: str | None = None
) -> str | bytes:
    """A network, of any stage, or a model as imported (before any pass), in one of these formats:

    text     the IR, one op a line, and where it lies on a chip
    json     plain data, as schemas/inspect.schema.json in the package describes it
    dot      Graphviz: populations by level, projections between them
    graphml  for networkx, Gephi, yEd: one node per op
    html     one page that needs nothing else
    onnx     the container, for Netron: bytes

    `source` is a network, an ONNX model, or the path of one; `drop` and `output` as for `compile`, for models. Plain
    ReLUs need no calibration here: their levels are placeholders, marked as such. Raises `InputError` where the
    source cannot be read or the format is unknown, `CompileError` where the model cannot be imported.
    """
    if format not in WRITERS:
        raise InputError(f"unknown format '{format}'", hint=f"one of {', '.join(FORMATS)}")
    return written(subject_of(source, drop=drop, output=output), format)


def written(subject: Subject, format: str) -> str | bytes:
    """`subject` in one of `FORMATS`."""
    return WRITERS[format](subject)
