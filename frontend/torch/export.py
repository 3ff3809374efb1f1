"""A torch model becomes an ONNX file."""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from ganglion.errors import CompileError, InputError

from .activation import named_activations

OPSET = 18
_SCOPES = "pkg.torch.onnx.name_scopes"  # where the dynamo exporter writes the module path of a node


def export(
    model: nn.Module,
    example: Tensor,
    path: str | os.PathLike[str],
    *,
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
    dynamo: bool = True,
    dynamic_batch: bool = True,
) -> Path:
    """Write `model` as one ONNX file (opset 18, weights inside) and return its path.

    `example` is a batch of inputs (N, ...). The graph has one input "input" and one output "logits", whose
    first axis is "batch" unless `dynamic_batch` is False (then it is N). The model is exported as it is in
    eval mode; its mode is restored. Nodes carry the name of the module they come from: "layer1.0.relu/Floor".

    `input_range` (low, high) and `input_step` tell the compiler which real values the input takes: low, low +
    step, ..., high; digits with 17 grey levels in [0, 1] have range (0, 1) and step 1/16. They are kept in the
    file's metadata as "ganglion.input_range" = "low,high" and "ganglion.input_step" = "step".

    `dynamo` picks torch's exporter: the current one, built on torch.export, or (False) the older one, built on
    tracing, which is much faster and which torch has deprecated.

    The file appears complete or not at all; one that was there before is replaced only then. Errors:
    `InputError` for unusable arguments, `CompileError` if a threshold is not positive or torch cannot export.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if not isinstance(example, Tensor) or example.ndim < 2:
        raise InputError("the example has to be one tensor with a batch axis, (N, ...)")
    metadata = _input_metadata(input_range, input_step)
    for name, activation in named_activations(model):
        if not 0 < activation.threshold.item() < math.inf:
            raise CompileError(
                f"the threshold is {activation.threshold.item():g}, and has to be positive and finite",
                origin=(name,),
                hint="train or calibrate the network again",
            )
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        proto = _run_exporter(model, example, dynamo, dynamic_batch)
    finally:
        for module, training in modes:
            module.training = training
    _name_nodes(proto, {name for name, _ in model.named_modules(remove_duplicate=False)})
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    _write(proto, path)
    return path


def _input_metadata(input_range: tuple[float, float] | None, input_step: float | None) -> dict[str, str]:
    metadata = {}
    if input_range is not None:
        low, high = (float(bound) for bound in input_range)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"an input range is (low, high) with low < high, not {input_range}")
        metadata["ganglion.input_range"] = f"{low!r},{high!r}"
    if input_step is not None:
        if not (math.isfinite(input_step) and input_step > 0):
            raise InputError(f"an input step has to be positive, not {input_step}")
        metadata["ganglion.input_step"] = repr(float(input_step))
    return metadata


def _run_exporter(model: nn.Module, example: Tensor, dynamo: bool, dynamic_batch: bool) -> onnx.ModelProto:
    if dynamic_batch and len(example) == 1:
        example = torch.cat([example, example])  # a batch of one would be taken for a constant
    options: dict[str, Any] = {}
    if dynamic_batch and dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif dynamic_batch:
        options["dynamic_axes"] = {"input": {0: "batch"}, "logits": {0: "batch"}}
    try:
        with torch.no_grad(), _quiet(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "model.onnx")
            program = torch.onnx.export(
                model,
                (example,),
                None if dynamo else file,
                input_names=["input"],
                output_names=["logits"],
                opset_version=OPSET,
                dynamo=dynamo,
                verbose=False,
                **options,
            )
            proto = program.model_proto if program is not None else onnx.load_model(file)
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CompileError(
            f"torch's {'current' if dynamo else 'older'} exporter cannot export {type(model).__name__}: {reason}",
            hint=f"try dynamo={not dynamo}" + (", or dynamic_batch=False" if dynamic_batch else ""),
        ) from error
    if len(proto.graph.input) != 1 or len(proto.graph.output) != 1:
        raise CompileError(f"{type(model).__name__} has to have one input and one output to be exported")
    return proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters report their progress and their own deprecations; neither is the user's business."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _name_nodes(proto: onnx.ModelProto, modules: set[str]) -> None:
    """Call a node "layer1.0.relu/Floor" where its exporter says which module it belongs to."""
    taken: dict[str, int] = {}
    for node in proto.graph.node:
        module = _scope(node)
        if module not in modules:
            continue
        name = f"{module}/{node.op_type}" if module else node.op_type
        taken[name] = taken.get(name, 0) + 1
        node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"


def _scope(node: onnx.NodeProto) -> str | None:
    """The qualified name of the module that `node` comes from, "" for the model itself, None if not told."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:  # "['', 'layer1', 'layer1.0', 'layer1.0.relu', 'floor']"
            scopes = ast.literal_eval(entry.value)
            return str(scopes[-2]) if len(scopes) > 1 else None
    if not node.name.startswith("/"):  # the older exporter: "/layer1/layer1.0/relu/Floor"
        return None
    module = ""
    previous = ""
    for part in node.name.split("/")[1:-1]:
        # a member of a container repeats the container's name: "layer1/layer1.0"
        own = part.removeprefix(previous + ".") if previous else part
        module = f"{module}.{own}" if module else own
        previous = part
    return module


def _write(proto: onnx.ModelProto, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".ganglion-", dir=path.parent) as folder:
        complete = Path(folder, path.name)
        try:
            onnx.save_model(proto, complete)
            os.replace(complete, path)
        except (OSError, ValueError) as error:  # ValueError: past protobuf's 2 GB
            raise InputError(f"cannot write {path}: {error}") from error
