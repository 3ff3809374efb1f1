"""Target descriptions: what a chip's integers look like. The values, with their sources, are in the .toml files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ganglion.errors import InputError

from .hardware import Hardware, Lists, Memory, hardware_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUNDLED = ("loihi1", "loihi2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The integer formats of a chip.

    weight_bits       bits of a synaptic weight, sign included
    max_exponent      largest exponent e of a projection, whose weights count 2^e membrane units
    membrane_bits     bits of a membrane potential, sign included
    max_delay         largest extra delay of a projection, in time-steps
    scales            "channel": a membrane unit of its own for every channel; "population": one for all
    hardware          cores, memories, axons, timing and energy; None where the description has none of it
    """

    name: str
    weight_bits: int
    max_exponent: int
    membrane_bits: int
    max_delay: int
    scales: str
    hardware: Hardware | None = field(default=None, compare=False)

    @property
    def max_weight(self) -> int:
        """The largest weight; the most negative one is its opposite."""
        return int(2 ** (self.weight_bits - 1)) - 1

    @property
    def max_potential(self) -> int:
        """The largest |membrane potential|."""
        return int(2 ** (self.membrane_bits - 1)) - 1


def load(target: str | Path | Target) -> Target:
    """The target named `loihi1` or `loihi2`, or described in a .toml file of the user's."""
    if isinstance(target, Target):
        return target
    if str(target) in BUNDLED:
        return _parse(str(target), (files(__name__) / f"{target}.toml").read_text(encoding="utf-8"))
    path = Path(target)
    if path.suffix != ".toml":
        raise InputError(f"unknown target '{target}'", hint=f"one of {', '.join(BUNDLED)}, or the path of a .toml file")
    try:
        return _parse(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the target description {path}: {error}") from error


def _parse(where: str, text: str) -> Target:
    try:
        data: dict[str, Any] = tomllib.loads(text)
        target = Target(name=data["name"], hardware=hardware_of(where, data), **data["integers"])
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where} is not valid TOML: {error}") from error
    except KeyError as error:
        raise InputError(f"{where} is not a target description: it lacks {error}", hint="see loihi2.toml") from error
    except TypeError as error:
        raise InputError(
            f"{where} is not a target description: {error}",
            hint="it needs a name and a table [integers]; see loihi2.toml",
        ) from error

    _check(where, target)
    return target


def _check(where: str, target: Target) -> None:
    """Raise `InputError` for a value of the wrong type or out of all bounds."""
    bounds = {"weight_bits": (2, 32), "max_exponent": (0, 31), "membrane_bits": (2, 32), "max_delay": (0, 2**16)}
    for name, (low, high) in bounds.items():
        value = getattr(target, name)
        if type(value) is not int or not low <= value <= high:
            raise InputError(f"{where}: {name} = {value!r}; it must be a whole number within {low}..{high}")
    if target.scales not in ("channel", "population") or not isinstance(target.name, str):
        raise InputError(f"{where}: scales = {target.scales!r}; it must be 'channel' or 'population'")


__all__ = ["BUNDLED", "Hardware", "Lists", "Memory", "Target", "load"]
