"""Damaged models: four small ones, and what may go wrong with a file, at random but the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

Rng = np.random.Generator
QCFS = "{0}d = Div({1}, theta) {0}m = Mul({0}d, L) {0}h = Add({0}m, half) {0}f = Floor({0}h) {0}q = Div({0}f, L) \
{0}c = Clip({0}q, zero, one) {0} = Mul({0}c, theta) "
STEPS = {"theta": 2.0, "L": 4.0, "half": 0.5, "zero": 0.0, "one": 1.0}
EXTREMES = (0, 1, -1, 2, -2, 7, 64, 2**31 - 1, -(2**31), 10**6, 2**40, 2**62, -(2**62))
FLOATS = (0.0, -1.0, 1e-40, 1e38, np.nan, np.inf, -np.inf)
DTYPES: tuple[type[np.generic], ...] = (
    np.float64,
    np.float16,
    np.int64,
    np.int32,
    np.int8,
    np.uint8,
    np.bool_,
    np.complex64,
)
OPS = (
    "Relu",
    "Sigmoid",
    "Add",
    "MatMul",
    "Conv",
    "MaxPool",
    "Transpose",
    "Reshape",
    "Concat",
    "Loop",
    "If",
    "Nonsense",
)


@cache
def seeds() -> dict[str, onnx.ModelProto]:
    """The models that the mutants come from. All of them compile."""
    rng = np.random.default_rng(0)

    def w(*shape: int) -> Any:
        return rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    mlp = QCFS.format("a", "g") + "o = Gemm<transB=1>(a, w2, b2)"
    residual = (
        QCFS.format("a", "n")
        + "v = Conv<pads=[1,1,1,1]>(a, k2) r = Add(v, a) "
        + QCFS.format("b", "r")
        + "p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(b) l = Flatten(p) o = MatMul(l, w)"
    )
    quantised = (
        "xq = QuantizeLinear(x, s, z) xd = DequantizeLinear(xq, s, z) kd = DequantizeLinear(k, ks, k0) "
        "c = Conv<pads=[1,1,1,1]>(xd, kd) r = Relu(c) rq = QuantizeLinear(r, s, u) rd = DequantizeLinear(rq, s, u) "
        "p = GlobalAveragePool(rd) l = Flatten(p) wd = DequantizeLinear(w, ks, k0) o = Gemm<transB=1>(l, wd)"
    )
    plain = (
        "c = Conv<pads=[1,1,1,1]>(x, k) r = Relu(c) m = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r) "
        "d = Conv(m, k1) e = Relu(d) j = Concat<axis=1>(m, e) q, mask = Dropout<ratio=0.5>(j) "
        "l = Flatten(q) o = Gemm<transB=1>(l, w)"
    )
    small = rng.integers(-90, 90, (4, 2, 3, 3)).astype(np.int8)
    return {
        "mlp": _model(
            f"g = Gemm<transB=1>(x, w1, b1) {mlp}",
            "8",
            17,
            STEPS | {"w1": w(6, 8), "b1": w(6), "w2": w(4, 6), "b2": w(4)},
        ),
        "residual": _model(
            f"c = Conv<pads=[1,1,1,1]>(x, k1) n = BatchNormalization(c, one4, b4, b4, one4) {residual}",
            "2,6,6",
            13,
            STEPS | {"k1": w(4, 2, 3, 3), "k2": w(4, 4, 3, 3), "one4": np.ones(4), "b4": w(4), "w": w(36, 3)},
        ),
        "quantised": _model(
            quantised,
            "2,6,6",
            13,
            {"s": 1 / 16, "z": np.int8(0), "u": np.uint8(0), "k": small, "ks": 1 / 64, "k0": np.int8(0)}
            | {"w": small.reshape(18, 4)},
        ),
        "plain": _model(plain, "2,6,6", 11, {"k": w(4, 2, 3, 3), "k1": w(4, 4, 1, 1), "w": w(3, 72)}),
    }


def mutants(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """`count` names and files: every kind of damage in turn, to every model in turn."""
    models = list(seeds().items())
    kinds = list(KINDS.items())
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        (kind, damage), (base, model) = kinds[index % len(kinds)], models[index // len(kinds) % len(models)]
        whole = data = model.SerializeToString()
        while data == whole:  # such as two inputs of the same name, swapped
            copy = onnx.ModelProto.FromString(whole)
            data = damage(copy, rng) or copy.SerializeToString()
        yield f"{index:03}-{base}-{kind}.onnx", data


def flip_bytes(model: onnx.ModelProto, rng: Rng) -> bytes:
    data = bytearray(model.SerializeToString())
    for _ in range(rng.integers(1, 4)):
        data[_at(rng, data)] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut(model: onnx.ModelProto, rng: Rng) -> bytes:
    data = model.SerializeToString()
    return data[: _at(rng, data)]


def repeat_bytes(model: onnx.ModelProto, rng: Rng) -> bytes:
    data = model.SerializeToString()
    begin, end = sorted(rng.integers(len(data), size=2))
    return data[:end] + data[begin:]


def remove_node(model: onnx.ModelProto, rng: Rng) -> None:
    at = _at(rng, model.graph.node)
    node = model.graph.node[at]
    if rng.random() < 0.7:  # as if it had never been there
        for other in model.graph.node:
            inputs = [node.input[0] if name == node.output[0] else name for name in other.input]
            del other.input[:]
            other.input.extend(inputs)
        if model.graph.output[0].name == node.output[0]:
            model.graph.output[0].name = node.input[0]
    del model.graph.node[at]


def repeat_node(model: onnx.ModelProto, rng: Rng) -> None:
    node = _node(model, rng)
    copy = model.graph.node.add()
    copy.CopyFrom(node)
    if rng.random() < 0.5:
        copy.output[0] += "_again"
        copy.name = node.name = "twice"


def swap_inputs(model: onnx.ModelProto, rng: Rng) -> None:
    one, other = _node(model, rng), _node(model, rng)
    i, j = _at(rng, one.input), _at(rng, other.input)
    one.input[i], other.input[j] = other.input[j], one.input[i]


def declare_shape(model: onnx.ModelProto, rng: Rng) -> None:
    tensor = _weight(model, rng)
    dims = list(tensor.dims) or [1]
    dims[_at(rng, dims)] = int(rng.choice(EXTREMES))
    del tensor.dims[:]
    tensor.dims.extend(dims)


def reshape_weight(model: onnx.ModelProto, rng: Rng) -> None:
    tensor = _weight(model, rng)
    array = numpy_helper.to_array(tensor)
    shape = rng.integers(0, 6, rng.integers(0, 5))
    tensor.CopyFrom(numpy_helper.from_array(np.resize(array, shape).astype(array.dtype), tensor.name))


def change_attribute(model: onnx.ModelProto, rng: Rng) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    node = nodes[_at(rng, nodes)]
    attribute = node.attribute[_at(rng, node.attribute)]
    if attribute.ints:
        attribute.ints[_at(rng, attribute.ints)] = int(rng.choice(EXTREMES))
        if rng.random() < 0.3:
            attribute.ints.append(int(rng.choice(EXTREMES)))
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = float(rng.choice(FLOATS))
    else:
        attribute.i = int(rng.choice(EXTREMES))


def add_attribute(model: onnx.ModelProto, rng: Rng) -> None:
    node = _node(model, rng)
    kinds = onnx.defs.get_schema(node.op_type, model.opset_import[0].version).attributes
    kind = kinds[sorted(kinds)[_at(rng, kinds)]] if kinds else None
    name = kind.name if kind is not None else "axis"
    extreme = int(rng.choice(EXTREMES))
    values: list[Any] = [extreme, [extreme, extreme], [0, 0], [1, 0, 1, 0], "SAME_UPPER", float(rng.choice(FLOATS))]
    fitting = [v for v in values if onnx.helper.make_attribute(name, v).type == getattr(kind, "type", None)]
    value = fitting[_at(rng, fitting)] if fitting else extreme
    others = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*others, onnx.helper.make_attribute(name, value)])


def change_dtype(model: onnx.ModelProto, rng: Rng) -> None:
    dtype = np.dtype(DTYPES[_at(rng, DTYPES)])
    if rng.random() < 0.3:
        model.graph.input[0].type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return
    tensor = _weight(model, rng)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))


def change_version(model: onnx.ModelProto, rng: Rng) -> None:
    if rng.random() < 0.3:
        model.ir_version = int(rng.choice([0, 1, 3, 4, 10, 99, 2**40]))
    else:
        model.opset_import[0].version = int(rng.choice([-1, 0, 1, 6, 7, 9, 10, 12, 18, 21, 25, 99, 2**40]))


def remove_weight(model: onnx.ModelProto, rng: Rng) -> None:
    del model.graph.initializer[_at(rng, model.graph.initializer)]


def rename_value(model: onnx.ModelProto, rng: Rng) -> None:
    node = _node(model, rng)
    names = node.input if rng.random() < 0.5 else node.output
    names[_at(rng, names)] = str(rng.choice(["", "elsewhere", "x", "y", node.output[0]]))


def break_numbers(model: onnx.ModelProto, rng: Rng) -> None:
    tensor = _weight(model, rng)
    array = np.array(numpy_helper.to_array(tensor))
    with np.errstate(all="ignore"):
        array.flat[rng.integers(array.size)] = np.float32(rng.choice(FLOATS)).astype(array.dtype)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def change_input(model: onnx.ModelProto, rng: Rng) -> None:
    shape = model.graph.input[0].type.tensor_type.shape
    at = rng.integers(len(shape.dim) + 1)
    if at == len(shape.dim):
        model.graph.input[0].type.tensor_type.ClearField("shape")
    elif rng.random() < 0.3:
        shape.dim[at].dim_param = "symbol"
    else:
        shape.dim[at].dim_value = int(rng.choice(EXTREMES))


def change_operator(model: onnx.ModelProto, rng: Rng) -> None:
    _node(model, rng).op_type = str(rng.choice(OPS))


def compute_weight(model: onnx.ModelProto, rng: Rng) -> None:
    """Weights, or a value, that a node of a few bytes makes absurdly large."""
    side = int(rng.choice([2**14, 2**20, 2**34, 2**62]))
    shape = numpy_helper.from_array(np.array([side, side][: rng.integers(1, 3)]), "absurd.shape")
    one = numpy_helper.from_array(np.ones(1, np.float32), "absurd.one")
    model.graph.initializer.extend([shape, one])
    tensor = _weight(model, rng)
    node = _node(model, rng)
    source, name = ("absurd.one", tensor.name) if rng.random() < 0.5 else (node.input[0], "absurd")
    op = str(rng.choice(["ConstantOfShape", "Expand", "Tile"]))
    inputs = ["absurd.shape"] if op == "ConstantOfShape" else [source, "absurd.shape"]
    node.input[0] = "absurd" if name == "absurd" else node.input[0]
    if name != "absurd":
        tensor.name = "replaced"
    model.graph.node.insert(0, onnx.helper.make_node(op, inputs, [name]))


def change_outputs(model: onnx.ModelProto, rng: Rng) -> None:
    name = str(rng.choice([o for node in model.graph.node for o in node.output]))
    if rng.random() < 0.5:
        model.graph.output[0].name = name
    else:
        model.graph.output.append(onnx.ValueInfoProto(name=name))


KINDS: Mapping[str, Callable[[onnx.ModelProto, Rng], bytes | None]] = {
    f.__name__: f
    for f in (
        flip_bytes,
        cut,
        repeat_bytes,
        remove_node,
        repeat_node,
        swap_inputs,
        declare_shape,
        reshape_weight,
        change_attribute,
        add_attribute,
        change_dtype,
        change_version,
        remove_weight,
        rename_value,
        break_numbers,
        change_input,
        change_operator,
        compute_weight,
        change_outputs,
    )
}


def _model(body: str, shape: str, opset: int, weights: Mapping[str, Any]) -> onnx.ModelProto:
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> g (float[N,{shape}] x) => (float[N,C] o) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for name, value in weights.items():
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def _node(model: onnx.ModelProto, rng: Rng) -> onnx.NodeProto:
    return model.graph.node[_at(rng, model.graph.node)]


def _weight(model: onnx.ModelProto, rng: Rng) -> onnx.TensorProto:
    return model.graph.initializer[_at(rng, model.graph.initializer)]


def _at(rng: Rng, items: Sized) -> int:
    """The place of any of `items`."""
    return int(rng.integers(len(items)))
