"""Torch to ONNX with both exporters, judged by onnxruntime."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
import onnxruntime  # type: ignore[import-untyped]  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from ganglion.errors import CompileError, InputError  # noqa: E402
from ganglion.frontend.torch import QCFS, convert, export  # noqa: E402
from tests.models import models  # noqa: E402

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "tracing"])


class Small(nn.Module):
    """A convolution with batch norm, a residual join, an average pool and two functional ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(2 * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn(self.conv(x)))
        y = torch.relu(y + x)
        y = nn.functional.avg_pool2d(y, 2)
        return self.fc(self.drop(y.flatten(1)))  # type: ignore[no-any-return]


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    small = convert(nn.Sequential(Small()), 4)
    with torch.no_grad():
        for _ in range(3):  # batch statistics that are not the initial ones
            small.train()(torch.rand(16, 2, 6, 6))
    # not 4, the number of levels: a step of 1 would be optimised away
    small.get_parameter("0.relu.threshold").data.fill_(1.7)
    small.get_parameter("0.relu_2.threshold").data.fill_(2.3)
    return small.eval()


def run(path: Path, x: Tensor) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"input": x.numpy()})[0])


@both
def test_onnxruntime_computes_what_torch_does_for_any_batch(model: nn.Module, tmp_path: Path, dynamo: bool) -> None:
    path = export(model, torch.rand(1, 2, 6, 6), tmp_path / "m.onnx", dynamo=dynamo)
    assert path == tmp_path / "m.onnx"
    for batch in (1, 2, 7):
        x = torch.rand(batch, 2, 6, 6)
        with torch.no_grad():
            np.testing.assert_allclose(run(path, x), model(x).numpy(), atol=1e-5, rtol=0)


@both
def test_the_graph_is_clean(model: nn.Module, tmp_path: Path, dynamo: bool) -> None:
    proto = onnx.load_model(export(model, torch.rand(3, 2, 6, 6), tmp_path / "m.onnx", dynamo=dynamo))
    onnx.checker.check_model(proto, full_check=True)
    assert all(entry.version >= 13 for entry in proto.opset_import if entry.domain == "")
    names = [node.name for node in proto.graph.node]
    assert len(set(names)) == len(names)
    for activation in ("0.relu", "0.relu_2"):
        staircase = [n.op_type for n in proto.graph.node if n.name.startswith(activation + "/")]
        assert [op for op in staircase if op != "Constant"] == ["Div", "Add", "Floor", "Clip", "Mul"]
    assert "0.fc/Gemm" in names
    axes = [value.type.tensor_type.shape.dim[0].dim_param for value in (*proto.graph.input, *proto.graph.output)]
    assert axes == ["batch", "batch"]
    assert [value.name for value in (*proto.graph.input, *proto.graph.output)] == ["input", "logits"]
    assert not any(tensor.external_data for tensor in proto.graph.initializer)
    assert list(tmp_path.iterdir()) == [tmp_path / "m.onnx"]


@both
def test_torch_s_own_export_of_a_training_graph_is_clean_too(tmp_path: Path, dynamo: bool) -> None:
    qcfs = nn.Sequential(nn.Linear(3, 3), QCFS(4, 1.3)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            qcfs, (torch.rand(2, 3),), tmp_path / "m.onnx", dynamo=dynamo, opset_version=18, verbose=False
        )
    ops = [node.op_type for node in onnx.load_model(tmp_path / "m.onnx").graph.node if node.op_type != "Constant"]
    assert ops == ["Gemm", "Div", "Add", "Floor", "Clip", "Mul"]


