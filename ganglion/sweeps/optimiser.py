"""Networks that are corrected from samples, one setting after another, and what is kept of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

from ganglion import methods, tuning
from ganglion.errors import InputError
from ganglion.ir import Array, Graph, Input, fingerprint, passes

from .blocks import digest_of
from .settings import Setting
from .store import Store


@dataclass(eq=False)
class Optimiser:
    """Finds the corrections of every setting on `samples` (N, *shape), or in the `store`.

    tell  called with (what, done, all) populations
    """

    samples: Array
    store: Store | None
    tell: Callable[[str, int, int], None]

    @cached_property
    def digest(self) -> str:
        return digest_of(self.samples)

    def check(self, source: Input) -> None:
        """`InputError` where the samples are of another shape than the network takes."""
        if self.samples.shape[1:] != source.shape:
            takes = f"(N, {', '.join(map(str, source.shape))})"
            raise InputError(
                f"the samples to optimise on have shape {self.samples.shape}; the network takes {takes}",
                hint="the first axis counts the samples",
            )

    def corrected(self, graph: Graph, setting: Setting) -> Graph:
        """The composed `graph` with the record of what corrects it for `setting`."""
        key = self._key(graph, setting)
        found = None if self.store is None else self.store.find_corrections(key)
        if found is None:
            optimise = partial(
                tuning.optimise,
                samples=self.samples,
                members=setting.tau,
                method=setting.method,
                steps=setting.steps,
                progress=partial(self.tell, "optimising"),
            )
            found = passes.run(graph, [optimise]).tuning
            if self.store is not None:
                self.store.keep_corrections(key, found)
        return replace(graph, tuning=found)

    def _key(self, graph: Graph, setting: Setting) -> str:
        """All that decides the corrections: the network, the setting, every sample."""
        given = [fingerprint(graph), methods.to_text(setting.method), setting.steps, setting.tau, self.digest]
        return hashlib.sha256(json.dumps(given).encode()).hexdigest()
