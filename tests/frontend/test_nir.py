"""NIR graphs of other tools: the spikes are those that an interpreter of NIR's equations gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion.backends.nir import emit
from ganglion.errors import GanglionWarning
from ganglion.ir import Array, Conv2d, Dense, GroupNeuron
from ganglion.ir.nir import NETWORK
from tests.backends import networks
from tests.nir_graphs import CODES, graph_of, neurons, nir
from tests.nir_oracle import Interpreter


def check_spikes(graph: Any, steps: int, x: Array) -> ganglion.Graph:
    """The network of `graph` does what the interpreter does, on samples `x` (N, *shape); returns it."""
    net = ganglion.import_nir(graph, reset="soft", steps=steps, **CODES)  # type: ignore[arg-type]
    assert not net.notes
    run = ganglion.simulate(net, x, record="all", engine="step")
    readout = net.readout
    (last,) = [a for a, b in graph.edges if b == readout.name][:1]
    for i, sample in enumerate(x):
        interpreter = Interpreter(graph, sample, steps, latency=0)
        for op in net.populations:
            counts, spikes = run.counts[op.name][:, i], interpreter.window(op.name)
            assert np.array_equal(counts.reshape(spikes.shape), spikes), op.name
        v = interpreter.window(readout.name)
        v = v if type(graph.nodes[last]).__name__ == "I" else np.cumsum(v, axis=0)
        assert np.array_equal((run.potentials[readout.name][:, i] * readout.unit).reshape(v.shape), v)
        assert np.array_equal(run.logits[i], v[-1] / steps)
    return net


@st.composite
def foreign(draw: st.DrawFn) -> tuple[Any, Array]:
    """A graph with dyadic weights, and samples."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    shape = (draw(st.sampled_from([2, 4])), draw(st.integers(4, 6)), draw(st.integers(4, 6)))
    nodes["input"], value = nir.Input(np.array(shape)), "input"

    def add(node: Any, *sources: str) -> str:
        name = f"{type(node).__name__.lower()}{len(nodes)}"
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    def spiking(shape: Any, source: str) -> str:
        threshold = rng.integers(2, 12, shape[0]) / 4
        return add(neurons(shape, threshold, r=2.0 ** rng.integers(-1, 2)), source)

    def conv(out: int, kernel: Any, stride: Any, padding: Any, dilation: int, groups: int) -> Any:
        weight = rng.integers(-4, 5, (out, shape[0] // groups, *kernel)) / 4
        return nir.Conv2d(shape[1:], weight, stride, padding, dilation, groups, rng.integers(-2, 3, out) / 4)

    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["conv", "pool", "residual"]))
        if kind == "pool" and min(shape[1:]) >= 2:
            pool = nir.SumPool2d if draw(st.booleans()) else nir.AvgPool2d
            padding = draw(st.sampled_from([0, 1]))
            value = add(pool(np.array([2, 2]), np.array([2, 1]), np.array([padding, 0])), value)
            shape = (shape[0], (shape[1] + 2 * padding - 2) // 2 + 1, shape[2] - 1)
        elif kind == "residual":  # two ways of different lengths meet in one node
            deep = add(conv(shape[0], (3, 3), 1, draw(st.sampled_from([1, "same"])), 1, 1), spiking(shape, value))
            skip = add(nir.Scale(np.broadcast_to(rng.integers(1, 3, (shape[0], 1, 1)) / 2, shape)), value)
            value = add(neurons(shape, 1.5), deep, skip)
        elif min(shape[1:]) >= 3:
            groups = draw(st.sampled_from([1, 2]))
            dilation = draw(st.sampled_from([1, 2])) if min(shape[1:]) >= 5 else 1
            kernel = (draw(st.sampled_from([1, 3])), draw(st.sampled_from([2, 3])))
            node = conv(
                2 * draw(st.sampled_from([1, 2])), kernel, (1, draw(st.sampled_from([1, 2]))), "valid", dilation, groups
            )
            reach = [dilation * (k - 1) for k in kernel]
            stride = node.stride
            shape = (
                len(node.weight),
                *((n - r - 1) // s + 1 for n, r, s in zip(shape[1:], reach, stride, strict=True)),
            )
            value = spiking(shape, add(node, value))
    flat = add(nir.Flatten({"input": np.array(shape)}, 0, -1), value)
    affine = add(nir.Affine(rng.integers(-4, 5, (3, int(np.prod(shape)))) / 4, rng.integers(-2, 3, 3) / 4), flat)
    last = draw(st.sampled_from(["spikes", "integrator", "linear"]))
    if last == "spikes":
        affine = spiking((3,), affine)
    if last == "integrator":
        affine = add(nir.I(r=np.array([1.0, 2.0, 0.5])), affine)
    nodes["output"] = nir.Output(np.array([3]))
    edges.append((affine, "output"))
    x = rng.integers(-16, 17, (2, *nodes["input"].input_type["input"])) / 4
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False), x


@settings(max_examples=60)
@given(drawn=foreign(), steps=st.sampled_from([1, 2, 4]))
def test_drawn_graphs_spike_as_nir_says(drawn: tuple[Any, Array], steps: int) -> None:
    """Weights that are whole multiples of a power of two stay as they are: not one spike differs."""
    check_spikes(drawn[0], steps, drawn[1])


def test_a_conv1d() -> None:
    rng = np.random.default_rng(3)
    conv = nir.Conv1d(9, rng.integers(-3, 4, (4, 2, 3)) / 2, 2, 1, 1, 1, np.array([1.0, 0, -1, 0.5]))
    graph = graph_of((2, 9), conv, neurons((4, 5), [1, 2, 3, 1.25]))
    check_spikes(graph, 3, rng.integers(-16, 17, (3, 2, 9)) / 4)


def test_the_convolutional_network_of_the_nir_paper(tmp_path: Path) -> None:
    """The shape of paper/02_cnn/cnn_sinabs.nir in the NIR repository (N-MNIST, exported by Sinabs), other weights."""
    rng = np.random.default_rng(0)

    def conv(size: int, stride: int, *shape: int) -> Any:
        weight = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) / 6)
        return nir.Conv2d((size, size), weight, stride, 1, 1, 1, rng.normal(size=shape[0]) / 20)

    def affine(*shape: int) -> Any:
        return nir.Affine(rng.normal(size=shape) / np.sqrt(shape[1] / 8), rng.normal(size=shape[0]) / 20)

    two = np.array([2, 2])
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 34, 34])),
        conv(34, 2, 16, 2, 5, 5), neurons((16, 16, 16)),
        conv(16, 1, 16, 16, 3, 3), neurons((16, 16, 16)), nir.SumPool2d(two, two, np.array([0, 0])),
        conv(8, 1, 8, 16, 3, 3), neurons((8, 8, 8)), nir.SumPool2d(two, two, np.array([0, 0])),
        nir.Flatten(np.array([8, 4, 4]), 0, -1), affine(256, 128), neurons(256), affine(10, 256), neurons(10),
    )  # fmt: skip
    nir.write(tmp_path / "cnn.nir", graph)
    net = ganglion.import_nir(tmp_path / "cnn.nir", reset="soft", steps=8, input_range=(0, 1), input_step=1)
    assert net.name == "cnn"
    assert [op.origin for op in net.populations] == [("if",), ("if_1",), ("if_2",), ("if_3",), ("if_4",)]
    x = rng.integers(0, 2, (1, 2, 34, 34)).astype(float)
    run = ganglion.simulate(net, x, record="all")
    interpreter = Interpreter(graph, x[0], 8, latency=0)
    for op in net.populations:  # real weights became 8-bit integers: the rates stay, to what that costs
        ours, theirs = run.counts[op.name][:, 0].mean(axis=0), interpreter.window(op.name).mean(axis=0)
        assert theirs.mean() > 0.05
        assert np.abs(ours - theirs).mean() < 0.04
    with pytest.warns(GanglionWarning):  # and on, as a network of ganglion, to the bit
        emit(net, tmp_path / "again.nir")
    assert str(ganglion.import_nir(tmp_path / "again.nir")) == str(net)


