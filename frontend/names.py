"""Names that people recognise: the path of the torch module behind an ONNX node, where there is one.

The older torch exporter writes the path into the node's name (`/layer1/layer1.0/act1/Floor`), and
`ganglion.frontend.torch.export` does so too (`layer1.0.act1/Floor`); the newer
one writes it into the metadata (`pkg.torch.onnx.name_scopes`). Other exporters' nodes take the name of
the value they compute.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

import onnx_ir as ir

SCOPES = "pkg.torch.onnx.name_scopes"


class Names:
    """Hands out names that are sanitised and never used twice."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.used = set(reserved)

    def fresh(self, wanted: str) -> str:
        """`wanted`, sanitised, with `_2`, `_3`, ... appended where it is taken."""
        base = sanitise(wanted)
        name, count = base, 1
        while name in self.used:
            count += 1
            name = f"{base}_{count}"
        self.used.add(name)
        return name


def sanitise(name: str) -> str:
    """`name` with everything outside [A-Za-z0-9_.-] replaced by `_`; never empty."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.") or "value"


def module_path(node: ir.Node) -> str:
    """The dotted path of the torch module whose forward made `node`: `layer1.0.act1`; "" if unknown."""
    scopes = node.metadata_props.get(SCOPES)
    if scopes is not None:
        return _from_scopes(scopes)
    return _from_path([part for part in (node.name or "").split("/")[:-1] if part])


def _from_scopes(text: str) -> str:
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError):  # written by something else than torch: then it tells us nothing
        return ""
    if not isinstance(scopes, list) or len(scopes) < 2:
        return ""
    return str(scopes[-2])  # the last one is the operator itself


def _from_path(parts: Sequence[str]) -> str:
    """`["layer1", "layer1.0", "act1"]` -> `layer1.0.act1`: a container's child repeats the container's name."""
    path: list[str] = []
    for part in parts:
        if path and part.startswith(path[-1] + "."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path)


def population_name(nodes: Sequence[ir.Node], output: ir.Value) -> str:
    """The name of an activation made of `nodes` (those that are not affine first) with result `output`."""
    for node in nodes:
        path = module_path(node)
        if path:
            return path
    return output.name or ""


def projection_name(node: ir.Node) -> str:
    """The name of the linear op that comes from `node`.

    The newer torch exporter folds a BatchNorm into the convolution and calls the result after the BatchNorm;
    the weight still has the convolution's name, so that is preferred where both lie in one module.
    """
    path = module_path(node)
    for value in node.inputs:
        stem, dot, last = ((value.name if value is not None else None) or "").rpartition(".")
        if dot and last == "weight" and _parent(stem) == _parent(path):
            return stem
    return path or node.outputs[0].name or ""


def _parent(path: str) -> str:
    return path.rpartition(".")[0]
