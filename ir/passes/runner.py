"""Runs passes: verifies after each, names the one that went wrong, can hand out the graph in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ganglion.errors import GanglionError, InternalError
from ganglion.ir.graph import Graph
from ganglion.ir.ops import Input
from ganglion.ir.text import to_text
from ganglion.ir.verify import verify

Pass = Callable[[Graph], Graph]


def run(graph: Graph, passes: Sequence[Pass], *, watch: Callable[[str, Graph], None] | None = None) -> Graph:
    """`graph` after `passes`, verified before the first and after each.

    `watch(name, graph)` is called with every graph on the way. Whatever a pass raises that is not an
    answer to the user becomes an `InternalError` with the name of the pass and the IR it was given.
    """
    verify(graph)
    if watch:
        watch("import", graph)
    for step in passes:
        name = step.func.__name__ if isinstance(step, partial) else getattr(step, "__name__", str(step))
        try:
            after = step(graph)
            verify(after)
            _check_origins(graph, after)
        except InternalError as error:
            raise InternalError(f"pass '{name}': {error.message}", ir_text=error.ir_text or to_text(graph)) from error
        except GanglionError:
            raise
        except Exception as error:
            raise InternalError(f"pass '{name}' failed: {error!r}", ir_text=to_text(graph)) from error
        if watch:
            watch(name, after)
        graph = after
    return graph


def _check_origins(before: Graph, after: Graph) -> None:
    """No op may forget which ONNX nodes it came from, where the graph knew them all."""
    lost = [op.name for op in after.ops if not op.origin and not isinstance(op, Input)]
    if lost and all(op.origin or isinstance(op, Input) for op in before.ops):
        raise InternalError(f"these ops lost their origin: {', '.join(lost)}")
