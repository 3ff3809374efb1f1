"""A sweep under way: which work is left, and what its results say of the settings."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from ganglion.errors import CompileError
from ganglion.ir import Array, Graph, fingerprint
from ganglion.pipeline import checksum
from ganglion.tuning import Tuning

from .blocks import Block, Result, block_size, cut
from .result import Row
from .settings import Networks, Setting, members_in_all
from .store import Store
from .task import Task

if TYPE_CHECKING:
    import onnx

    from ganglion.frontend import Options

    Model = onnx.ModelProto | str | PathLike[str]

REFERENCE_BYTES = 256 << 20  # of samples that onnxruntime is given at a time
Tell = Callable[[str, int, int], None]


@dataclass(eq=False)
class Run:
    """One network of `members` members in all, in T = `steps` steps; `results` by block, as they come.

    `settings` are read from it; with each, on how many samples its network was optimised.
    """

    steps: int
    members: int
    settings: dict[Setting, int] = field(default_factory=dict)
    results: dict[Block, Result] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Samples times settings."""
        return sum(map(len, self.results)) * len(self.settings)

    def row(self, setting: Setting, blocks: Sequence[Block], labels: Array | None, ann: Array) -> Row:
        """What the first steps of the run say of `setting`."""
        ordered = [self.results[block] for block in blocks]
        chosen = np.concatenate([r.classes[setting.steps - 1] for r in ordered])
        return Row(
            steps=setting.steps,
            members=setting.members,
            method=setting.method.name,
            optimized=self.settings[setting],
            members_in_all=self.members,
            accuracy=None if labels is None else float(np.mean(chosen == labels)),
            agreement=float(np.mean(chosen == ann)),
            spikes_per_sample=sum(int(r.spikes[: setting.steps].sum()) for r in ordered) / len(chosen),
            operations_per_sample=sum(int(r.operations[: setting.steps].sum()) for r in ordered) / len(chosen),
            seconds=sum(r.seconds for r in ordered),
            run_steps=self.steps,
            right=None if labels is None else chosen == labels,
        )


class Job:
    """A sweep under way: gives the tasks that are left, takes their results."""

    def __init__(
        self,
        networks: Networks,
        settings: list[Setting],
        x: Array,
        store: Store | None,
        tell: Tell,
        samples: int | None,
    ) -> None:
        self.networks, self.x, self.store, self.tell = networks, x, store, tell
        # tau by tau, and the longest window first, so that the shorter ones can be read from it
        order = {group: i for i, group in enumerate(dict.fromkeys((s.method, s.members) for s in settings))}
        self.settings = sorted(settings, key=lambda s: (order[s.method, s.members], -s.steps))
        first = networks.composed(self.settings[0])
        if networks.optimiser is not None:
            networks.optimiser.check(first.input)
        self.name, self.origin = first.name, fingerprint(first)
        self.blocks = list(cut(first.input, x, samples or block_size(first, x)))
        self.run_of: dict[Setting, Run] = {}
        self.runs: dict[tuple[str, int], Run] = {}  # by the network's fingerprint and T
        self.problems: dict[Setting, CompileError] = {}

    def reference(self, model: Model, options: Options) -> Array:
        """The classes that the model itself gives in onnxruntime, (N,), from the store where they are there."""
        from ganglion import frontend

        inputs = [checksum(model), self.origin, list(options.drop), options.output]  # `origin`: weights in files beside
        network = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
        everything = Block(0, len(self.x), hashlib.sha256("".join(b.digest for b in self.blocks).encode()).hexdigest())
        found = self.store.find(network, 1, everything) if self.store is not None else None
        if found is not None:
            return np.asarray(found.classes[0])
        start = time.perf_counter()
        source = frontend.reference(model, options)
        size = max(1, REFERENCE_BYTES // self.x[:1].nbytes)
        parts = []
        for first in range(0, len(self.x), size):
            logits = frontend.run_onnxruntime(source, self.x[first : first + size])
            parts.append(logits.reshape(len(logits), -1).argmax(axis=1))
            self.tell("onnxruntime", first + len(logits), len(self.x))
        classes: Array = np.concatenate(parts).astype(np.int32)
        if self.store is not None:
            none = np.zeros(1, np.int64)
            self.store.keep(network, 1, everything, Result(classes[None], none, none, time.perf_counter() - start))
        return classes

    def tasks(self) -> Iterator[Task]:
        """The work that is left; compiles a network when its turn comes."""
        for setting in self.settings:
            try:
                net = self.networks.compiled(setting)
            except CompileError as error:
                self.problems[setting] = error
                self._progress()
                continue
            network, samples = fingerprint(net), Tuning.from_text(net.tuning).samples
            run = next((r for (n, t), r in self.runs.items() if n == network and t >= setting.steps), None)
            if run is not None:
                self._attach(setting, run, samples)
            else:
                run = self.runs[network, setting.steps] = Run(setting.steps, members_in_all(net))
                self._attach(setting, run, samples)
                yield from self._missing(run, network, net)

    def _missing(self, run: Run, network: str, net: Graph) -> Iterator[Task]:
        for block in self.blocks:
            found = None if self.store is None else self.store.find(network, net.steps, block)
            if found is None:
                yield Task(network, net, block, self.x)
            else:
                run.results[block] = found
                self._progress()

    def take(self, task: Task, result: Result) -> None:
        """Count the result of a task, and keep it."""
        if self.store is not None:
            self.store.keep(task.network, task.net.steps, task.block, result)
        self.runs[task.network, task.net.steps].results[task.block] = result
        self._progress()

    def _attach(self, setting: Setting, run: Run, samples: int) -> None:
        self.run_of[setting] = run
        run.settings[setting] = samples
        self._progress()

    def _progress(self) -> None:
        done = sum(run.done for run in self.runs.values()) + len(self.problems) * len(self.x)
        self.tell("simulating", done, len(self.settings) * len(self.x))
