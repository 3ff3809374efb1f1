"""Products of spike counts and weights, each exact where its proof holds (`ganglion.ir.exact`).

A product takes `columns` (G, M, K), the counts that M neurons per channel receive, in its own type `dtype`, and gives
(G, M, N) for its weights (G, K, N): G groups, N channels each.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import numpy as np

from ganglion.ir import Array
from ganglion.ir.exact import Kernel


class Product(Protocol):
    """A matrix product with constant weights."""

    dtype: np.dtype[Any]

    def __call__(self, columns: Array) -> Array: ...


class ByteProduct:
    """Unsigned by signed bytes, summed in int32, by onnxruntime's MatMulInteger: one thread, the caller's own."""

    dtype = np.dtype(np.uint8)

    def __init__(self, weight: Array) -> None:
        import onnxruntime as ort  # type: ignore[import-untyped]
        from onnx import TensorProto, helper

        self.batched = len(weight) > 1  # a plain matrix is packed once
        weight = np.ascontiguousarray(weight if self.batched else weight[0], np.int8)
        lead = ["G"] if self.batched else []
        body = helper.make_graph(
            [helper.make_node("MatMulInteger", ["counts", "weight"], ["current"])],
            "product",
            [helper.make_tensor_value_info("counts", TensorProto.UINT8, [*lead, "M", weight.shape[-2]])],
            [helper.make_tensor_value_info("current", TensorProto.INT32, [*lead, "M", weight.shape[-1]])],
            [helper.make_tensor("weight", TensorProto.INT8, weight.shape, weight.tobytes(), raw=True)],
        )
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 10)], ir_version=8)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # it keeps more than it gives back
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def __call__(self, columns: Array) -> Array:
        (current,) = self.session.run(None, {"counts": columns if self.batched else columns[0]})
        product = np.asarray(current)
        return product if self.batched else product[None]


class FloatProduct:
    """By BLAS, in float32 or float64; of integer weights, the result is int32."""

    def __init__(self, weight: Array, dtype: Any, integer: bool = True) -> None:
        self.dtype, self.integer = np.dtype(dtype), integer
        self.weight = np.ascontiguousarray(weight, dtype)

    def __call__(self, columns: Array) -> Array:
        product = columns @ self.weight
        return product.astype(np.int32) if self.integer else np.asarray(product)


@cache
def saturates() -> bool:
    """Whether the processor's product of bytes adds pairs in 16 bits: the largest sums come out wrong then.

    Tried once, on the largest counts and weights of both signs, in shapes that reach every part of the kernel.
    """
    for rows, depth, columns in ((1, 2, 1), (3, 7, 5), (8, 64, 16), (33, 129, 67)):
        for weight in (-128, 127):
            product = ByteProduct(np.full((1, depth, columns), weight, np.int8))
            counts = np.full((1, rows, depth), 255, np.uint8)
            if (product(counts) != 255 * weight * depth).any():
                return True
    return False


def product_of(weight: Array, kernel: Kernel | None) -> Product:
    """The product with the weights (G, K, N): by `kernel`, or in float64 where they are still real (None)."""
    if kernel is None:
        return FloatProduct(weight, np.float64, integer=False)
    return ByteProduct(weight) if kernel == "int8" else FloatProduct(weight, kernel)
