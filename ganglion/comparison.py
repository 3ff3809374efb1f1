"""compare: the same samples through every engine, spike by spike."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ganglion import methods
from ganglion.errors import GanglionWarning, InputError
from ganglion.ir import Array, Graph, Spikes, Stage, size
from ganglion.ir.html import percent, table

from .ledger import Ledger, Recording, known_target, ledger_of
from .pipeline import emit, imported_network, opened, options_of, simulate, whole
from .samples import labels_of

if TYPE_CHECKING:
    import onnx

    from ganglion.targets import Target

STEP_VS_LAYER = "simulator_step_vs_layer"
LAVA_VS_SIMULATOR = "lava_vs_simulator"
BLOCK_COUNTS = 1 << 26  # spike counts of a block of samples that are held at a time


@dataclass
class Agreement:
    """How many values two engines were compared on, how many differ, and where the first one is.

    `first` is {"sample", "step", "neuron", "expected", "got"}; samples and steps count from 0.
    """

    compared: int = 0
    different: int = 0
    first: dict[str, Any] | None = None

    def add(self, expected: Array, got: Array, first_sample: int) -> None:
        """Compare two recordings (T, N, *shape) that begin with sample `first_sample`."""
        wrong = expected != got
        self.compared += wrong.size
        self.different += int(wrong.sum())
        if self.first is None and wrong.any():
            by_sample = np.moveaxis(wrong, 1, 0)
            n, t, *neuron = (int(i) for i in np.argwhere(by_sample)[0])
            where = (t, n, *neuron)
            self.first = {
                "sample": n + first_sample,
                "step": t,
                "neuron": neuron,
                "expected": int(expected[where]),
                "got": int(got[where]),
            }

    def as_json(self) -> dict[str, Any]:
        return {"compared": self.compared, "different": self.different, "first_difference": self.first}


@dataclass
class Comparison:
    """What `compare` found.

    accuracy    by engine, share of samples whose largest logit is the label's; None where not known
    agreement   by engine, share of samples whose largest logit is onnxruntime's
    distance    by engine, the mean distance of its logits from onnxruntime's, relative to their size
    pairs       by pair of engines, by population (and the readout, whose potentials are compared)
    rates       by population, spikes per neuron and time-step
    samples     how many samples; `lava_samples` how many of them ran on Lava
    ledger      where the accuracy goes, if that was asked for
    """

    samples: int
    readout: str
    accuracy: dict[str, float | None] = field(default_factory=dict)
    agreement: dict[str, float | None] = field(default_factory=dict)
    distance: dict[str, float | None] = field(default_factory=dict)
    pairs: dict[str, dict[str, Agreement]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    spikes_per_sample: float = 0.0
    lava_samples: int = 0
    ledger: Ledger | None = None

    @property
    def equal(self) -> bool:
        """Whether every pair of engines agreed on every value."""
        return not any(a.different for pair in self.pairs.values() for a in pair.values())

    def as_json(self) -> dict[str, Any]:
        """The comparison for machines; the README documents the form."""
        engines = {}
        for pair, by_name in self.pairs.items():
            counts = [a for name, a in by_name.items() if name != self.readout]
            readout = by_name[self.readout]
            engines[pair] = {
                "compared": sum(a.compared for a in counts),
                "different": sum(a.different for a in counts),
                "readout": {"compared": readout.compared, "different": readout.different},
            }
        populations = []
        for name, rate in self.rates.items():
            by_pair = {pair: by_name[name].as_json() for pair, by_name in self.pairs.items()}
            populations.append(
                {
                    "name": name,
                    "compared": sum(a["compared"] for a in by_pair.values()),
                    "different": sum(a["different"] for a in by_pair.values()),
                    "rate": rate,
                    "pairs": by_pair,
                }
            )
        return {
            "samples": self.samples,
            "lava_samples": self.lava_samples,
            "equal": self.equal,
            "accuracy": self.accuracy,
            "agreement_with_onnxruntime": self.agreement,
            "distance_from_onnxruntime": self.distance,
            "engines": engines,
            "populations": populations,
            "spikes_per_sample": self.spikes_per_sample,
            **({} if self.ledger is None else {"ledger": self.ledger.as_json()}),
        }

    def _repr_html_(self) -> str:
        rows = [
            (engine, percent(self.accuracy[engine]), percent(same), percent(self.distance[engine]))
            for engine, same in self.agreement.items()
            if same is not None
        ]
        verdicts = []
        for pair, by_name in self.pairs.items():
            different, compared = (sum(getattr(a, k) for a in by_name.values()) for k in ("different", "compared"))
            told = f"{different:,} of {compared:,} values differ" if different else "equal to the bit"
            verdicts.append(f"{pair.replace('_', ' ')}: {told}")
        title = f"Comparison of {self.samples} samples, {self.spikes_per_sample:,.1f} spikes per sample"
        head = ("engine", "accuracy", "onnxruntime's class", "distance of its logits")
        below = "" if self.ledger is None else self.ledger._repr_html_()
        return table(title, head, rows, notes=verdicts) + below


def compare(
    model: onnx.ModelProto | str | PathLike[str],
    net: Graph | str | PathLike[str],
    x: Array,
    *,
    labels: Array | None = None,
    samples: int | None = None,
    lava: Literal["graded", "cluster"] | None = None,
    lava_samples: int | None = None,
    lava_python: str | PathLike[str] | None = None,
    timeout: float = 600.0,
    ledger: bool = False,
    target: str | PathLike[str] | Target | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Run `model` in onnxruntime and `net` in the float engine, both integer engines and, if asked, Lava.

    x             the samples (N, *shape) in the model's real units; only the first `samples` of them
    labels        the right class of every sample, for the accuracies
    lava          run Lava in this form as well, on the first `lava_samples`
    timeout       seconds that Lava may take
    ledger        tell in which population and at which step from the model to the network accuracy goes
                  (`ganglion.ledger`)
    target        for the ledger: the target the network was compiled for, where that is a description of your own
    progress      called with (engine, done, all)

    The spike counts of every population at every step are compared, and the readout's potentials. Raises
    `InputError` for arrays that do not fit, `EngineError` when Lava is missing, fails or takes too long.
    """
    from ganglion import frontend

    net = opened(net)
    if net.stage != Stage.QUANTIZED:
        raise InputError(f"'{net.name}' is at stage {net.stage.name.lower()}; compare takes a quantised network")
    x = np.asarray(x)[: None if samples is None else whole("samples", samples)]
    if not x.size:
        raise InputError("there are no samples to compare")
    if lava_samples is not None:
        lava_samples = whole("lava_samples", lava_samples)
    if not timeout > 0:
        raise InputError(f"timeout={timeout!r}: it must be a positive number of seconds")
    classes = None if labels is None else labels_of(labels, len(x))
    tell = progress or (lambda engine, done, total: None)
    result = Comparison(len(x), net.readout.name, rates={op.name: 0.0 for op in net.populations})

    options, way = options_of(net), methods.from_text(net.method)
    real = imported_network(model, options, steps=net.steps, members=net.members, method=way, tuned=net.tuning)
    if net.source and real.source != net.source:
        warnings.warn(
            f"the network '{net.name}' was not compiled from this model, or the file has changed since",
            GanglionWarning,
            stacklevel=2,
        )
    if ledger:
        known_target(net, target)
    judge = frontend.reference(model, options)
    logits = {"onnxruntime": frontend.run_onnxruntime(judge, x, progress=partial(tell, "onnxruntime"))}
    if logits["onnxruntime"].shape[1:] != (real.readout.shape or real.typeof(real.readout.name).shape):
        raise InputError(
            f"onnxruntime's output has shape {logits['onnxruntime'].shape}, the model's shape inference gives another",
            hint="export the model again",
        )
    logits["float"] = simulate(real, x, progress=lambda done, total: tell("float", done, total)).logits
    logits["simulator"] = _step_against_layer(net, x, result, tell)
    recording = None
    if lava is not None:
        recording = _lava_against_simulator(net, x[:lava_samples], result, lava, lava_python, timeout, tell)
        logits["lava"] = recording.logits

    reference = logits["onnxruntime"].reshape(len(x), -1).argmax(axis=1)
    for engine in ("onnxruntime", "float", "simulator", "lava"):
        if engine not in logits:
            result.accuracy[engine] = result.agreement[engine] = result.distance[engine] = None
            continue
        result.distance[engine] = _distance(logits[engine], logits["onnxruntime"][: len(logits[engine])])
        chosen = logits[engine].reshape(len(logits[engine]), -1).argmax(axis=1)
        result.agreement[engine] = float(np.mean(chosen == reference[: len(chosen)]))
        result.accuracy[engine] = None if classes is None else float(np.mean(chosen == classes[: len(chosen)]))
    if ledger:
        result.ledger = ledger_of(model, net, x, labels=classes, target=target, lava=recording, progress=tell)
    return result


