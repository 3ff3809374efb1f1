"""Which settings a sweep has, and the network of each, with the work that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ganglion.errors import InputError
from ganglion.ir import Graph, passes
from ganglion.pipeline import for_setting, imported, spiking, whole
from ganglion.targets import Target

if TYPE_CHECKING:
    import onnx

    from ganglion.frontend import Options

Members: TypeAlias = int | Literal["levels"]


class Setting(NamedTuple):
    """T and tau, as for `compile`."""

    steps: int
    members: Members

    @property
    def tau(self) -> int:
        """tau as the passes take it: 0 stands for each activation's own levels."""
        return 0 if self.members == "levels" else self.members


def settings_of(steps: Iterable[int], members: Iterable[Members]) -> list[Setting]:
    """Every T with every tau, in the order given; `InputError` for what is no number, or is there twice."""
    taus: list[Members] = ["levels" if m == "levels" else whole("members", m) for m in _several("members", members)]
    windows = [whole("steps", t) for t in _several("steps", steps)]
    for name, values in (("steps", windows), ("members", taus)):
        twice = [v for i, v in enumerate(values) if v in values[:i]]
        if twice:
            raise InputError(f"{name}: {twice[0]} is there twice", hint="name every value once")
    return [Setting(t, m) for m in taus for t in windows]


def _several(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{name}={values!r}: a sweep takes several, such as (1, 2, 4)")
    found = list(values)
    if not found:
        raise InputError(f"{name}: there are none to sweep over")
    return found


class Networks:
    """Compiles one model for one setting after another.

    The import and the composition are kept until a setting needs others: without a calibration none does; with one,
    settings of another tau do, or, for thresholds of the least error, of another T (`pipeline.for_setting`).
    """

    def __init__(self, model: onnx.ModelProto | str | PathLike[str], options: Options, target: Target) -> None:
        self.model, self.options, self.target = model, options, target
        self._composed: tuple[Any, Graph] | None = None  # with what it depends on

    def composed(self, setting: Setting) -> Graph:
        """The float network before anything in it depends on T and tau; raises `CompileError`."""
        from ganglion.frontend import Calibration

        options = for_setting(self.options, steps=setting.steps, members=setting.tau)
        samples = options.calibration
        key = (samples.levels, samples.steps) if isinstance(samples, Calibration) else None
        if self._composed is None or self._composed[0] != key:
            self._composed = None  # the old one need not be in memory beside the new one
            self._composed = key, passes.run(imported(self.model, options), [passes.compose])
        return self._composed[1]

    def compiled(self, setting: Setting) -> Graph:
        """The integer network; raises `CompileError` where the target does not hold it."""
        path = spiking(steps=setting.steps, members=setting.tau, target=self.target)
        return passes.run(self.composed(setting), path)
