"""NIR graphs and files that cannot be read: the node or the file is named, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion.backends.nir import emit
from ganglion.cli import main
from ganglion.errors import CompileError, GanglionWarning, InputError
from ganglion.ir.nir import DIGEST, NETWORK, digest
from tests.backends import networks
from tests.nir_graphs import CODES, fully, graph_of, neurons, nir


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
