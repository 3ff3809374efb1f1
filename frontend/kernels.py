"""onnxruntime's 8-bit kernels: whether they saturate on this processor, and the session options that rule it out."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort  # type: ignore[import-untyped]

from .session import open_session

# int8 nodes are fused as they stand; by default x86 turns some of them into uint8 nodes and leaves the rest in float32
INT8_KERNELS = {"session.qdqisint8allowed": "1"}
# where kernels for uint8 x int8 saturate, uint8 x uint8 ones take their place; int8 x int8 nodes then fail to load
UINT8_KERNELS = {"session.x64quantprecision": "1"}
FUSES_FLOAT_BIAS = tuple(int(n) for n in ort.__version__.split(".")[:2]) >= (1, 23)  # rounds a float bias to integers


def kernel_settings(model: onnx.ModelProto) -> dict[str, str]:
    """The session settings with which a quantised model runs in integers, and exactly; none for others."""
    nodes = model.graph.node
    if not any(n.op_type == "QuantizeLinear" or n.op_type.startswith(("QLinear", "QGemm")) for n in nodes):
        return {}
    zeros = {n.input[2] for n in nodes if n.op_type == "QuantizeLinear" and len(n.input) > 2}
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    kinds |= {
        n.output[0]: a.t.data_type for n in nodes if n.op_type == "Constant" for a in n.attribute if a.name == "value"
    }
    int8 = any(kinds.get(name) == onnx.TensorProto.INT8 for name in zeros)
    return INT8_KERNELS | (UINT8_KERNELS if not int8 and kernels_saturate() else {})


@cache
def kernels_saturate() -> bool:
    """Whether onnxruntime's sums of uint8 x int8 products are wrong on this processor.

    x86 without VNNI adds products in pairs in 16 bits, and 2 * 255 * 127 does not fit. Tried out, not looked up: a
    QLinearConv of 64 such products, which should give the code 100. The session option of UINT8_KERNELS avoids it;
    int8 x int8 never saturates.
    """
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> g (uint8[1,64,1,1] x) => (uint8[1,16,1,1] y)'
        "<float one = {1}, uint8 zero = {0}, int8 w_zero = {0}>"
        "{ y = QLinearConv(x, one, zero, w, one, w_zero, y_scale, zero) }"
    )
    w, y_scale = np.full((16, 64, 1, 1), 127, np.int8), np.array(64 * 255 * 127 / 100, np.float32)
    model.graph.initializer.extend(
        [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(y_scale, "y_scale")]
    )
    session = open_session(model.SerializeToString(), threads=1, optimise=False)
    (y,) = session.run(None, {"x": np.full((1, 64, 1, 1), 255, np.uint8)})
    return bool((np.asarray(y) != 100).any())
