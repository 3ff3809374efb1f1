"""compare: a model and its network in every engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from ganglion import methods
from ganglion.errors import GanglionWarning, InputError
from ganglion.ir import Array, Graph, Spikes, Stage, size
from ganglion.ledger import Recording, known_target, ledger_of
from ganglion.pipeline import imported_network, opened, options_of, simulate, whole
from ganglion.samples import labels_of

from .executors import Executor, asked_for
from .result import STEP_VS_LAYER, Agreement, Comparison

if TYPE_CHECKING:
    import onnx

    from ganglion.targets import Target

BLOCK_COUNTS = 1 << 26  # spike counts of a block of samples that are held at a time


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
    sanafe: bool = False,
    sanafe_samples: int | None = None,
    sanafe_populations: int | None = None,
    sanafe_python: str | PathLike[str] | None = None,
    timeout: float = 600.0,
    onnx: bool = False,
    ledger: bool = False,
    target: str | PathLike[str] | Target | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Run `model` in onnxruntime and `net` in the float engine, both integer engines and, if asked, others.

    x             the samples (N, *shape) in the model's real units; only the first `samples` of them
    labels        the right class of every sample, for the accuracies
    lava          run Lava in this form as well, on the first `lava_samples`
    sanafe        run SANA-FE as well, on the first `sanafe_samples`; `sanafe_populations`: only so many, the first ones
    timeout       seconds that each of these two may take
    onnx          run the network as a model of standard ONNX operators as well, in onnxruntime
    ledger        tell in which population and at which step from the model to the network accuracy goes
                  (`ganglion.ledger`)
    target        for the ledger: the target the network was compiled for, where that is a description of your own
    progress      called with (engine, done, all)

    The spike counts of every population at every step are compared, and the readout's potentials. Raises
    `InputError` for arrays that do not fit, `EngineError` when Lava or SANA-FE is missing, fails or takes too long,
    `CompileError` where SANA-FE cannot hold the network.
    """
    from ganglion import frontend

    net = opened(net)
    if net.stage != Stage.QUANTIZED:
        raise InputError(f"'{net.name}' is at stage {net.stage.name.lower()}; compare takes a quantised network")
    x = np.asarray(x)[: None if samples is None else whole("samples", samples)]
    if not x.size:
        raise InputError("there are no samples to compare")
    if not timeout > 0:
        raise InputError(f"timeout={timeout!r}: it must be a positive number of seconds")
    others = asked_for(
        lava=lava,
        lava_samples=lava_samples,
        lava_python=lava_python,
        sanafe=sanafe,
        sanafe_samples=sanafe_samples,
        sanafe_populations=sanafe_populations,
        sanafe_python=sanafe_python,
        timeout=timeout,
        onnx=onnx,
    )
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
    recordings: dict[str, Recording] = {}
    for other in others:
        recording = _against_simulator(net, x[: other.samples], result, other, partial(tell, other.title))
        if recording is not None:
            recordings[other.name], logits[other.name] = recording, recording.logits

    reference = logits["onnxruntime"].reshape(len(x), -1).argmax(axis=1)
    for engine in dict.fromkeys((*logits, *(other.name for other in others), "lava")):
        if engine not in logits:
            result.accuracy[engine] = result.agreement[engine] = result.distance[engine] = None
            continue
        result.distance[engine] = _distance(logits[engine], logits["onnxruntime"][: len(logits[engine])])
        chosen = logits[engine].reshape(len(logits[engine]), -1).argmax(axis=1)
        result.agreement[engine] = float(np.mean(chosen == reference[: len(chosen)]))
        result.accuracy[engine] = None if classes is None else float(np.mean(chosen == classes[: len(chosen)]))
    if ledger:
        result.ledger = ledger_of(
            model, net, x, labels=classes, target=target, lava=recordings.get("lava"), progress=tell
        )
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


def _against_simulator(
    net: Graph, x: Array, result: Comparison, other: Executor, tell: Callable[[int, int], None]
) -> Recording | None:
    """`other` on the samples `x`, against the layer engine; fills the agreement.

    Returns what it recorded, None where it ran without the readout.
    """
    result.executed[other.name] = len(x)
    expected = simulate(net, x, record="all")
    source, readout = net.input, net.readout
    codes, _ = source.encode(x)
    ran = other.run(net, codes, tell)
    pair = result.pairs[other.pair] = {}
    for name, values in (*expected.counts.items(), *expected.potentials.items()):
        got = ran.counts.get(name, ran.potentials.get(name))
        if got is not None:
            pair[name] = Agreement()
            pair[name].add(values, got, 0)
    result.remarks += ran.remarks
    if readout.name not in ran.potentials:
        return None
    logits = ran.potentials[readout.name][-1] * readout.unit / net.steps
    return Recording(
        name=other.name,
        counts=dict(ran.counts),
        logits=np.asarray(logits.reshape(expected.logits.shape)),
        x=(codes - source.zero_point) * source.scale,
    )
