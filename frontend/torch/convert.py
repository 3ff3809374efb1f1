"""Every ReLU of a model becomes a QCFS, or another activation that is trained for spikes: the walk over the modules.
`rewrite` deals with what is no module."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ganglion.errors import CompileError, InputError

from .activation import Activation
from .conversion import POOLS, Conversion, MaxPool, no_average, refused
from .qcfs import QCFS
from .rewrite import rewrite

ADAPTIVE = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
ACTIVATIONS = "torch.nn.modules.activation"
# torch.nn's files whose modules apply a nonlinearity inside
NONLINEAR = (ACTIVATIONS, "torch.nn.modules.rnn", "torch.nn.modules.transformer")


def convert(
    model: nn.Module,
    levels: int | None = None,
    max_pool: MaxPool = "keep",
    noise: float = 0.0,
    *,
    activation: Activation | None = None,
) -> nn.Module:
    """A copy of `model` in which every ReLU is a QCFS of `levels` levels; `model` itself is left as it was.

    `activation`, in place of `levels` and `noise`: what every ReLU becomes, a copy for each, such as
    `ThresholdReLU(trainable=False)`; what is said of QCFS here holds for it.

    Found are nn.ReLU, F.relu, torch.relu, Tensor.relu and their in-place forms, and the clipped ReLUs nn.ReLU6,
    F.relu6 and nn.Hardtanh(0, c), whose QCFS starts with the clip as its threshold (others start at `levels`).
    Each call site gets its own: a ReLU module under two names, or called twice in one forward method, becomes
    two. A block that is called twice shares its thresholds, as it shares its weights.

    Names: a QCFS takes the place and the name of its ReLU module; those for further calls and for functions are
    named "relu", "relu_2", ... beside it. Weights, modes, and all other names and state_dict keys stay. A module
    keeps its class unless its forward method has to change: that is traced with torch.fx into a GraphModule with
    the same members, in which arguments with a default always have that value.

    `max_pool`: "average" puts an average pool of the same geometry (padding counts as zeros) in place of every
    max pool, as the converted networks in the literature have; "keep" leaves max pools, which cannot be
    compiled, where they are.

    `noise`: what every QCFS adds in training, in steps (NQ, arXiv 2404.17456; see `QCFS`).

    Errors: `CompileError`, with the module's name, for another activation (LeakyReLU, GELU, Sigmoid, ...), for a
    forward method that torch.fx cannot follow (control flow that depends on data), and for a max pool that has
    no average pool of the same geometry (dilated, with indices, adaptive).
    """
    if max_pool not in ("keep", "average"):
        raise InputError(f"max_pool is 'keep' or 'average', not {max_pool!r}")
    if (levels is None) == (activation is None) or (activation is not None and noise):
        raise InputError("convert takes levels, with noise if you like, or an activation")
    like = QCFS(levels, noise=noise) if levels is not None else activation
    if not isinstance(like, Activation):
        raise InputError(f"the activation is a QCFS or a ThresholdReLU, not {type(like).__name__}")
    return _convert(Conversion(like=like, max_pool=max_pool), copy.deepcopy(model), "")


def _convert(conversion: Conversion, module: nn.Module, path: str) -> nn.Module:
    """What takes the place of `module`, whose qualified name is `path`."""
    if isinstance(module, Activation):
        return module
    if _defined_in(module) == ACTIVATIONS:
        return _activation(conversion, module, path)  # each place gets its own
    if module not in conversion.done:
        conversion.done[module] = _other(conversion, module, path)
    return conversion.done[module]


def _activation(conversion: Conversion, module: nn.Module, path: str) -> Activation:
    in_place = bool(getattr(module, "inplace", False))
    if isinstance(module, nn.ReLU):
        return conversion.activation(module, in_place=in_place)
    if isinstance(module, nn.Hardtanh) and module.min_val == 0 and module.max_val > 0:  # ReLU6 is one
        return conversion.activation(module, clip=float(module.max_val), in_place=in_place)
    raise refused(type(module).__name__, path or "the model")


def _other(conversion: Conversion, module: nn.Module, path: str) -> nn.Module:
    where = path or type(module).__name__
    if conversion.max_pool == "average":
        if isinstance(module, tuple(POOLS)):
            return conversion.average(module, where)
        if isinstance(module, ADAPTIVE):
            raise no_average("an adaptive max pool", where)
    if _defined_in(module) in NONLINEAR:
        raise refused(type(module).__name__, where)
    if isinstance(module, torch.jit.ScriptModule) or "forward" in vars(module):
        raise CompileError(
            f"{type(module).__name__} hides its forward method (scripted, or set on the instance)",
            origin=(where,),
            hint="convert the model before that is done to it",
        )
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _convert(conversion, child, f"{path}.{name}" if path else name)
    if not _defined_in(module).startswith("torch.nn."):
        return rewrite(conversion, module, path)
    if isinstance(module, nn.Sequential):
        first = next(iter(module), None)
        if first in conversion.in_place or first in conversion.overwriting:
            conversion.overwriting.add(module)
    return module


def _defined_in(module: nn.Module) -> str:
    """The Python module that defines the forward method: a subclass may differ in its constructor only."""
    return type(module).forward.__module__ or ""
