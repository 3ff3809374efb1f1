"""ganglion map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ganglion
from ganglion.cli import main
from ganglion.mapping import Mapping
from tests.backends import networks


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return ganglion.save(networks.mlp(), tmp_path / "net.onnx")


def test_the_json_has_the_documented_form(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = networks.mlp()
    np.save(tmp_path / "x.npy", (networks.codes(graph, 2) - graph.input.zero_point) * graph.input.scale)
    out = tmp_path / "mapped.onnx"
    command = ["map", str(net), "--target", "loihi2", "--input", str(tmp_path / "x.npy"), "-o", str(out), "--json", "-"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"fits", "cores", "chips", "binding", "layers"} <= told.keys()
    assert told["fits"] == "under assumptions"
    assert {"name", "cores", "binding", "utilisation"} <= told["layers"][0].keys()
    assert told["cores"] == sum(layer["cores"] for layer in told["layers"])
    assert Mapping.from_text(ganglion.load(out).mapping).core_count == told["cores"]


def test_people_get_tables_and_the_verdict(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", str(net), "--target", "loihi2", "--form", "cluster"]) == 0
    shown = capsys.readouterr().out
    for words in ("cluster form", "fits: under assumptions", "what binds", "assumed", "multiply-accumulates"):
        assert words in shown


def test_a_network_that_does_not_fit_gives_exit_code_1(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", str(net), "--target", "loihi1", "--form", "graded"]) == 1
    assert "fits: no" in capsys.readouterr().out


def test_bad_input_gives_exit_code_2(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", str(net), "--target", "loihi3"]) == 2
    assert "unknown target 'loihi3'" in capsys.readouterr().err