def _distance(logits: Array, reference: Array) -> float:
    """|logits - reference| / |reference|, Euclidean per sample, averaged."""
    flat, wanted = logits.reshape(len(logits), -1), reference.reshape(len(reference), -1).astype(np.float64)
    size = np.linalg.norm(wanted, axis=1)
    return float(np.mean(np.linalg.norm(flat - wanted, axis=1) / np.where(size > 0, size, 1)))


def _step_against_layer(net: Graph, x: Array, result: Comparison, tell: Callable[[str, int, int], None]) -> Array:
    """Both integer engines on all samples, in blocks; fills rates and agreement, returns the logits."""
    pair = result.pairs[STEP_VS_LAYER] = {op.name: Agreement() for op in [*net.populations, net.readout]}
    neurons = sum(size(net.typeof(op.name).shape) for op in net.ops if isinstance(net.typeof(op.name), Spikes))
    block = max(2, BLOCK_COUNTS // (neurons * net.steps))
    logits, spikes = [], 0.0
    for first in range(0, len(x), block):
        part = x[first : first + block]
        layer = simulate(net, part, record="all")
        lanes = max(1, len(part) // 4)  # several samples back to back in every lane
        step = simulate(net, part, engine="step", record="all", lanes=lanes)
        for name, agreement in pair.items():
            recorded = "potentials" if name == net.readout.name else "counts"
            agreement.add(getattr(step, recorded)[name], getattr(layer, recorded)[name], first)
        for name, rate in layer.rates.items():
            result.rates[name] += rate * len(part) / len(x)
        spikes += layer.spikes_per_sample * len(part)
        logits.append(layer.logits)
        tell("simulator", first + len(part), len(x))
    result.spikes_per_sample = spikes / len(x)
    return np.concatenate(logits)


def _lava_against_simulator(
    net: Graph,
    x: Array,
    result: Comparison,
    form: Literal["graded", "cluster"],
    python: str | PathLike[str] | None,
    timeout: float,
    tell: Callable[[str, int, int], None],
) -> Recording:
    """Lava on the samples `x`, against the layer engine; fills the agreement, returns what Lava recorded."""
    from ganglion.backends import lava

    result.lava_samples = len(x)
    expected = simulate(net, x, record="all")
    source = net.input
    codes, _ = source.encode(x)
    with TemporaryDirectory(prefix="ganglion-") as folder:
        bundle = emit(net, "lava", Path(folder) / "bundle")
        run = lava.run(
            bundle, codes, form=form, python=python, timeout=timeout, progress=partial(tell, f"lava ({form})")
        )
    pair = result.pairs[LAVA_VS_SIMULATOR] = {}
    for name, counts in expected.counts.items():
        pair[name] = Agreement()
        pair[name].add(counts, run.counts[name], 0)
    readout = net.readout
    pair[readout.name] = Agreement()
    pair[readout.name].add(expected.potentials[readout.name], run.potentials[readout.name], 0)
    logits = run.potentials[readout.name][-1] * readout.unit / net.steps
    return Recording(
        name="lava",
        counts=run.counts,
        logits=np.asarray(logits.reshape(expected.logits.shape)),
        x=(codes - source.zero_point) * source.scale,
    )
