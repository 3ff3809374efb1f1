"""`ledger_of`: block by block up the ladder; every rung is run, measured against the source, and held responsible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ganglion import targets
from ganglion.errors import InputError
from ganglion.ir import Array, Graph, Stage, size
from ganglion.pipeline import opened
from ganglion.samples import labels_of, samples_of
from ganglion.simulator.run import check_range

from .hybrids import attribute, given_below
from .ladder import INTEGER, SOURCE, STAIRCASE, Ladder, build
from .measure import Tally, ratio
from .networks import Network, Recording, Rung, Trace
from .result import Attribution, Entry, Ledger
from .verdict import verdict

if TYPE_CHECKING:
    import onnx

    Model = onnx.ModelProto | str | PathLike[str]

BLOCK_BYTES = 1 << 28  # of the values that three rungs hold at a time
POINTS = 400  # pairs of activation and spikes that are kept of each population

Progress = Callable[[str, int, int], None]


def ledger_of(
    model: Model,
    net: Graph | str | PathLike[str],
    x: Any,
    labels: Any = None,
    *,
    target: str | PathLike[str] | targets.Target | None = None,
    lava: Recording | None = None,
    progress: Progress | None = None,
) -> Ledger:
    """Send the samples `x` through a ladder of networks from `model` to `net`, and tell where accuracy goes.

    x         (N, *shape) in the model's real units
    labels    int (N,), the right class of each; without them, accuracy is the share of samples with the source's class
    target    what `net` was compiled for, where that is a description of the user's own
    lava      what Lava recorded, of the first samples
    progress  called with (what, done, all)

    Raises `InputError` for arrays that do not fit, or a network that is not quantised or not of this model.
    """
    net = opened(net)
    if net.stage != Stage.QUANTIZED:
        raise InputError(f"'{net.name}' is at stage {net.stage.name.lower()}; the ledger takes a quantised network")
    x = samples_of(x)
    if not x.size:
        raise InputError("there are no samples for the ledger")
    check_range(net, x)
    classes = None if labels is None else labels_of(labels, len(x))
    ladder = build(model, net, target=target, lava=lava)
    book = _Book(ladder, len(x), classes)
    each = _samples_at_a_time(ladder, net.steps)
    tell = progress or (lambda what, done, total: None)
    for first in range(0, len(x), each):
        part = slice(first, min(first + each, len(x)))
        book.add(part, np.asarray(x[part]), lambda done: tell("ledger", done, len(x) * len(ladder.rungs)))
    return book.closed(net.steps)


def _samples_at_a_time(ladder: Ladder, steps: int) -> int:
    neurons = sum(size(m.shape) for m in ladder.meanings.values())
    return max(1, BLOCK_BYTES // max(neurons * (3 * 8 + 2 * steps), 1))


class _Book:
    """What has been written down so far."""

    def __init__(self, ladder: Ladder, samples: int, classes: Array | None) -> None:
        self.ladder, self.samples, self.classes = ladder, samples, classes
        self.rungs = [rung.name for rung in ladder.rungs]
        self.rungs += [ladder.recording.name] if ladder.recording else []
        self.tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        self.readout: dict[str, list[float]] = {name: [0.0, 0.0] for name in self.rungs}  # local error, squared
        self.right: dict[str, list[Array]] = {name: [] for name in self.rungs}
        self.lost: dict[tuple[str, str], int] = defaultdict(int)
        self.points: dict[str, Array] = {}
        self.done = 0

    def add(self, part: slice, x: Array, tell: Callable[[int], None]) -> None:
        """The samples `x`, which are those within `part`, up the ladder."""
        names = list(self.ladder.meanings)
        labels = None if self.classes is None else self.classes[part]

        def right(logits: Array, which: Array) -> Array:
            assert labels is not None
            return np.asarray(logits.argmax(axis=1) == labels[which])

        below: tuple[Network, Trace] | None = None
        source: dict[str, Array] = {}
        was_right = np.zeros(len(x), bool)
        for rung in self.ladder.rungs:
            trace = rung.run(x, names)
            if below is None:
                source = trace.values
                labels = trace.logits.argmax(axis=1) if labels is None else labels
            is_right = right(trace.logits, np.arange(len(x)))
            self._rung(rung, trace, source, below, was_right, is_right, right, x)
            self._keep_points(rung.name, trace, source)
            below, was_right = (rung, trace), is_right
            self.done += len(x)
            tell(self.done)
        recording = self.ladder.recording
        if recording is not None and part.start < recording.samples:
            trace = recording.part(part)
            n = len(trace.logits)
            is_right = right(trace.logits, np.arange(n))
            assert below is not None
            few = {name: y[:n] for name, y in source.items()}
            self._rung(recording, trace, few, below, was_right[:n], is_right, right, x[:n])

    def _rung(
        self, rung: Rung, trace: Trace, source: dict[str, Array], below: tuple[Network, Trace] | None,
        was_right: Array, is_right: Array, right: Callable[[Array, Array], Array], x: Array,
    ) -> None:  # fmt: skip
        meanings = self.ladder.meanings
        self.right[rung.name].append(is_right)
        for name, value in trace.values.items():
            y = meanings[name].of_counts(value) if rung.spikes else value
            self.tallies[rung.name, name].add(meanings[name], source[name], y, value if rung.spikes else None)
        if below is None:
            return
        network, before = below
        given = given_below(network, rung.spikes, trace, list(trace.values), meanings)
        alone = network.run(trace.x, list(trace.values), given)
        for name, value in trace.values.items():
            y = meanings[name].of_counts(value) if rung.spikes else value
            w = meanings[name].of_counts(alone.values[name]) if network.spikes else alone.values[name]
            self.tallies[rung.name, name].add_local(meanings[name], y, w)
        error = trace.logits - alone.logits
        self.readout[rung.name][0] += float((error**2).sum())
        self.readout[rung.name][1] += float((alone.logits**2).sum())
        lost = attribute(
            network, rung.spikes, trace, before.x[: len(x)], self.ladder.items, meanings, was_right, is_right, right
        )
        for item, samples in lost.items():
            self.lost[rung.name, item] += samples

    def _keep_points(self, rung: str, trace: Trace, source: dict[str, Array]) -> None:
        """Of the first block, some pairs of what the source computes and what the integer spikes stand for."""
        if rung != INTEGER or self.points:
            return
        rng = np.random.default_rng(0)  # the same samples give the same picture
        for name, counts in trace.values.items():
            meaning = self.ladder.meanings[name]
            pairs = np.stack([meaning.in_model(v).ravel() for v in (source[name], meaning.of_counts(counts))], axis=1)
            chosen = rng.choice(len(pairs), min(POINTS, len(pairs)), replace=False)
            self.points[name] = pairs[np.sort(chosen)].astype(np.float32)

    def closed(self, steps: int) -> Ledger:
        """The ledger of all that was added."""
        ladder, names = self.ladder, list(self.ladder.meanings)
        rungs: list[Rung] = [*ladder.rungs, *([ladder.recording] if ladder.recording else [])]
        bounded = self.rungs.index(STAIRCASE)
        entries: list[Entry] = [
            self.tallies[rung.name, name].entry(
                name,
                rung.name,
                first=rung.name == SOURCE,
                limited=i >= bounded,
                spikes=rung.spikes,
                headroom=rung.headroom.get(name),
            )
            for i, rung in enumerate(rungs)
            for name in names
        ]
        right = {name: np.concatenate(blocks) for name, blocks in self.right.items()}
        ends = right[ladder.rungs[-1].name].copy()
        if ladder.recording is not None:
            last = right[ladder.recording.name]
            ends[: len(last)] = last
        point = 100 / self.samples
        order = {item: i for i, item in enumerate(ladder.items)}
        attributions = [
            Attribution(rung=rung, population=item, loss=samples * point)
            for (rung, item), samples in sorted(
                self.lost.items(), key=lambda entry: (self.rungs.index(entry[0][0]), order[entry[0][1]])
            )
            if samples
        ]
        local = {(e.rung, e.name): e.local_error for e in entries if e.local_error is not None}
        local |= {(rung, ladder.items[-1]): ratio(*sums) for rung, sums in self.readout.items() if rung != SOURCE}
        loss = (int(right[SOURCE].sum()) - int(ends.sum())) * point
        labelled = self.classes is not None
        found = verdict(rungs, ladder.items, local, attributions, entries, loss, labelled=labelled, steps=steps)
        return Ledger(
            samples=self.samples,
            labelled=labelled,
            rungs=self.rungs,
            populations=names,
            accuracy={name: float(r.mean()) for name, r in right.items()},
            loss=loss,
            entries=entries,
            attributions=attributions,
            first_offender=found.offender,
            summary=found.summary,
            advice=found.advice,
            points=self.points,
            notes=ladder.notes,
        )
