"""NIR graphs of other tools: spikes as an interpreter of NIR's equations gives them; what cannot be read is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ganglion
from ganglion.backends.nir import emit
from ganglion.cli import main
from ganglion.errors import CompileError, GanglionWarning, InputError
from ganglion.ir import Array, Conv2d, Dense, GroupNeuron
from ganglion.ir.nir import DIGEST, NETWORK, digest
from tests.backends import networks
from tests.nir_oracle import Interpreter

nir = pytest.importorskip("nir")
CODES = {"input_range": (-4.0, 4.0), "input_step": 0.25}


def neurons(shape: Any, threshold: Any = 1.0, r: float = 1.0, **changes: Any) -> Any:
    ones = np.ones(shape)
    given = np.asarray(threshold, float).reshape(-1, *(1,) * (ones.ndim - 1))
    return nir.IF(r=r * ones, v_threshold=given * ones, **changes)


def graph_of(shape: Any, *nodes: Any, edges: Any = None, **more: Any) -> Any:
    """The nodes n0, n1, ... between `input` and `output`, in a row unless there are `edges`."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["input", *named, "output"]
    row = list(pairwise(names))
    every = {"input": nir.Input(np.array(shape)), **named, "output": nir.Output({"output": None})}
    return nir.NIRGraph(nodes=every, edges=row if edges is None else edges, type_check=False, **more)


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


def unreadable() -> dict[str, Any]:
    one = np.ones(4)
    inner = nir.NIRGraph.from_list(nir.Input(np.array([4])), nir.Linear(np.eye(4)), nir.Output(np.array([4])))
    return {
        "LIF": nir.LIF(tau=one, r=one, v_leak=one, v_threshold=one),
        "LI": nir.LI(tau=one, r=one, v_leak=one),
        "CubaLIF": nir.CubaLIF(tau_syn=one, tau_mem=one, r=one, v_leak=one, v_threshold=one),
        "CubaLI": nir.CubaLI(tau_syn=one, tau_mem=one, r=one, v_leak=one),
        "Threshold": nir.Threshold(one),
        "Delay": nir.Delay(one),
        "NIRGraph": inner,
    }


def test_nodes_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """One by one, and all at once."""
    for kind, node in unreadable().items():
        with pytest.raises(CompileError, match="1 of 3 nodes cannot be read") as caught:
            ganglion.import_nir(graph_of((4,), node), reset="soft", steps=2)
        assert caught.value.origin == ("n0",)
        assert f"n0: {kind}: " in caught.value.message
        assert "is not known" not in caught.value.message
        assert "AvgPool2d" in caught.value.hint
    with pytest.raises(CompileError, match="7 of 9 nodes") as caught:
        ganglion.import_nir(graph_of((4,), *unreadable().values()), reset="soft", steps=2)
    assert all(f"{kind}: " in caught.value.message for kind in unreadable())
    known = {"Input", "Output", "I", "IF", "Affine", "Linear", "Conv1d", "Conv2d", "Scale", "SumPool2d", "AvgPool2d"}
    nodes = {name for name in nir.ir.__all__ if isinstance(getattr(nir, name), type)} - {"NIRNode"}
    assert nodes == known | {"Flatten"} | set(unreadable())  # nir has no others


def fully(**changes: Any) -> Any:
    graph = graph_of((4,), nir.Linear(np.eye(4)), neurons(4, **changes))
    graph.nodes["output"] = nir.Output(np.array([4]))
    return graph


def varied() -> Any:
    node = neurons((2, 2, 2))
    node.v_threshold = np.arange(1.0, 9).reshape(2, 2, 2)
    return graph_of((2, 2, 2), nir.Scale(np.ones((2, 2, 2))), node)


def changed(graph: Any, **changes: Any) -> Any:
    vars(graph.nodes["n0"]).update(changes)
    return graph


def conv(**changes: Any) -> Any:
    settings = {"input_shape": (5, 5), "weight": np.ones((2, 2, 3, 3)), "stride": 1, "padding": 1, "dilation": 1}
    return graph_of((2, 5, 5), nir.Conv2d(**{**settings, "groups": 1, "bias": np.zeros(2), **changes}))


