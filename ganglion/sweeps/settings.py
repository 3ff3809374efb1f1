"""Which settings a sweep has, and the network of each, with the work that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ganglion.errors import InputError
from ganglion.ir import Graph, GroupNeuron, PhaseNeuron, passes, size
from ganglion.methods import METHODS, Method, method_of
from ganglion.pipeline import for_setting, imported, spiking, whole
from ganglion.targets import Target
from ganglion.tuning import needs_samples

if TYPE_CHECKING:
    import onnx

    from ganglion.frontend import Options
    from ganglion.methods.base import Calibration

    from .optimiser import Optimiser

Members: TypeAlias = int | Literal["levels"]


class Setting(NamedTuple):
    """T, tau and the method, as for `compile`."""

    steps: int
    members: Members
    method: Method

    @property
    def tau(self) -> int:
        """tau as the passes take it: 0 stands for each activation's own levels."""
        return 0 if self.members == "levels" else self.members

    @property
    def levels(self) -> int:
        """Those that a calibration gives an activation; 0 where it cannot."""
        return self.tau and self.method.levels(self.tau)


def settings_of(
    steps: Iterable[int],
    members: Iterable[Members] | None = None,
    methods: Literal["all"] | Iterable[str | Method] = ("gn",),
    *,
    optimised: bool = False,
) -> list[Setting]:
    """Every T with every tau of every method, in the order given; see `sweep`.

    `optimised`: whether there are samples to correct networks with. Raises `InputError` for what is no number or no
    method, for what is there twice, for a method that needs such samples, and where one has none of the `members`.
    """
    ways = [method_of(m) for m in (comparable(optimised) if methods == "all" else _several("methods", methods))]
    needy = [] if optimised else [way for way in ways if way.calibrated]
    if needy:
        raise needs_samples(needy[0])
    taus: list[Members] | None = None
    if members is not None:
        taus = ["levels" if m == "levels" else whole("members", m) for m in _several("members", members)]
    windows = [whole("steps", t) for t in _several("steps", steps)]
    for name, values in (("steps", windows), ("members", taus or []), ("methods", [way.name for way in ways])):
        twice = [v for i, v in enumerate(values) if v in values[:i]]
        if twice:
            raise InputError(f"{name}: {twice[0]} is there twice", hint="name every value once")
    return [Setting(t, m, way) for way in ways for m in _members_of(way, taus) for t in windows]


def comparable(optimised: bool = False) -> list[str]:
    """The names of the methods that a sweep can have; without samples to correct networks with, not those that need
    them.
    """
    return [name for name, method in METHODS.items() if optimised or not method.calibrated]


def _members_of(way: Method, given: list[Members] | None) -> Sequence[Members]:
    """The tau at which a sweep has the method: those of `given` that are possible with it."""
    if way.one_member:
        return (1,)
    if given is None:
        return way.usual
    possible, problem = [], None
    for members in given:
        try:
            way.checked_members(0 if members == "levels" else members)
            possible.append(members)
        except InputError as error:
            problem = error
    if problem is not None and not possible:
        raise problem
    return possible


def members_in_all(net: Graph) -> int:
    """What the network costs: the members of all its neurons, those that take spikes back among them."""
    found = {op.name: op.members + op.takers for op in net.of(GroupNeuron)}
    found |= {op.name: 1 for op in net.of(PhaseNeuron)}
    return sum(count * size(net.typeof(name).shape) for name, count in found.items())


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

    `calibration_method` is the user's; None: each conversion method's own. With an `optimiser`, every network is
    corrected.
    """

    def __init__(
        self,
        model: onnx.ModelProto | str | PathLike[str],
        options: Options,
        target: Target,
        calibration_method: Calibration | None = None,
        optimiser: Optimiser | None = None,
    ) -> None:
        self.model, self.options, self.target = model, options, target
        self.calibration_method = calibration_method
        self.optimiser = optimiser
        self._composed: tuple[Any, Graph] | None = None  # with what it depends on

    def options_of(self, setting: Setting) -> Options:
        """The front end's options for `setting`; `InputError` where a calibration cannot be for it."""
        chosen = self.calibration_method or setting.method.calibration
        return for_setting(self.options, steps=setting.steps, members=setting.levels, calibration_method=chosen)

    def composed(self, setting: Setting) -> Graph:
        """The float network before anything in it depends on T, tau and the method; raises `CompileError`."""
        from ganglion import frontend

        options = self.options_of(setting)
        levels = options.calibration
        key: Any = levels
        if isinstance(levels, frontend.Calibration):
            key = (levels.levels, levels.steps, levels.method)
        kept = self._composed
        if kept is None or (kept[0] != key and not _has_own_levels(kept[1])):
            self._composed = None  # the old one need not be in memory beside the new one
            self._composed = key, passes.run(imported(self.model, options), [passes.compose])
            return self._composed[1]
        return kept[1]

    def compiled(self, setting: Setting) -> Graph:
        """The integer network; raises `CompileError` where the target does not hold it."""
        graph = self.composed(setting)
        if self.optimiser is not None:
            graph = self.optimiser.corrected(graph, setting)
        path = spiking(steps=setting.steps, members=setting.tau, target=self.target, method=setting.method)
        return passes.run(graph, path)


def _has_own_levels(graph: Graph) -> bool:
    """Whether nothing in it was given levels, by samples or by bounds: then it is the same for every tau."""
    from ganglion import frontend

    return frontend.Options.from_recipe(graph.recipe).calibration is None
