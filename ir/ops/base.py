"""What every op of the spiking IR has in common."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ganglion.errors import CompileError, InternalError
from ganglion.ir.types import Current, Potential, Shape, Spikes, Type

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Op:
    """One node of the graph: it reads the values named in `inputs` and defines the value `name`.

    `origin` names the ONNX nodes the op came from. Arrays are made read-only. Ops compare by
    identity, because they hold arrays; compare networks through their text form.
    """

    mnemonic: ClassVar[str] = ""

    name: str
    inputs: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if "Array" in str(field.type) and value is not None:
                view = np.asarray(value).view()
                view.flags.writeable = False
                object.__setattr__(self, field.name, view)
            elif isinstance(value, np.generic):
                object.__setattr__(self, field.name, value.item())

    def infer(self, *types: Type) -> Type:
        """The type of the value this op defines, from the types of its inputs.

        Raises `CompileError` where the op cannot take them.
        """
        raise NotImplementedError

    def fail(self, message: str, hint: str = "") -> CompileError:
        """An error about this op, under the names the user knows."""
        return CompileError(message, origin=self.origin or (self.name,), hint=hint)

    def bug(self, message: str) -> InternalError:
        """An error about this op that no user's model should be able to cause."""
        return InternalError(f"{self.mnemonic} '{self.name}': {message}")

    def one_of(self, types: tuple[Type, ...], *allowed: type) -> Type:
        """The type of the only input, which must be one of `allowed`."""
        if len(types) != 1 or not isinstance(types[0], allowed):
            names = " or ".join(a.__name__.lower() for a in allowed)
            raise self.bug(f"takes one {names} input, got {', '.join(map(str, types)) or 'none'}")
        return types[0]

    def same_shape(self, types: tuple[Type, ...], *allowed: type) -> Shape:
        """The common shape of one or more inputs, each of one of the types `allowed`."""
        if not types or not all(isinstance(t, allowed) for t in types):
            names = " or ".join(a.__name__.lower() for a in allowed)
            raise self.bug(f"takes {names} inputs, got {', '.join(map(str, types)) or 'none'}")
        shapes = {t.shape for t in types}
        if len(shapes) != 1:
            raise self.fail(f"the inputs have different shapes: {', '.join(map(str, sorted(shapes)))}")
        return shapes.pop()

    def check_channelwise(self, what: str, array: Array, shape: Shape) -> None:
        """Demand that `array` is a scalar, one value per channel, or one per neuron of `shape`."""
        if array.shape not in ((), shape[:1], shape):
            raise self.fail(f"{what} has shape {array.shape}; expected (), {shape[:1]} or {shape}")


def per_channel(array: Array, shape: Shape) -> Array:
    """`array` in a form that broadcasts over `shape` from the right.

    `array` is (), (C,) or `shape`, with any number of leading axes kept by the caller's indexing:
    a table of shape (K, C) is passed row by row.
    """
    if array.ndim == 1 and len(shape) > 1:
        return array.reshape(array.shape + (1,) * (len(shape) - 1))
    return array


def is_integer(array: Array) -> bool:
    """Whether `array` holds integers (the state after quantisation)."""
    return bool(np.issubdtype(array.dtype, np.integer))


__all__ = ["Array", "Current", "Op", "Potential", "Shape", "Spikes", "Type", "is_integer", "per_channel"]
