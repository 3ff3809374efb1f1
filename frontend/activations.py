"""Finds the activations: maximal elementwise parts of the graph that are a function of one value.

For every elementwise node the `root` is the only computed value it depends on through elementwise nodes,
diamonds like x + (floor(x) - x) included. A value that is read outside as well is a *cut*: the part below
it starts anew. What is only affine is left to the linear ops; so are affine nodes with one constant per
channel or neuron at either end of a part, so that the function in the middle is scalar.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import onnx_ir as ir

from ganglion.errors import CompileError

from .values import FLOATS, attribute, constant, is_onnx, name_of, op_label, scalar, shape_of, variables

PART = "ganglion.part"  # in the `meta` of nodes that only together mean something (tables.py)
AFFINE = ("Identity", "Dropout", "Cast", "Neg", "Add", "Sub", "Sum", "Mul", "Div", "DequantizeLinear")
ELEMENTWISE = (
    *AFFINE,
    *("Relu", "Clip", "Floor", "Ceil", "Round", "Sign", "Abs", "Min", "Max", "Mean", "Mod", "Pow", "QuantizeLinear"),
    *("Where", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Xor", "Not", "IsNaN"),
    *("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh"),
    *("Softplus", "Softsign", "Gelu", "Mish", "Swish", "Shrink", "Exp", "Log", "Sqrt", "Reciprocal", "Erf"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
)


@dataclass(frozen=True, eq=False)
class Activation:
    """`output` = f(`root`), elementwise. `nodes`, in order, compute f; the last one defines `output`."""

    root: ir.Value
    output: ir.Value
    nodes: tuple[ir.Node, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name_of(n) for n in self.nodes)

    @property
    def core(self) -> list[ir.Node]:
        """The nodes that make it more than affine."""
        return [n for n in self.nodes if not _is_affine(n)]

    @property
    def codes_inside(self) -> set[ir.Value]:
        """What its quantisers give, but for the last one's: where it may be cut into several activations."""
        found = {n.outputs[0] for n in self.nodes if is_onnx(n, "DequantizeLinear") and not _is_affine(n)}
        return found - {self.output}

    def describe(self) -> str:
        """`a plain ReLU`, or the ops' names."""
        ops = [op_label(n) for n in self.core]
        if ops == ["Relu"]:
            return "a plain ReLU"
        if set(ops) <= {"Clip", "Relu", "Min", "Max"}:
            return "a clipped ReLU"
        return ", ".join(dict.fromkeys(ops))


def find_activations(graph: ir.Graph, cut_at: Iterable[ir.Value] = ()) -> list[Activation]:
    """All activations of `graph`, in order; values used by several are cut so that none overlaps in part.

    So are the values `cut_at`.
    """
    cuts = set(cut_at)
    while True:
        roots = _roots(graph, cuts)
        found = [_closure(v, root, roots) for v, root in roots.items() if _is_exposed(v, roots, cuts)]
        more = {v for a in found for v in _more_cuts(a, roots, cuts)}
        if not more:
            return [a for a in found if a.core]
        cuts |= more


def inner_constant(activation: Activation) -> CompileError | None:
    """An error where a constant that is not scalar stands inside, between nodes that are not affine."""
    for node in activation.nodes:
        if not _all_scalar(node):
            return CompileError(
                f"{op_label(node)}: a constant with one value per channel or neuron in the middle of an activation",
                origin=[name_of(node)],
                hint="use one threshold per layer, or scale by channel before and after the activation only",
            )
    return None


def _roots(graph: ir.Graph, cuts: set[ir.Value]) -> dict[ir.Value, ir.Value]:
    """For each elementwise result the one value it is a function of."""
    roots: dict[ir.Value, ir.Value] = {}
    for node in graph:
        if not is_onnx(node, *ELEMENTWISE) or node.meta.get(PART) or any(v.uses() for v in node.outputs[1:]):
            continue
        sources = {v if v in cuts else roots.get(v, v) for v in variables(node)}
        output = node.outputs[0]
        if len(sources) == 1:
            (root,) = sources
            if shape_of(root) is not None and shape_of(root) == shape_of(output):
                roots[output] = root
    return roots


def _is_exposed(value: ir.Value, roots: dict[ir.Value, ir.Value], cuts: set[ir.Value]) -> bool:
    """Whether `value` is read by something that is not part of the same function."""
    return (
        value in cuts
        or value.is_graph_output()
        or not value.uses()
        or any(n.outputs[0] not in roots for n in value.consumers())
    )


def _closure(output: ir.Value, root: ir.Value, roots: dict[ir.Value, ir.Value]) -> Activation:
    nodes: dict[ir.Node, None] = {}

    def visit(value: ir.Value) -> None:
        stack: list[tuple[ir.Value, bool]] = [(value, False)]
        while stack:
            v, done = stack.pop()
            producer = v.producer()
            if producer is None or v is root or producer in nodes:
                continue
            if done:
                nodes[producer] = None
            else:
                stack.append((v, True))
                stack += [(i, False) for i in variables(producer)]

    visit(output)
    return Activation(root=root, output=output, nodes=tuple(nodes))


def _more_cuts(a: Activation, roots: dict[ir.Value, ir.Value], cuts: set[ir.Value]) -> set[ir.Value]:
    """Where `a` must be cut before its function can be looked at; nothing if it is fine as it is."""
    output_is_shared = any(n.outputs[0] in roots for n in a.output.consumers())
    if output_is_shared and a.output not in cuts:
        return {a.output}
    if not a.core:
        return set()
    more: set[ir.Value] = set()
    # from the front: affine nodes one after the other, up to the last that is not scalar or gives the first float
    value, integer = a.root, a.root.dtype not in FLOATS
    while True:
        users = [n for n in a.nodes if value in n.inputs]
        if len(users) != 1 or not _is_chain_link(users[0]):
            break
        value = users[0].outputs[0]
        if not _all_scalar(users[0]) or (integer and value.dtype in FLOATS):
            more = {value}
            integer = False
    # from the back, likewise
    last, value = None, a.output
    while value is not a.root:
        producer = value.producer()
        if producer is None or not _is_chain_link(producer):
            break
        (value,) = variables(producer)
        last = value if not _all_scalar(producer) else last
    if last is not None:
        more.add(last)
    return more - cuts - {a.root}


def _is_affine(node: ir.Node) -> bool:
    if is_onnx(node, "Mul"):
        return len(variables(node)) == 1
    if is_onnx(node, "Div"):
        return constant(node.inputs[1]) is not None
    source = node.inputs[0] if node.inputs else None
    given = source is not None and source.is_graph_input()  # integers from outside are exact as floats
    if is_onnx(node, "Cast"):
        return node.outputs[0].dtype in FLOATS and source is not None and (given or source.dtype in FLOATS)
    if is_onnx(node, "DequantizeLinear"):
        return given
    return is_onnx(node, *AFFINE)


def _is_chain_link(node: ir.Node) -> bool:
    return _is_affine(node) and len(variables(node)) == 1


def _all_scalar(node: ir.Node) -> bool:
    arrays = [constant(v) for v in node.inputs if v is not None]
    return all(a is None or scalar(a) is not None for a in arrays) and attribute(node, "block_size", 0) == 0
