"""How large values may be: a file of a few bytes must not ask for more memory, or time, than there is.

MOST_VALUES    of one sample of a value that the network computes (VGG-16's largest has 3.2 million)
MOST_IN_BATCH  of all samples of a static batch together
MOST_BYTES     of one constant, stored or computed (VGG-19's largest has 411 million)
MOST_COMPUTED  of all constants together that are computed from others, such as dequantised weights
MOST_PRODUCTS  of one matrix product of constants
MOST_STORED    of all weights together in files beside the model; inside of it, protobuf sets the limit
MOST_NODES     of the model, all functions inlined
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from ganglion.errors import CompileError

from .values import is_onnx, name_of, op_label, shape_of

MOST_VALUES = 2**23
MOST_IN_BATCH = 2**25
MOST_BYTES = 2**29
MOST_COMPUTED = 3 * 2**28
MOST_PRODUCTS = 2**34
MOST_STORED = 2**31
MOST_NODES = 100_000

SMALLER = "check the shapes and attributes there; no chip holds a layer of this size"


class Budget:
    """What computing constants may still cost."""

    def __init__(self) -> None:
        self.left = MOST_COMPUTED
        self._counted: set[ir.Node] = set()

    def allows(self, node: ir.Node) -> bool:
        """Whether it is known how large the results of `node`, whose inputs are constants, will be.

        Raises `CompileError` naming the node where they are too large. Inputs that nothing else reads will be freed.
        """
        if node in self._counted:
            return True
        sizes = [_result_bytes(node, output) for output in node.outputs]
        total = sum(s for s in sizes if s is not None)
        if total > MOST_BYTES:
            raise _too_large(node, f"a constant of {megabytes(total)}; at most {megabytes(MOST_BYTES)}")
        freed = {v for v in node.inputs if v is not None and len(v.uses()) == 1}
        growth = total - sum(bytes_of(v.dtype, shape_of(v) or (0,)) for v in freed if v.dtype is not None)
        if growth > self.left:
            raise _too_large(node, f"one constant too many; at most {megabytes(MOST_COMPUTED)} in all")
        if None in sizes:
            return False
        if is_onnx(node, "MatMul", "Gemm") and _products(node) > MOST_PRODUCTS:
            raise _too_large(node, f"a constant in {_products(node):,} products; at most {MOST_PRODUCTS:,}")
        self.left -= growth
        self._counted.add(node)
        return True


def check_sizes(graph: ir.Graph) -> None:
    """Raises `CompileError` for the first value that is empty or too large."""
    batch = next((v.shape[0] for v in graph.inputs if v.shape), 1)
    for node in graph:
        for output in node.outputs:
            dims = [d for d in output.shape or () if isinstance(d, int)]
            check_dims(dims, batch, f"{op_label(node)}: its result", node)


def check_dims(dims: Sequence[int], batch: object, what: str, item: ir.Node | ir.Value) -> None:
    """Raises `CompileError` naming `item` where the static axes `dims` make an empty or too large value."""
    shape, values = "x".join(map(str, dims)), math.prod(dims)
    if any(d < 1 for d in dims):
        raise CompileError(
            f"{what} is empty: it has the size {shape}",
            origin=[name_of(item)],
            hint="every axis needs at least one element; a kernel must fit into its padded input",
        )
    if values // (dims[0] if dims and dims[0] == batch else 1) > MOST_VALUES:
        message = f"{what} has {values:,} values ({shape}); at most {MOST_VALUES:,} per sample are supported"
        raise CompileError(message, origin=[name_of(item)], hint=SMALLER)
    if values > MOST_IN_BATCH:
        raise CompileError(
            f"{what} has {values:,} values ({shape}); at most {MOST_IN_BATCH:,} are supported",
            origin=[name_of(item)],
            hint="export the model with a batch of 1, or a dynamic one",
        )


def bytes_of(dtype: ir.DataType, dims: Sequence[int]) -> int:
    """The memory of an array; strings count as pointers."""
    bits = 64 if dtype in (ir.DataType.STRING, ir.DataType.UNDEFINED) else dtype.bitwidth
    return math.prod(dims) * bits // 8


def megabytes(n: int) -> str:
    """`n` bytes for a message."""
    return f"{n / 1e6:,.0f} MB"


def _too_large(node: ir.Node, what: str) -> CompileError:
    return CompileError(f"{op_label(node)} computes {what} are supported", origin=[name_of(node)], hint=SMALLER)


def _products(node: ir.Node) -> int:
    first, shape = node.inputs[0], shape_of(node.outputs[0])
    inner = shape_of(first) if first is not None else None
    return math.prod(shape or ()) * max(inner or (1,))


def _result_bytes(node: ir.Node, output: ir.Value) -> int | None:
    """How large a constant result is, or at most is; None where that is not known beforehand."""
    source = node.inputs[0] if node.inputs else None
    given = shape_of(source) if source is not None else None
    shape, dtype = shape_of(output), output.dtype or ir.DataType.UNDEFINED
    if is_onnx(node, "Compress", "NonZero", "Unique") and given is not None:
        shape, dtype = (len(given) or 1, *given), ir.DataType.INT64  # as many as there are, or indices of all
    elif node.domain == "com.microsoft" and node.op_type == "DequantizeLinear":
        shape, dtype = given, ir.DataType.FLOAT  # onnx has no rule for it
    if shape is None or min(shape, default=0) < 0 or dtype == ir.DataType.STRING:
        return None
    return bytes_of(dtype, shape)