LOOP = [("input", "n0"), ("n0", "n1"), ("n1", "n0"), ("n1", "output")]
TWO = [("input", "n0"), ("n0", "n1"), ("n0", "output"), ("n1", "output")]
WRONG: dict[str, tuple[Callable[[], Any], tuple[str, ...], str]] = {
    "threshold within a channel": (varied, ("n1",), "differs within a channel"),
    "threshold of 0": (lambda: fully(threshold=0), ("n1",), "must be positive"),
    "v_reset": (lambda: fully(v_reset=-np.ones(4)), ("n1",), "v_reset is not 0"),
    "NaN": (lambda: fully(threshold=np.nan), ("n1",), "NaN or infinity"),
    "neurons of another shape": (lambda: graph_of((4,), neurons(3)), ("n0",), "has shape 3; 4 arrives"),
    "scale of another shape": (lambda: graph_of((4,), nir.Scale(np.ones(3))), ("n0",), "has shape 3; 4 arrives"),
    "matrix": (lambda: graph_of((4,), nir.Linear(np.ones((2, 3)))), ("n0",), "do not fit an input of shape 4"),
    "matrix after (C, H, W)": (lambda: graph_of((2, 2, 1), nir.Linear(np.ones((2, 4)))), ("n0",), "shape 2x2x1"),
    "stack of matrices": (lambda: graph_of((4,), nir.Linear(np.ones((1, 4, 4)))), ("n0",), "do not fit"),
    "biases": (lambda: graph_of((4,), nir.Affine(np.eye(4), np.ones(3))), ("n0",), "3 biases for 4 channels"),
    "convolution of a vector": (lambda: graph_of((4,), conv().nodes["n0"]), ("n0",), "do not fit an input"),
    "convolution of another extent": (lambda: conv(input_shape=(6, 5)), ("n0",), "expects an input of 6x5 places"),
    "groups": (lambda: conv(groups=2), ("n0",), "in 2 groups do not fit"),
    "kernel too large": (lambda: conv(weight=np.ones((2, 2, 9, 9))), ("n0",), "reaches over 9 places"),
    "stride 0": (lambda: changed(conv(), stride=0), ("n0",), "stride is 0;"),
    "padding -1": (lambda: conv(padding=-1), ("n0",), "padding is -1, -1"),
    "same with a stride": (lambda: conv(padding="same", stride=2), ("n0",), "goes with a stride of 1"),
    "pool of a vector": (lambda: graph_of((4,), nir.SumPool2d(2, 2, 0)), ("n0",), "takes (C, H, W)"),
    "flatten of another shape": (
        lambda: graph_of((2, 2), nir.Flatten(np.array([2, 3]), 0)), ("n0",), "expects [2, 3]; 2x2 arrives"),
    "flatten no axes": (lambda: graph_of((2, 2), nir.Flatten(np.array([2, 2]), 3)), ("n0",), "has no axes 3..-1"),
    "loop": (lambda: graph_of((4,), nir.Linear(np.eye(4)), neurons(4), edges=LOOP), ("n0", "n1"), "lead back"),
    "integrator inside": (
        lambda: graph_of((4,), nir.I(np.ones(4)), neurons(4)), ("n0",), "read by other nodes"),
    "integrator and others": (
        lambda: graph_of((4,), nir.Linear(np.eye(4)), nir.I(np.ones(4)), edges=TWO), ("n0", "n1"), "an integrator and"),
    "nothing before": (
        lambda: graph_of((4,), nir.Linear(np.eye(4)), nir.Linear(np.eye(4)), edges=[("input", "n0"), ("n0", "output"),
        ("n1", "output")]), ("n1",), "nothing leads to it"),
    "nothing behind": (
        lambda: graph_of((4,), nir.Linear(np.eye(4)), nir.Linear(np.eye(4)), edges=[("input", "n0"), ("n0", "output"),
        ("input", "n1")]), ("n1",), "leads nowhere"),
    "no such node": (lambda: graph_of((4,), neurons(4), edges=[("input", "n0"), ("n0", "n7")]), ("n7",), "not exist"),
    "two inputs": (lambda: graph_of((4,), nir.Input(np.array([4]))), ("input", "n0"), "has 2 Input nodes"),
    "two outputs": (lambda: graph_of((4,), nir.Output(np.array([4]))), ("n0", "output"), "has 2 Output nodes"),
    "shapes that meet": (
        lambda: graph_of((4,), nir.Linear(np.eye(4)), nir.Linear(np.ones((3, 4))), edges=[*TWO[:1], ("input", "n1"),
        *TWO[2:]]), ("output",), "different shapes"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_of_the_node(name: str) -> None:
    make, origin, message = WRONG[name]
    with pytest.raises(CompileError) as caught:
        ganglion.import_nir(make(), reset="soft", steps=2, **CODES)  # type: ignore[arg-type]
    assert message in caught.value.message
    assert caught.value.origin == origin


def test_the_output_says_its_shape() -> None:
    graph = fully()
    graph.nodes["output"] = nir.Output(np.array([5]))
    with pytest.raises(CompileError, match="it has shape") as caught:
        ganglion.import_nir(graph, reset="soft", steps=2)
    assert caught.value.origin == ("output",)


def test_options() -> None:
    """The reset has to be chosen, and a hard one has no form."""
    graph = fully()
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "does not say how its neurons are reset"),
        ({"steps": 3}, "reset is missing"),
        ({"reset": "soft"}, "steps is missing"),
        ({"reset": "medium", "steps": 3}, "'soft' or 'hard'"),
        ({"reset": "soft", "steps": 0}, "at least 1"),
        ({"reset": "soft", "steps": 2, "target": "loihi9"}, "loihi9"),
        ({"reset": "soft", "steps": 2, "input_step": 0.1}, "needs an input range"),
        ({"reset": "soft", "steps": 2, "input_range": (1, 1)}, "LOW < HIGH"),
    ]
    for options, message in cases:
        with pytest.raises(InputError) as caught:
            ganglion.import_nir(graph, **options)
        assert message in str(caught.value)
    with pytest.raises(CompileError, match="hard reset have no form") as refused:
        ganglion.import_nir(graph, reset="hard", steps=2)
    assert refused.value.origin == ("n1",)
    assert "soft reset" in refused.value.hint
    net = ganglion.import_nir(graph, reset="soft", steps=2, target="loihi1")
    assert net.target == "loihi1"
    assert "no range is known for the input 'input'" in net.notes[0]
    assert net.source == digest(graph)[:16]


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