def test_a_spike_needs_more_than_the_threshold() -> None:
    """NIR fires where v > v_threshold: what just reaches it does not."""
    one = nir.Linear(np.eye(3))
    net = check_spikes(graph_of((3,), one, neurons(3, [1, 1, 2])), 4, np.array([[1.0, 1.25, 0.5]]))
    assert ganglion.simulate(net, np.array([[1.0, 1.25, 0.5]])).logits[0].tolist() == [0.75, 1.0, 0.0]


def test_integer_weights_stay(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weight = rng.integers(-100, 101, (5, 6))
    net = check_spikes(graph_of((6,), nir.Linear(weight), neurons(5, 64)), 3, rng.integers(-16, 17, (2, 6)) / 4)
    dense = net["n0"]
    assert isinstance(dense, Dense)
    assert np.array_equal(dense.weight.astype(float) * 2.0**dense.exponent * net["n1"].unit, weight * 0.25)  # type: ignore[attr-defined]


def test_names_do_not_collide() -> None:
    """Ops beside a node have names of their own, whatever the nodes are called."""
    nodes = {
        "input": nir.Input(np.array([2])),
        "a": nir.Affine(np.eye(2), np.ones(2)),
        "a.bias": nir.Scale(np.array([2.0, 1])),
        "n": neurons(2, r=2.0),
        "n.r": nir.Scale(np.array([1.0, 3])),
        "n.sum": neurons(2),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "a"), ("a", "a.bias"), ("a.bias", "n"), ("input", "n"), ("n", "n.r"), ("n.r", "n.sum")]
    graph = nir.NIRGraph(nodes=nodes, edges=[*edges, ("n.sum", "output")])
    check_spikes(graph, 3, np.array([[1.0, -0.5]]))


def test_without_its_metadata_a_file_is_read_as_any_other(tmp_path: Path) -> None:
    graph = networks.convolutions()
    ops = [op for op in graph.ops if op.name in ("image", "conv1")]
    plain = networks.network(
        "plain", 2, 1, *ops, networks.population("p", "conv1", level=1, q=400.0, members=1),
        Conv2d(name="c", inputs=("p",), weight=networks.weights(3, 2, 130, 1, 1)), networks.readout("c", level=2),
    )  # fmt: skip
    with pytest.warns(GanglionWarning):
        emit(plain, tmp_path / "net.nir")
    read = nir.read(tmp_path / "net.nir")
    del read.metadata[NETWORK]
    net = check_spikes(strip(read), 2, np.random.default_rng(0).integers(-8, 9, (1, 2, 7, 6)) / 4)
    assert isinstance(net["p"], GroupNeuron)


def strip(graph: Any) -> Any:
    """Without v_0, which others do not know."""
    for node in graph.nodes.values():
        node.metadata.clear()
    return graph
