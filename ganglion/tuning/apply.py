"""group, with what was optimised: staircases become populations of the method, corrected as the graph's record says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganglion.errors import InputError
from ganglion.ir import Array, Graph, Neuron, PhaseNeuron, Readout, Staircase, passes
from ganglion.methods import Method, to_text

from .record import Correction, Tuning


def group(graph: Graph, members: int, method: Method, steps: int) -> Graph:
    """COMPOSED -> GROUPED: `passes.group` with populations of `method` in windows of `steps` = T, and the corrections
    in `graph.tuning`.

    Raises `InputError` where these belong to another model, or the method needs some and there are none.
    """
    tuning = Tuning.from_text(graph.tuning)
    if method.calibrated and not tuning.corrections:
        raise needs_samples(method)
    _check(graph, tuning, steps)

    def neuron(op: Staircase, tau: int) -> Neuron:
        return population(op, tau, method, steps, tuning.corrections.get(op.name, Correction()))

    grouped = passes.group(graph, members, neuron, to_text(method))
    last = grouped.readout
    found = tuning.corrections.get(last.name)
    if found is None or not found.bias.any():
        return grouped
    corrected = replace(last, bias=more(last.bias, found.bias))
    return grouped.rebuild([corrected if op is last else op for op in grouped.ops])


def population(op: Staircase, tau: int, method: Method, steps: int, by: Correction) -> Neuron:
    """The population of `method` for the staircase `op`, corrected.

    V(0) is 0 by convention: one that begins higher has lower thresholds, those that take spikes back included.
    """
    if by.scale != 1:
        op = replace(op, step=op.step * by.scale)
    made = method.neuron(op, tau, steps)
    bias = made.bias if not by.bias.any() else more(made.bias, by.bias)
    raised = by.shift * made.finest
    if isinstance(made, PhaseNeuron):
        return replace(made, bias=bias, thresholds=_lower(made.thresholds, raised))
    made = replace(made, bias=bias, bias_by_step=by.by_step)
    if not by.shift.any():
        return made
    negative = None if made.negative is None else _lower(made.negative, raised)
    return replace(made, thresholds=_lower(made.thresholds, raised), negative=negative)


def more(bias: Array | None, extra: Array) -> Array:
    """`bias`, None, (), (C,) or one per neuron, and `extra`, () or (C,), together."""
    if bias is None or not extra.ndim:
        return np.asarray(extra if bias is None else bias + extra)
    return np.asarray(bias + extra.reshape(extra.shape + (1,) * (bias.ndim - 1)))


def needs_samples(method: Method) -> InputError:
    """For a method that is calibrated after training, without samples."""
    return InputError(
        f"the method '{method.name}' finds the biases of its populations with samples", hint="give --optimize X.npy"
    )


def _lower(table: Array, by: Array) -> Array:
    """A table (K,) or (K, C), each of whose columns is lowered by `by`, () or (C,)."""
    return np.asarray((table[:, None] if table.ndim < 2 and by.ndim else table) - by)


def _check(graph: Graph, tuning: Tuning, steps: int) -> None:
    channels = {op.name: graph.typeof(op.name).shape[0] for op in graph.ops if isinstance(op, (Staircase, Readout))}
    for name, found in tuning.corrections.items():
        arrays = [found.shift, found.bias] + ([] if found.by_step is None else list(found.by_step))
        fits = name in channels and all(a.shape in ((), (channels[name],)) for a in arrays)
        if not fits or (found.by_step is not None and len(found.by_step) != steps):
            raise InputError(
                f"the record of what was optimised does not fit the model: population '{name}'",
                hint="give the model that the network was compiled from, or optimise again",
            )