def test_files_that_are_not_nir(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "other", "w") as file:
        file["version"] = 3
    nir.write(tmp_path / "node", nir.Linear(np.eye(4)))
    nir.write(tmp_path / "whole", fully())
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:3000])
    (tmp_path / "empty").write_bytes(b"")
    cases = {"other": "not a NIR file", "cut": "not a NIR file", "empty": "not a NIR file", "node": "not a NIR file",
             "missing": "no such file", ".": "no regular file"}  # fmt: skip
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            ganglion.import_nir(tmp_path / name, reset="soft", steps=2)
    with pytest.raises(InputError, match="a list cannot be read as NIR"):
        ganglion.import_nir([1], reset="soft", steps=2)


def test_a_file_that_was_changed_is_not_read_back(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    with pytest.warns(GanglionWarning):
        emit(networks.residual(), path)

    def weight(graph: Any) -> None:
        graph.nodes["a_conv"].weight[0, 0, 0, 0] += 1

    def edges(graph: Any) -> None:
        graph.edges.remove(("skip", "c_relu"))

    def level(graph: Any) -> None:
        graph.nodes["a_relu"].metadata["ganglion_level"] = 4

    def description(graph: Any) -> None:
        graph.metadata[NETWORK] = graph.metadata[NETWORK].replace('"steps": 3', '"steps": 4')

    changes: list[Callable[[Any], None]] = [weight, edges, level, description]
    for change in changes:
        graph = nir.read(path)
        change(graph)
        with pytest.raises(InputError, match="were changed since ganglion wrote it") as caught:
            ganglion.import_nir(graph)
        assert "without its metadata 'ganglion'" in caught.value.hint
    forged: list[Callable[[Any], None]] = [
        lambda g: g.metadata.update({NETWORK: "{"}),
        lambda g: g.metadata.update({NETWORK: g.metadata[NETWORK].replace('"version": 1', '"version": 2')}),
        lambda g: g.metadata.update({NETWORK: g.metadata[NETWORK].replace('"group-neuron"', '"grape-neuron"')}),
        lambda g: g.nodes["a_relu"].metadata.pop("ganglion_thresholds"),
    ]
    for change in forged:  # even where the digest fits
        graph = nir.read(path)
        change(graph)
        graph.metadata[DIGEST] = digest(graph)
        with pytest.raises(InputError, match=r"is damaged|version 2"):
            ganglion.import_nir(graph)


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


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir.write(tmp_path / "net.nir", fully(threshold=2.0))
    file, net = str(tmp_path / "net.nir"), str(tmp_path / "net.onnx")
    assert main(["import-nir", file, "-o", net]) == 2
    assert "--reset soft --steps T" in capsys.readouterr().err
    assert main(["import-nir", file, "-o", net, "--reset", "hard", "--steps", "2"]) == 2
    assert "n1: neurons with a hard reset have no form here" in capsys.readouterr().err
    assert not Path(net).exists()
    assert main(["import-nir", file, "-o", net, "--reset", "soft", "--steps", "4", "--input-range", "0", "1"]) == 0
    assert "group-neuron, 1 members" in capsys.readouterr().out
    loaded = ganglion.load(net)
    assert (loaded.steps, loaded.name) == (4, "net")
    assert main(["check", file]) == 2
    assert "ganglion import-nir" in capsys.readouterr().err
    assert main(["import-nir", file, "-o", file, "--reset", "soft", "--steps", "4"]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    shutil.copy(net, file)
    assert main(["import-nir", file, "-o", net, "--reset", "soft", "--steps", "4"]) == 2
    assert "is not a NIR file" in capsys.readouterr().err
