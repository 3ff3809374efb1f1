"""What is no file of a model, or has lost its weights, is told so; nothing outside of the model's folder is read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from ganglion.errors import InputError
from ganglion.frontend import files, import_model, read
from ganglion.ir import to_text

from .helpers import assert_same_meaning, build, dyadic

PLANE = "float[N,C,H,W] y"


def small() -> onnx.ModelProto:
    return build("a = Conv(x, w) y = Add(a, b)", y=PLANE, weights={"w": dyadic(3, 2, 2, 2), "b": np.float32(0.5)})


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A model whose weights are in the file `big.data`."""
    onnx.save(small(), tmp_path / "big.onnx", save_as_external_data=True, size_threshold=0, location="big.data")
    return tmp_path / "big.onnx"


def test_every_source_gives_the_same_network(tmp_path: Path, beside: Path) -> None:
    model = small()
    onnx.save(model, tmp_path / "net.onnx")
    onnx.save(model, tmp_path / "net.json")
    sources = (model, ir.from_proto(model), tmp_path / "net.onnx", str(tmp_path / "net.onnx"), tmp_path / "net.json")
    texts = {
        to_text(import_model(source)).replace("network net", "network g").replace("network big", "network g")
        for source in (*sources, beside)
    }
    assert len(texts) == 1


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path, reason in (
        (tmp_path / "none.onnx", r"none\.onnx: there is no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.onnx", "is not a regular file"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(InputError, match=reason):
            read(path)
    with pytest.raises(InputError, match="a int cannot be read as a model"):
        read(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", ": it is empty"),
        (b"this is not a model", ", or is cut off"),
        (b"\x08\x08\x12", ", or is cut off"),
        (b"\x08\x08", ", or is cut off"),  # a version and nothing else
        (np.random.default_rng(0).bytes(5000), ", or is cut off"),
    ],
)
def test_a_foreign_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"foreign\.onnx: is not an ONNX file{reason}"):
        read(path)


def test_a_text_file_that_its_ending_promises_to_be_a_model(tmp_path: Path) -> None:
    for name in ("model.json", "model.textproto", "model.onnxtxt"):
        (tmp_path / name).write_text("some text")
        with pytest.raises(InputError, match=f"{name}: cannot be read as ONNX"):
            read(tmp_path / name)


@pytest.mark.parametrize("share", np.linspace(0.05, 0.98, 12))
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.onnx"
    data = small().SerializeToString()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"cut\.onnx"):
        read(path)


def test_a_file_beyond_the_limit_of_protobuf(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)  # takes no room
    with pytest.raises(InputError, match=r"huge\.onnx: has 2,147 MB; an ONNX file holds at most 2,147 MB") as caught:
        read(path)
    assert "save_as_external_data=True" in caught.value.hint


def test_weights_beside_the_file(beside: Path) -> None:
    graph = import_model(beside)
    assert graph.name == "big"
    assert to_text(graph).replace("big", "g") == to_text(assert_same_meaning(small()))


def test_weights_beside_the_file_that_are_cut_or_gone(beside: Path) -> None:
    data = beside.with_name("big.data")
    data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(InputError, match=r"big\.onnx: the weights stored beside it .* of 'big\.data', which has 10"):
        read(beside)
    data.unlink()
    with pytest.raises(InputError, match=r"'w' needs the file 'big\.data', which is missing"):
        read(beside)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", ""])
def test_weights_outside_of_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1000))
    (folder / "link").symlink_to(tmp_path / "secret")
    model = small()
    stored(model, location=location)
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(InputError, match=f"'w' lies in '{location}', outside of the model's folder"):
        read(folder / "model.onnx")


@pytest.mark.parametrize(("key", "value"), [("offset", "some"), ("offset", "-4"), ("offset", "1e3")])
def test_weights_described_wrongly(tmp_path: Path, key: str, value: str) -> None:
    model = small()
    stored(model, None, location="data", **{key: value})
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "data").write_bytes(bytes(1000))
    with pytest.raises(InputError, match=r"'w' (is described wrongly|needs)"):
        read(tmp_path / "model.onnx")


def test_weights_that_claim_more_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tensors may name the same few bytes."""
    monkeypatch.setattr(files, "MOST_STORED", 500)
    model = small()
    for index in range(6):
        copy = model.graph.initializer.add(name=f"w{index}")
        copy.MergeFrom(onnx.TensorProto(dims=[24], data_type=onnx.TensorProto.FLOAT))
        stored(model, copy, location="data")
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "data").write_bytes(bytes(96))
    with pytest.raises(InputError, match="has weights of 0 MB; at most 0 MB are supported"):
        read(tmp_path / "model.onnx")


def stored(model: onnx.ModelProto, tensor: onnx.TensorProto | None = None, **where: str) -> None:
    """Says that `tensor`, by default the first weights, is in another file."""
    tensor = tensor or model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in where.items():
        tensor.external_data.add(key=key, value=value)