@both
def test_fixed_batch(model: nn.Module, tmp_path: Path, dynamo: bool) -> None:
    path = export(model, torch.rand(1, 2, 6, 6), tmp_path / "m.onnx", dynamo=dynamo, dynamic_batch=False)
    assert onnx.load_model(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


@both
def test_metadata(model: nn.Module, tmp_path: Path, dynamo: bool) -> None:
    example = torch.rand(2, 2, 6, 6)
    path = export(
        model, example, tmp_path / "m.onnx", dynamo=dynamo, input_range=(0, 1), input_step=1 / 16, dynamic_batch=False
    )
    entries = {entry.key: entry.value for entry in onnx.load_model(path).metadata_props}
    assert entries["ganglion.input_range"] == "0.0,1.0"
    assert entries["ganglion.input_step"] == "0.0625"
    plain = export(model, example, tmp_path / "n.onnx", dynamo=dynamo, dynamic_batch=False)
    assert not any(entry.key.startswith("ganglion.") for entry in onnx.load_model(plain).metadata_props)


@both
def test_modes_are_restored_and_nothing_is_said(
    model: nn.Module, tmp_path: Path, dynamo: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    model.train()
    model.get_submodule("0.bn").eval()
    modes = [module.training for module in model.modules()]
    path = export(model, torch.rand(2, 2, 6, 6), tmp_path / "m.onnx", dynamo=dynamo)
    assert [module.training for module in model.modules()] == modes
    assert capfd.readouterr() == ("", "")
    x = torch.rand(5, 2, 6, 6)
    with torch.no_grad():
        np.testing.assert_allclose(run(path, x), model.eval()(x).numpy(), atol=1e-5, rtol=0)


class Unexportable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("no such thing")


@both
def test_a_failing_export_leaves_the_old_file_and_nothing_else(tmp_path: Path, dynamo: bool) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    broken = Unexportable().train()
    with pytest.raises(CompileError, match="exporter cannot export Unexportable") as caught:
        export(broken, torch.rand(2, 3), path, dynamo=dynamo)
    assert f"dynamo={not dynamo}" in caught.value.hint
    assert broken.training
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")

    def half(_proto: onnx.ModelProto, file: Path) -> None:
        Path(file).write_bytes(b"ha")
        raise OSError("the disk is full")

    monkeypatch.setattr(onnx, "save_model", half)
    with pytest.raises(InputError, match=r"cannot write .*m\.onnx: the disk is full"):
        export(model, torch.rand(2, 2, 6, 6), path, dynamo=False)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_unusable_arguments(model: nn.Module, tmp_path: Path) -> None:
    example = torch.rand(2, 2, 6, 6)
    with pytest.raises(InputError, match="no folder"):
        export(model, example, tmp_path / "none" / "m.onnx")
    with pytest.raises(InputError, match="batch axis"):
        export(model, torch.rand(3), tmp_path / "m.onnx")
    for bounds in ((1.0, 0.0), (0.0, float("inf"))):
        with pytest.raises(InputError, match="input range"):
            export(model, example, tmp_path / "m.onnx", input_range=bounds)
    for step in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="input step"):
            export(model, example, tmp_path / "m.onnx", input_step=step)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_is_no_threshold_is_named(model: nn.Module, tmp_path: Path, threshold: float) -> None:
    model.get_parameter("0.relu_2.threshold").data.fill_(threshold)
    with pytest.raises(CompileError, match=r"0\.relu_2: the threshold is"):
        export(model, torch.rand(2, 2, 6, 6), tmp_path / "m.onnx")


@both
@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet20"])
def test_the_example_networks(name: str, tmp_path: Path, dynamo: bool) -> None:
    """In double precision: in single, the rounding of folded batch norms moves a few of 10^5 values over a step.

    (onnxruntime has no convolution in double.)
    """
    network = models.random_network(name).double()
    x = models.random_images(models.NETWORKS[name].shape, 3, seed=5).double()
    path = export(network, x, tmp_path / "m.onnx", dynamo=dynamo)
    with torch.no_grad():
        expected = network(x).numpy()
    found: Any = ReferenceEvaluator(onnx.load_model(path)).run(None, {"input": x.numpy()})
    np.testing.assert_allclose(found[0], expected, atol=1e-5, rtol=0)
