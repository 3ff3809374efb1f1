"""Small files that ask for a lot: of memory or of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser

SUM = " m = ReduceSum<keepdims=0>(w) y = Mul(x, m)"
ROW, PIXEL, PLANE = "float[N,4]", "float[N,1]", "float[N,1,4,4]"
HALF = [2**13, 2**14]  # of float32: the largest constant that is allowed
ONE = np.ones((1, 1), np.float32)

# name: the nodes, the input's type, the constants, the node that is refused ("" where the model is fine), what is said
CASES: Mapping[str, tuple[str, str, Mapping[str, Any], str, str]] = {
    "shape": (
        "w = ConstantOfShape(s)" + SUM,
        ROW,
        {"s": [4, 2**40]},
        "ConstantOfShape_0",
        "a constant of 17,592,186 MB",
    ),
    "expand": ("w = Expand(o, s)" + SUM, ROW, {"s": [2**31, 2**31], "o": ONE}, "Expand_0", "a constant of"),
    "tile": ("w = Tile(o, s)" + SUM, ROW, {"s": [2**31, 2**31], "o": ONE}, "Tile_0", "a constant of"),
    "pad": ("w = Pad(o, p)" + SUM, ROW, {"p": [2**40, 0, 0, 0], "o": ONE}, "Pad_0", "a constant of"),
    "range": (
        "w = Range(a, b, c)" + SUM,
        ROW,
        {"a": np.float32(0), "b": np.float32(1e12), "c": np.float32(1)},
        "Range_0",
        "a constant of 4,000,000 MB",
    ),
    "range of a computed end": (
        "a = Constant<value_int=0>() c = Constant<value_int=1>() z = ReduceSum<keepdims=0>(v) r = Range(a, z, c) "
        "w = Cast<to=1>(r)" + SUM,
        ROW,
        {"v": [2**40]},
        "Range_3",
        "a constant of",
    ),
    "one hot": (
        "w = OneHot(i, d, v)" + SUM,
        ROW,
        {"i": [0, 1], "d": np.array(2**34), "v": np.array([0, 1], np.float32)},
        "OneHot_0",
        "a constant of 137,439 MB",
    ),
    "resize": (
        "w = Resize(o, , k)" + SUM,
        ROW,
        {"o": np.ones((1, 1, 8, 8), np.float32), "k": np.array([1, 1, 1e4, 1e4], np.float32)},
        "Resize_0",
        "a constant of 25,600 MB",
    ),
    "broadcasting": (
        "a = ConstantOfShape(s) b = ConstantOfShape(t) w = Add(a, b)" + SUM,
        ROW,
        {"s": [2**16, 1], "t": [1, 2**16]},
        "Add_2",
        "a constant of 17,180 MB",
    ),
    "gather": (
        "w = Gather(o, i)" + SUM,
        ROW,
        {"o": np.ones((1, 2**18), np.float32), "i": np.zeros(2**14, np.int64)},
        "Gather_0",
        "a constant of",
    ),
    "repetition": (
        f"v = ConstantOfShape(s) w = Concat<axis=0>({', '.join(['v'] * 100)})" + SUM,
        ROW,
        {"s": [2**24]},
        "Concat_1",
        "a constant of 6,711 MB",
    ),
    "indices": (
        "v = ConstantOfShape<value=float[1] {1.0}>(s) i = NonZero(v) w = Cast<to=1>(i)" + SUM,
        ROW,
        {"s": [2**13, 2**13]},
        "NonZero_1",
        "a constant of 1,074 MB",
    ),
    "several": (
        " ".join(f"w{i} = ConstantOfShape(s)" for i in range(3)) + " w = Sum(w0, w1, w2)" + SUM,
        ROW,
        {"s": HALF},
        "ConstantOfShape_1",
        "one constant too many; at most 805 MB",
    ),
    "product": (
        "v = ConstantOfShape(s) w = MatMul(v, v)" + SUM,
        ROW,
        {"s": [2**13, 2**13]},
        "MatMul_1",
        "549,755,813,888 products",
    ),
    "einsum": (
        'v = ConstantOfShape(s) w = Einsum<equation="ij,ij,ij->ij">(v, v, v) y = MatMul(x, w)',
        ROW,
        {"s": [4, 2**20]},
        "Einsum_1",
        "Einsum is not supported",
    ),
    "sequence": (
        "e = Expand(x, s) q = SplitToSequence<axis=1>(e, one) y = SequenceAt(q, zero)",
        PIXEL,
        {"s": [1, 2**33], "one": np.array(1), "zero": np.array(0)},
        "SplitToSequence_1",
        "at most 4096 long",
    ),
    "activation": ("y = Expand(x, s)", PIXEL, {"s": [1, 2**40]}, "Expand_0", "has 1,099,511,627,776 values"),
    "padded": ("y = Pad(x, s)", PIXEL, {"s": [0, 0, 0, 2**40]}, "Pad_0", "has 1,099,511,627,777 values"),
    "convolution": (
        "c = Conv<pads=[99999,99999,99999,99999]>(x, k) y = Flatten(c)",
        PLANE,
        {"k": np.ones((1, 1, 3, 3), np.float32)},
        "Conv_0",
        "(1x1x200000x200000); at most 8,388,608 per sample",
    ),
    "input": ("y = Neg(x)", "float[N,1000000000]", {}, "x", "has 1,000,000,000 values"),
    "batch": ("y = Neg(x)", "float[1000000000,4]", {}, "x", "at most 33,554,432 are supported"),
    # within the limits: slow or large would show in how they run
    "largest constant": ("w = ConstantOfShape(s)" + SUM, ROW, {"s": HALF}, "", ""),
    "largest expansion": ("w = Expand(o, s)" + SUM, ROW, {"s": HALF, "o": ONE}, "", ""),
    "largest constants in turn": (
        " ".join(f"w{i} = ConstantOfShape(s) m{i} = ReduceSum<keepdims=0>(w{i})" for i in range(4))
        + " m = Sum(m0, m1, m2, m3) y = Mul(x, m)",
        ROW,
        {"s": HALF},
        "",
        "",
    ),
    "largest activation": ("p = Pad(x, s) y = Neg(p)", PIXEL, {"s": [0, 0, 0, 2**23 - 1]}, "", ""),
}


def models() -> dict[str, onnx.ModelProto]:
    """Every model by its name."""
    return {name: _model(*case[:3]) for name, case in CASES.items()} | {"functions": _functions(12)}


def _model(body: str, x: str, constants: Mapping[str, Any]) -> onnx.ModelProto:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g ({x} x) => (float[N,M] y) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for name, value in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    return model


def _functions(depth: int) -> onnx.ModelProto:
    """Each function calls the next one ten times."""

    def head(name: str) -> str:
        return f'<domain: "l", opset_import: ["" : 17, "l" : 1]> {name} (a0) => (a10) '

    text = (
        f'<ir_version: 8, opset_import: ["" : 17, "l" : 1]> g (float[N,4] x) => (float[N,4] y) {{ y = l.f{depth}(x) }}'
    )
    text += f"\n{head('f0')} {{ a10 = Neg(a0) }}"
    for level in range(1, depth + 1):
        calls = " ".join(f"a{i + 1} = l.f{level - 1}(a{i})" for i in range(10))
        text += f"\n{head(f'f{level}')} {{ {calls} }}"
    return onnx.parser.parse_model(text)
