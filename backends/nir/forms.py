"""In which form NIR says each projection, and where the biases stand.

scale   a weight of each neuron                     pool    a sum over windows, then a scale
conv    a convolution                               linear  a matrix, over numbered neurons

NIR flattens but has nothing that gives a shape back. So a population into which a projection needs a matrix has its
neurons numbered, and what it sends goes through matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ganglion.backends.protocol import Diagnostic
from ganglion.ir import Array, Graph, Membrane, OneToOne, Projection, Shape, per_channel, size

from .kernels import Kernel, kernel_of, pooled

Kind = Literal["scale", "pool", "conv", "linear"]
LIMIT = 1 << 24  # weights of a node that has more of them than its projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one projection is said: `entries` weights in one node, with a `bias`, (C,) or one per numbered neuron."""

    kind: Kind
    entries: int
    kernel: Kernel | None = None
    bias: Array | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The forms of all projections by name, the populations with numbered neurons, and what stands in the way."""

    forms: dict[str, Form] = field(default_factory=dict)
    numbered: set[str] = field(default_factory=set)
    problems: list[Diagnostic] = field(default_factory=list)

    def shape(self, graph: Graph, name: str) -> Shape:
        """The shape that the population `name` has in NIR."""
        shape = graph.typeof(name).shape
        return (size(shape),) if name in self.numbered else shape


def layout(graph: Graph) -> Layout:
    """The forms of the projections of a network of populations that NIR has."""
    found = Layout()
    for op in graph.of(Membrane):
        joined = [p for p in (graph[name] for name in op.inputs) if isinstance(p, Projection)]
        shape = graph.typeof(op.inputs[0]).shape
        forms = in_space(graph, op, joined, shape, found) if len(shape) > 1 else None
        if forms is None:
            forms = by_number(graph, op, joined, shape)
            if len(shape) > 1:
                found.numbered.add(op.name)
        for p, form in zip(joined, forms, strict=True):
            found.forms[p.name] = form
            if form.entries > max(LIMIT, p.weight.size):
                found.problems.append(too_large(graph, p, form))
    return found


def in_space(graph: Graph, op: Membrane, joined: list[Projection], shape: Shape, found: Layout) -> list[Form] | None:
    """The forms of the projections into `op` that keep its shape; None where there are none."""
    forms: list[Form] = []
    if any(p.inputs[0] in found.numbered for p in joined) or (op.bias is not None and op.bias.ndim > 1):
        return None
    for p in joined:
        form = spatial(p, graph.typeof(p.inputs[0]).shape)
        if form is None:
            return None
        forms.append(form)
    if op.bias is None:
        return forms
    bias = np.broadcast_to(op.bias, shape[0])
    for kind in ("conv", "scale", "pool"):  # only a convolution has a bias
        for i, form in enumerate(forms):
            source = graph.typeof(joined[i].inputs[0]).shape
            kernel = kernel_of(joined[i], source) if form.kind == kind else None
            if kernel is not None:
                forms[i] = Form(kind="conv", entries=kernel.entries(source), kernel=kernel, bias=bias)
                return forms
    return None


def spatial(op: Projection, shape: Shape) -> Form | None:
    """The form of `op` for an input of `shape`, if its result keeps a shape."""
    if whole(op):
        return Form(kind="scale", entries=size(shape))
    if pooled(op):
        return Form(kind="pool", entries=size(op.out_shape(shape)))
    kernel = kernel_of(op, shape)
    return None if kernel is None else Form(kind="conv", entries=kernel.entries(shape), kernel=kernel)


def by_number(graph: Graph, op: Membrane, joined: list[Projection], shape: Shape) -> list[Form]:
    """The forms of the projections into `op` over numbered neurons: a weight of each, or a matrix."""
    forms = []
    for p in joined:
        n = size(graph.typeof(p.inputs[0]).shape)
        forms.append(Form(kind="scale", entries=n) if whole(p) else Form(kind="linear", entries=n * size(shape)))
    if op.bias is None:
        return forms
    bias = np.broadcast_to(per_channel(op.bias, shape), shape).ravel()
    first = next((i for i, form in enumerate(forms) if form.kind == "linear"), 0)
    entries = size(graph.typeof(joined[first].inputs[0]).shape) * size(shape)
    forms[first] = Form(kind="linear", entries=entries, bias=bias)  # a matrix with a bias
    return forms


def whole(op: Projection) -> bool:
    """Whether `op` gives each neuron what one neuron of the source sends, with its weight."""
    return isinstance(op, OneToOne) and op.take is None and not op.channels


def too_large(graph: Graph, op: Projection, form: Form) -> Diagnostic:
    what = "a convolution over all channels" if form.kind == "conv" else "a matrix"
    return Diagnostic(
        op=op.name,
        origin=op.origin,
        message=f"{op.mnemonic} can only be said as {what} of {form.entries:,} weights; at most {LIMIT:,} are written",
        hint="NIR has no grouped, transposed or sparse connections that can be opened: make the layer smaller",
    )
