"""The graph: an immutable ordered tuple of ops with named edges. Passes rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, TypeVar

import networkx as nx

from ganglion.errors import CompileError, InternalError

from .ops import (
    Cluster,
    GroupNeuron,
    Input,
    IntegrateFire,
    LateralInhibition,
    MaxPool,
    Membrane,
    Op,
    PhaseNeuron,
    Projection,
    Readout,
)
from .types import Type, dims

SomeOp = TypeVar("SomeOp", bound=Op)


class Stage(IntEnum):
    """How far a network has come; each stage has its own rules (see `verify`)."""

    IMPORTED = 0  # linear ops in any order between staircases, real weights
    COMPOSED = 1  # one projection per pair of populations; biases at the membranes
    GROUPED = 2  # every staircase is a Group Neuron; weights act on spike counts
    SCHEDULED = 3  # levels and delays: every path is balanced
    QUANTIZED = 4  # integers only; every membrane provably fits
    CLUSTERED = 5  # every Group Neuron is tau populations with lateral inhibition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """A network at one stage.

    `ops` is in topological order (the feedback of lateral inhibition is not an edge of it). `steps` is T,
    the window's length, 0 before scheduling. `members` is tau as asked for (0: each activation's levels).
    `target` names the hardware whose integer formats the network has; `source` is the checksum of its
    model, `recipe` how it was read: dropped nodes, calibration (the front end's own text), `method` by which conversion
    method it spikes (`ganglion.methods`' own text), `tuning` what was optimised after training (`ganglion.tuning`'s own
    text), `mapping` where it lies on a chip (`ganglion.mapping`'s own text). `notes` are what the passes want the user
    to know.
    """

    ops: tuple[Op, ...]
    name: str = "network"
    stage: Stage = Stage.IMPORTED
    steps: int = 0
    members: int = 0
    target: str = ""
    source: str = ""
    recipe: str = ""
    method: str = ""
    tuning: str = ""
    mapping: str = ""
    notes: tuple[str, ...] = ()
    _index: dict[str, Op] = field(init=False, repr=False)
    _types: dict[str, Type] = field(init=False, repr=False)
    _memo: dict[Any, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        index: dict[str, Op] = {}
        types: dict[str, Type] = {}
        for op in self.ops:
            if not op.name or op.name in index:
                raise InternalError(f"the name '{op.name}' is empty or defined twice")
            missing = [i for i in op.inputs if i not in types]
            if missing:
                raise InternalError(f"'{op.name}' reads {missing}, which nothing before it defines")
            types[op.name] = op.infer(*(types[i] for i in op.inputs))
            index[op.name] = op
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_types", types)
        object.__setattr__(self, "_memo", {})

    def __getitem__(self, name: str) -> Op:
        return self._index[name]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    def __len__(self) -> int:
        return len(self.ops)

    def typeof(self, name: str) -> Type:
        """The type of the value `name`."""
        return self._types[name]

    def of(self, kind: type[SomeOp]) -> list[SomeOp]:
        """All ops of class `kind`, in order."""
        return [op for op in self.ops if isinstance(op, kind)]

    def consumers(self, name: str) -> list[Op]:
        """The ops that read the value `name`."""
        return [op for op in self.ops if name in op.inputs]

    def derived(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once and kept for as long as the graph lives: an engine, for example."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def rebuild(self, ops: Sequence[Op], **changes: Any) -> Graph:
        """The same network with other ops; `changes` are other fields of the graph. Its mapping is of it no more."""
        return replace(self, ops=tuple(ops), **({"mapping": ""} | changes))

    @property
    def input(self) -> Input:
        """The network's only input."""
        return self._only(Input)

    @property
    def readout(self) -> Readout:
        """The network's only readout."""
        return self._only(Readout)

    @property
    def populations(self) -> list[Op]:
        """The ops whose counts stand for activations: Group Neurons, or clusters of members; phase neurons; pools."""
        return [op for op in self.ops if isinstance(op, (GroupNeuron, PhaseNeuron, Cluster, MaxPool))]

    @property
    def depth(self) -> int:
        """The highest level: steps from the first input to the first result."""
        return max((op.level for op in self.of(Membrane)), default=0)

    def level(self, name: str) -> int:
        """When a population first sends: its level, but for a phase neuron, which collects before; that of the members
        of a cluster or lateral inhibition; 0 for the input.
        """
        op = self[name]
        if isinstance(op, (Cluster, LateralInhibition)):
            return self.level(op.inputs[0])
        return op.level + hold(op) if isinstance(op, Membrane) else 0

    def _only(self, kind: type[SomeOp]) -> SomeOp:
        op: SomeOp = self.derived(kind, lambda: self._find_only(kind))
        return op

    def _find_only(self, kind: type[SomeOp]) -> SomeOp:
        found = self.of(kind)
        if len(found) != 1:
            raise CompileError(
                f"the network has {len(found)} ops of kind {kind.mnemonic}; exactly one is supported",
                origin=[op.name for op in found],
            )
        return found[0]

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The graph for networkx: one node per op, one edge per use; the values are plain str, int and float.

        Lateral inhibition appears as edges with `kind="feedback"`.
        """
        g: nx.MultiDiGraph[str] = nx.MultiDiGraph(
            name=self.name, stage=self.stage.name.lower(), steps=self.steps, members=self.members, target=self.target
        )
        for op in self.ops:
            value = self.typeof(op.name)
            attributes: dict[str, str | int] = {
                "op": op.mnemonic,
                "type": str(value),
                "shape": dims(value.shape),
                "origin": ", ".join(op.origin),
            }
            if isinstance(op, Membrane):
                attributes["level"] = op.level
            if isinstance(op, Projection):
                attributes["delay"] = op.delay
            g.add_node(op.name, **attributes)
        for op in self.ops:
            for position, name in enumerate(op.inputs):
                g.add_edge(name, op.name, kind="value", position=position)
            if isinstance(op, IntegrateFire):
                g.add_edge(op.inhibited_by, op.name, kind="feedback", position=-1)
        return g

    def clusters(self) -> dict[str, list[IntegrateFire]]:
        """The members of every cluster, by the name of its lateral inhibition."""
        return {
            op.name: [m for m in self.of(IntegrateFire) if m.name in op.inputs] for op in self.of(LateralInhibition)
        }

    def __str__(self) -> str:
        from .text import to_text  # the printer reads the graph, so it cannot be imported above

        return to_text(self)

    def __repr__(self) -> str:
        from .text import summary

        return f"Graph({summary(self)})"

    def _repr_html_(self) -> str:
        from .html import graph_table

        return graph_table(self)


def hold(op: Op) -> int:
    """How many steps `op` collects before the first that it sends in: not 0 for phase neurons alone."""
    return op.hold if isinstance(op, PhaseNeuron) else 0
