"""What one run of `convert` knows and makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from ganglion.errors import CompileError

from .activation import Activation

MaxPool = Literal["keep", "average"]

POOLS: dict[type[nn.Module], type[nn.Module]] = {
    nn.MaxPool1d: nn.AvgPool1d,
    nn.MaxPool2d: nn.AvgPool2d,
    nn.MaxPool3d: nn.AvgPool3d,
}


@dataclass(slots=True)
class Conversion:
    """One run of `convert`, on a copy of the model that may be changed.

    `like` is what every ReLU becomes a copy of. `done` maps a module to what became of it (a shared one is converted
    once). `in_place` holds the activations whose ReLU overwrote its input, `overwriting` the larger modules that
    overwrite theirs.
    """

    like: Activation
    max_pool: MaxPool
    done: dict[nn.Module, nn.Module] = field(default_factory=dict)
    created: set[nn.Module] = field(default_factory=set)
    in_place: set[nn.Module] = field(default_factory=set)
    overwriting: set[nn.Module] = field(default_factory=set)

    def activation(self, relu: nn.Module, *, clip: float | None = None, in_place: bool = False) -> Activation:
        """A new activation in the mode (train, eval) of `relu`; `clip` is where the ReLU clipped."""
        made = self.like.another(clip).train(relu.training)
        self.created.add(made)
        if in_place:
            self.in_place.add(made)
        return made

    def average(self, pool: nn.Module, where: str) -> nn.Module:
        """The average pool with the geometry of the max pool `pool`; `where` names it in an error."""
        geometry: Any = pool
        kind = next(average for maximum, average in POOLS.items() if isinstance(pool, maximum))
        dilation = geometry.dilation if isinstance(geometry.dilation, tuple) else (geometry.dilation,)
        if any(distance != 1 for distance in dilation):
            raise no_average("a dilated max pool", where)
        if geometry.return_indices:
            raise no_average("a max pool with indices", where)
        average = kind(geometry.kernel_size, geometry.stride, geometry.padding, geometry.ceil_mode)
        return average.train(pool.training)


def no_average(pool: str, where: str) -> CompileError:
    return CompileError(
        f"{pool} has no average pool of the same geometry", origin=(where,), hint="put an average pool in its place"
    )


def refused(activation: str, where: str) -> CompileError:
    """The error for a nonlinearity that no staircase of spikes stands for."""
    if activation.lower().replace("_", "") in ("softmax", "softmax2d", "softmin", "logsoftmax"):
        return CompileError(
            f"{activation} cannot become spikes",
            origin=(where,),
            hint="let the network end with its logits: they have the same order",
        )
    return CompileError(f"{activation} cannot become a QCFS", origin=(where,), hint="train the network with ReLU")
