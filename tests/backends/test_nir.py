"""Networks as NIR: what the file says, interpreted by NIR's own equations, are the simulator's spikes."""

from __future__ import annotations

import operator
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ganglion
from ganglion.backends.nir import BACKEND, check, container, emit, forms
from ganglion.backends.nir.diagnose import REASONS, SUPPORTED
from ganglion.backends.nir.kernels import kernel_of
from ganglion.cli import main
from ganglion.errors import CompileError, GanglionWarning, InputError
from ganglion.ir import OPS, Array, Conv2d, Graph, GroupNeuron, OneToOne, Stage, passes
from ganglion.ir.file import to_bytes
from ganglion.ir.nir import digest
from tests import oracle
from tests.backends import networks
from tests.networks import general_networks, integer_networks, samples
from tests.nir_oracle import Interpreter

nir = pytest.importorskip("nir")
NETWORKS = {"mlp": networks.mlp, "convolutions": networks.convolutions, "residual": networks.residual}
ALWAYS = {"input codes", "windows", "synaptic latency", "integers", "value of the output"}


def of_one_member(graph: Graph) -> Graph:
    """`graph` with one member in every population, for the threshold and spike of the first two together."""
    ops = [
        replace(op, thresholds=op.inhibition[:1] // 2 + 1, inhibition=op.inhibition[:1])
        if isinstance(op, GroupNeuron)
        else op
        for op in graph.ops
    ]
    return graph.rebuild(ops, members=1)


def write(graph: Graph, path: Path) -> list[str]:
    """Emit `graph`, over what is there; returns the warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert emit(graph, path, overwrite=True) == path
    assert all(w.category is GanglionWarning for w in told)
    return [str(w.message) for w in told]


def node_of(read: Any, op: str) -> str:
    """The node that belongs to the op of that name."""
    (found,) = [name for name, node in read.nodes.items() if node.metadata.get("ganglion_op") == op]
    return str(found)


def check_spikes(graph: Graph, path: Path, codes: Array, fires: Callable[..., Any] = operator.gt) -> Any:
    """The file gives the simulator's spikes and potentials, for `codes` (N, *shape); returns what was read."""
    read = nir.read(path)  # with nir's own check of the types
    source = graph.input
    run = ganglion.simulate(graph, (codes - source.zero_point) * source.scale, record="all", engine="step")
    for i, sample in enumerate(codes):
        interpreter = Interpreter(read, sample, graph.steps, fires)
        for op in graph.populations:
            spikes = interpreter.population(node_of(read, op.name))
            assert np.array_equal(spikes.reshape(graph.steps, -1), run.counts[op.name][:, i].reshape(graph.steps, -1))
            assert interpreter.level(node_of(read, op.name)) == graph.level(op.name)
        v = interpreter.window(node_of(read, graph.readout.name))
        potentials = run.potentials[graph.readout.name][:, i]
        assert np.array_equal(v.reshape(graph.steps, -1), potentials.reshape(graph.steps, -1))
    return read


@pytest.mark.parametrize("fires", [operator.gt, operator.ge])
@pytest.mark.parametrize("members", ["one", "several"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_gives_the_spikes_of_the_network(
    name: str, members: str, fires: Callable[..., Any], tmp_path: Path
) -> None:
    """Whether an NIR neuron fires at its threshold or above it makes no difference."""
    graph = NETWORKS[name]() if members == "several" else of_one_member(NETWORKS[name]())
    assert not check(graph)
    write(graph, tmp_path / "net.nir")
    codes = networks.codes(graph, 2)
    read = check_spikes(graph, tmp_path / "net.nir", codes, fires)
    run = ganglion.simulate(graph, codes, record="all")
    assert all(0 < counts.mean() < op.levels for op in graph.of(GroupNeuron) for counts in [run.counts[op.name]])
    kinds = {type(node).__name__ for node in read.nodes.values()}
    assert ("IF" in kinds) == any(op.members == 1 for op in graph.of(GroupNeuron))
    assert ("Threshold" in kinds) == (members == "several")
    assert ("Delay" in kinds) == (name == "residual")
    back = ganglion.import_nir(tmp_path / "net.nir")
    assert to_bytes(back) == to_bytes(graph)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=integer_networks(), ge=st.booleans())
def test_drawn_networks_come_through(graph: Graph, ge: bool, tmp_path: Path) -> None:
    """Spike for spike in the file, and back to the bit; only a max-pool stands in the way of what is drawn."""
    pools = [op.name for op in graph.ops if op.mnemonic == "max-pool"]
    assert [d.op for d in check(graph)] == pools
    if pools:
        return
    told = write(graph, tmp_path / "net.nir")
    assert {text.split(": ")[1].split(". ")[0] for text in told} >= ALWAYS
    codes = graph.input.encode(samples(graph, 1))[0]
    read = check_spikes(graph, tmp_path / "net.nir", codes, operator.ge if ge else operator.gt)
    assert digest(read) == read.metadata["ganglion_digest"]
    assert to_bytes(ganglion.import_nir(tmp_path / "net.nir")) == to_bytes(graph)
    assert to_bytes(ganglion.import_nir(read)) == to_bytes(graph)


@settings(max_examples=150)
@given(data=st.data())
def test_a_kernel_says_what_its_convolution_does(data: st.DataObject) -> None:
    """Groups, channels that are taken and placed, pads that differ or crop, kernels that are not square."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = (draw(st.sampled_from([2, 4])), draw(st.integers(4, 8)), draw(st.integers(4, 8)))
    groups, n = draw(st.sampled_from([1, 2])), draw(st.sampled_from([2, 4]))
    take = rng.integers(0, shape[0], n) if draw(st.booleans()) else None
    seen = shape[0] if take is None else n
    size = (2 * groups, seen // groups, draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    op = Conv2d(
        name="c", inputs=("x",), weight=rng.integers(-9, 10, size).astype(np.int8), exponent=draw(st.integers(0, 2)),
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        pads=tuple(draw(st.lists(st.integers(-1, 2), min_size=4, max_size=4))),  # type: ignore[arg-type]
        dilations=(draw(st.integers(1, 2)), draw(st.integers(1, 2))), groups=groups, take=take,
        offset=1, channels=draw(st.sampled_from([0, 2 * groups + 2])),
    )  # fmt: skip
    op = op if op.channels else replace(op, offset=0)
    try:
        out = op.out_shape(shape)
    except CompileError:
        return  # it does not fit its input
    kernel = kernel_of(op, shape)
    if kernel is None:
        assert min(op.strides) == 1  # an even and an odd side, and no place to spare
        return
    weight = kernel.weight(shape)
    assert weight.shape == (out[0], shape[0], kernel.side, kernel.side)
    assert kernel.entries(shape) == weight.size
    node = nir.Conv2d(
        shape[1:], weight.astype(float), op.strides, kernel.padding, kernel.dilations, 1, np.zeros(out[0])
    )
    assert tuple(node.input_type["input"]) == shape
    assert tuple(node.output_type["output"]) == out
    x = rng.integers(0, 9, shape).astype(float)
    same = replace(op, weight=weight.astype(np.int32), exponent=0, groups=1, take=None, channels=0, offset=0,
                   pads=(*kernel.padding, *kernel.padding), dilations=kernel.dilations)  # fmt: skip
    assert np.array_equal(oracle.linear(same, x), oracle.linear(op, x))


def test_what_nir_cannot_say_is_said_by_name(tmp_path: Path) -> None:
    told = write(networks.residual(), tmp_path / "net.nir")
    names = {text.removeprefix("NIR cannot say: ").split(". ")[0] for text in told}
    assert names == {*ALWAYS, "delays in steps", "bias in windows", "threshold"}  # all have several members
    one = of_one_member(networks.residual())
    names = {text.removeprefix("NIR cannot say: ").split(". ")[0] for text in write(one, tmp_path / "net.nir")}
    assert names == {*ALWAYS, "delays in steps", "bias in windows", "soft reset", "initial potential"}
    read = nir.read(tmp_path / "net.nir")
    assert {line.split(": ")[0] for line in read.metadata["ganglion_not_said"].splitlines()} == names
    node = read.nodes["a_relu"]
    assert node.metadata["ganglion_not_said"] == "windows, soft reset, initial potential, integers"
    assert node.metadata["ganglion_level"] == 1
    assert read.metadata["ganglion_steps"] == 3
    plain = of_one_member(networks.convolutions())
    bare = plain.rebuild([replace(op, bias=None) if isinstance(op, GroupNeuron) else op for op in plain.ops])
    assert not any("bias" in text or "delay" in text for text in write(bare, tmp_path / "net.nir"))


def test_integers_stand_in_the_file_as_they_are(tmp_path: Path) -> None:
    graph = of_one_member(networks.residual())
    write(graph, tmp_path / "net.nir")
    read = nir.read(tmp_path / "net.nir")
    conv, skip, neuron = (graph[name] for name in ("a/conv", "skip", "a/relu"))
    assert isinstance(conv, Conv2d)
    assert isinstance(skip, OneToOne)
    assert isinstance(neuron, GroupNeuron)
    assert np.array_equal(read.nodes["a_conv"].weight, conv.weight)
    assert np.array_equal(read.nodes["skip"].scale[:, 0, 0], skip.weight.astype(int) << skip.exponent)
    node = read.nodes["a_relu"]
    assert (node.v_threshold == neuron.inhibition).all()
    assert (node.metadata["ganglion_v_0"] == neuron.inhibition - neuron.thresholds + 0.5).all()
    assert not node.v_reset.any()
    assert node.v_threshold.dtype == np.float32
    large = forms_of_large_thresholds(graph)
    write(large, tmp_path / "net.nir")
    node = nir.read(tmp_path / "net.nir").nodes["a_relu"]
    assert node.v_threshold.dtype == np.float64  # 2^24 + 1 is no float32
    assert to_bytes(ganglion.import_nir(tmp_path / "net.nir")) == to_bytes(large)


def forms_of_large_thresholds(graph: Graph) -> Graph:
    wide = np.array([2**24 + 1], np.int32)
    ops = [replace(op, inhibition=wide) if op.name == "a/relu" else op for op in graph.ops]  # type: ignore[call-arg]
    return graph.rebuild(ops)


def test_average_pools_are_sums(tmp_path: Path) -> None:
    mean = np.full((4, 1, 2, 2), 31, np.int8) * np.array([1, 2, 3, 4], np.int8).reshape(-1, 1, 1, 1)
    graph = networks.network(
        "pool", 2, 1,
        networks.source((4, 5, 4), 0, 9),
        Conv2d(name="mean", inputs=("image",), weight=mean, strides=(2, 2), groups=4, pads=(1, 0, 1, 0), exponent=1),
        networks.population("p", "mean", level=1, q=900.0, members=1),
        OneToOne(name="out", inputs=("p",), weight=np.array(1, np.int8)),
        networks.readout("out", level=2),
    )  # fmt: skip
    write(graph, tmp_path / "net.nir")
    read = check_spikes(graph, tmp_path / "net.nir", networks.codes(graph, 2))
    assert {type(node).__name__ for node in read.nodes.values()} == {"Input", "SumPool2d", "Scale", "IF", "I", "Output"}
    assert to_bytes(ganglion.import_nir(tmp_path / "net.nir")) == to_bytes(graph)


def test_everything_that_stands_in_the_way_is_said_at_once(tmp_path: Path) -> None:
    found = check(networks.pools())
    assert {d.op for d in found} == {op.name for op in networks.pools().ops if op.mnemonic == "max-pool"}
    with pytest.raises(CompileError, match="cannot be written as NIR") as caught:
        emit(networks.pools(), tmp_path / "net.nir")
    assert str(caught.value).count("growth of a maximum") == len(found) > 1
    assert "average pools" in caught.value.hint
    assert not list(tmp_path.iterdir())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=general_networks())
def test_neurons_that_nir_has_not_are_refused(graph: Graph) -> None:
    told = {(d.op, d.message) for d in check(graph)}
    for op in graph.of(GroupNeuron):
        messages = " ".join(message for name, message in told if name == op.name)
        assert ("take spikes back" in messages) == bool(op.takers)
        assert ("bias of its own at each step" in messages) == (op.bias_by_step is not None)


def test_every_op_is_written_or_refused_with_a_reason() -> None:
    assert not [op for op in OPS if issubclass(op, SUPPORTED) == (op in REASONS)]


def test_binary_digits_are_refused() -> None:
    graph = networks.mlp()
    op = graph["relu1"]
    assert isinstance(op, GroupNeuron)
    k = np.arange(1, 4, dtype=np.int32)
    digits = replace(op, digits=2, thresholds=100 * k, inhibition=np.full(3, 100, np.int32))
    (found,) = check(graph.rebuild([digits if o is op else o for o in graph.ops]))
    assert found.op == "relu1"
    assert found.origin == ("/relu1/Relu",)
    assert "binary digits" in found.message


@pytest.mark.parametrize("stage", ["scheduled", "clustered"])
def test_other_stages_are_refused(stage: str) -> None:
    graph = networks.residual()
    other = passes.expand_clusters(graph) if stage == "clustered" else graph.rebuild(graph.ops, stage=Stage.SCHEDULED)
    found = check(other)
    assert stage in found[0].message
    assert found[0].hint == ("emit the network before it is expanded" if stage == "clustered" else "compile it first")


def test_a_connection_too_large_to_spell_out_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(forms, "LIMIT", 50_000)
    (found,) = check(networks.convolutions())  # 130 channels in 130 groups
    assert found.op == "depthwise"
    assert f"{130 * 130 * 25:,} weights" in found.message
    assert "smaller" in found.hint


def test_a_file_is_replaced_only_if_it_is_one_and_that_is_wanted(tmp_path: Path) -> None:
    path, graph = tmp_path / "net.nir", networks.mlp()
    write(graph, path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="is a NIR file already") as caught:
        emit(graph, path)
    assert "--overwrite" in caught.value.hint
    for content in (b"", b"not NIR", before[: len(before) // 2]):
        other = tmp_path / "other"
        other.write_bytes(content)
        with pytest.raises(InputError, match="is not a NIR file"):
            emit(graph, other, overwrite=True)
        assert other.read_bytes() == content
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["version"] = 3
    for place in (tmp_path / "other.h5", tmp_path):
        with pytest.raises(InputError, match="is not a NIR file"):
            emit(graph, place, overwrite=True)
    with pytest.raises(InputError, match="there is no folder"):
        emit(graph, tmp_path / "nowhere" / "net.nir")
    assert path.read_bytes() == before
    write(graph, path)
    assert path.read_bytes() == before  # the same network is the same file
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.nir", "other", "other.h5"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(nir, "write", failing)
    with pytest.raises(RuntimeError):
        emit(networks.mlp(), tmp_path / "net.nir")
    monkeypatch.undo()
    monkeypatch.setattr(container, "write_whole", failing)
    with pytest.raises(RuntimeError):
        emit(networks.mlp(), tmp_path / "net.nir")
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(networks.mlp(), tmp_path / "net.nir")
    monkeypatch.setitem(sys.modules, "nir", None)
    calls: list[Callable[[], object]] = [
        lambda: emit(networks.mlp(), tmp_path / "other.nir"),
        lambda: ganglion.import_nir(tmp_path / "net.nir"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="package nir") as caught:
            call()
        assert caught.value.hint == "pip install 'ganglion[nir]'"
    assert not check(networks.mlp())
    (found,) = [f for f in ganglion.doctor() if f.name == "nir"]
    assert found.ok  # the package is there, though this process may not import it


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = networks.residual()
    net, file, back = (str(tmp_path / name) for name in ("net.onnx", "net.nir", "back.onnx"))
    ganglion.save(graph, net)
    assert main(["emit", net, "-o", file, "--backend", "nir"]) == 0
    told = capsys.readouterr()
    assert "warning: NIR cannot say: windows." in told.err
    assert BACKEND.usage(Path(file))[0] in told.out
    assert main(["emit", net, "-o", file, "--backend", "nir"]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert main(["emit", net, "-o", file, "--backend", "nir", "--overwrite"]) == 0
    assert main(["import-nir", file, "-o", back]) == 0
    assert Path(back).read_bytes() == Path(net).read_bytes()
    capsys.readouterr()
    assert main(["import-nir", file, "-o", back, "--steps", "7"]) == 2
    assert "was written for T = 3; steps=7 does not fit" in capsys.readouterr().err
    ganglion.save(networks.pools(), net)
    assert main(["emit", net, "-o", str(tmp_path / "pools.nir"), "--backend", "nir"]) == 2
    assert "growth of a maximum" in capsys.readouterr().err
    shutil.copy(file, net)
    assert main(["emit", net, "-o", str(tmp_path / "x.nir"), "--backend", "nir"]) == 2
