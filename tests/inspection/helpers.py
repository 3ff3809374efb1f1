"""Networks of every stage, and a model of plain ReLUs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ganglion import targets
from ganglion.ir import Graph, Input, Readout, passes
from tests import networks
from tests.ir.test_quantize import small

HOSTILE = ('a"b', "back\\slash", "end\\", "<x>&amp;</x>", "ä ö", "{|}", "\\N", "'", "-->")


def stages(graph: Graph, steps: int = 2, members: int = 3) -> list[Graph]:
    """The imported `graph` after every pass, by the stage that it is in, the cluster form last."""
    seen: list[Graph] = []
    path: list[passes.Pass] = [
        passes.compose,
        partial(passes.group, members=members),
        partial(passes.schedule, steps=steps),
        partial(passes.quantize, target=targets.load("loihi2")),
        passes.choose_kernels,
        passes.expand_clusters,
    ]
    passes.run(graph, path, watch=lambda _, stage: seen.append(stage))
    return seen


def small_stages() -> list[Graph]:
    """A residual network of two Group Neurons, whose ops know where they came from."""
    graph = small()
    return stages(graph.rebuild([replace(op, origin=(f"/{op.name}/node",)) for op in graph.ops], notes=("a note",)))


def pooled_stages() -> list[Graph]:
    """A network with a convolution, a bias, a max-pool, a concatenation and a gather."""
    b = networks.Builder(np.random.default_rng(0))
    b.add(Input(name="x", shape=(2, 4, 4), scale=1 / 8, low=-4, high=4), (2, 4, 4))
    b.conv(2, 3, 1, (1, 1, 1, 1), 1, 1)
    b.bias(False)
    b.staircase(4)
    stem = b.value
    b.max_pool(2, 2, (0, 0, 0, 0))
    pooled = b.value
    b.value, b.shape = stem, (2, 4, 4)
    b.conv(1, 2, 2, (0, 0, 0, 0), 1, 1)
    b.staircase(4)
    b.concat(pooled, 2)
    b.gather(np.arange(12)[::-1], (12,))
    b.dense(3)
    b.add(Readout(name="logits", inputs=(b.value,), unit=np.array(1.0)), b.shape)
    return stages(Graph(ops=tuple(b.ops), name="pooled"))


def renamed(graph: Graph, names: dict[str, str]) -> Graph:
    """`graph` with other names for its ops."""
    ops = []
    for op in graph.ops:
        new = {"name": names.get(op.name, op.name), "inputs": tuple(names.get(i, i) for i in op.inputs)}
        if hasattr(op, "inhibited_by"):
            new["inhibited_by"] = names.get(op.inhibited_by, op.inhibited_by)
        ops.append(replace(op, **new))  # type: ignore[arg-type]
    return graph.rebuild(ops)


def hostile(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """`graph` with names that no format may stumble over, and the new names by the old ones."""
    names = {op.name: f"{HOSTILE[i % len(HOSTILE)]}{i // len(HOSTILE) or ''}" for i, op in enumerate(graph.ops)}
    return renamed(graph, names), names


def write_plain_model(path: Path, middle: str = "Relu") -> Path:
    """Two layers with `middle`, an operator of one input, between them."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Gemm", ["x", "w1"], ["g"], name="fc1"),
        helper.make_node(middle, ["g"], ["r"], name="act"),
        helper.make_node("Gemm", ["r", "w2"], ["logits"], name="fc2"),
    ]
    weights = {"w1": rng.normal(size=(4, 6)), "w2": rng.normal(size=(6, 3))}
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
