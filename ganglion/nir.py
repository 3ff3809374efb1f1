"""import_nir: a network from a NIR graph (Pedersen et al., Nature Communications 15, 2024)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganglion import targets
from ganglion.errors import CompileError, InputError
from ganglion.ir import Graph, passes
from ganglion.ir.nir import digest
from ganglion.pipeline import checksum, chip_of, whole

if TYPE_CHECKING:
    from ganglion.frontend.input_format import InputFormat


def import_nir(
    source: Any,
    *,
    reset: Literal["soft", "hard"] | None = None,
    steps: int | None = None,
    target: str | PathLike[str] | targets.Target | None = None,
    input_range: tuple[float, float] | None = None,
    input_step: float | None = None,
) -> Graph:
    """The network in the NIR graph `source`: a path, or a `nir.NIRGraph`.

    A graph that `emit` wrote is read back to the bit, and needs none of the options. Any other is one of linear nodes
    and IF neurons, and enters as real weights, which become the target's integers:

    reset        what a spike does to the potential: NIR's tools differ. "soft" takes v_threshold away. "hard", which
                 sets the potential to v_reset, is refused: what it throws away is no longer in the counts, and no
                 population of ganglion does that
    steps        T, time-steps per sample, at each of which the same input enters
    target       whose integers the network uses, as for `compile`; "loihi2" by default
    input_range, input_step  as for `compile`

    The logits are the mean over T of what reaches the Output: of a neuron there, its spikes per step.

    Raises `CompileError`, naming the nodes, where the graph has no such network, `InputError` for unusable options, a
    file that is no NIR file, one that was changed since `emit` wrote it, and where the package nir is missing.
    """
    from ganglion.frontend import nir as frontend

    graph = frontend.open_graph(source)
    label = str(source) if isinstance(source, (str, PathLike)) else "the NIR graph"
    if frontend.is_written(graph):
        net = frontend.read_back(graph, label)
        agree(net, label, reset, steps, target, input_range, input_step)
        return net
    if steps is None or reset is None:
        missing = "reset" if reset is None else "steps"
        raise InputError(
            f"{label} does not say {'how its neurons are reset' if reset is None else 'how long a sample lasts'}: "
            f"{missing} is missing",
            hint="--reset soft --steps T (reset='soft', steps=T), if a spike takes v_threshold away",
        )
    if reset not in ("soft", "hard"):
        raise InputError(f"reset={reset!r}: it must be 'soft' or 'hard'")
    steps, chip = whole("steps", steps), chip_of("loihi2" if target is None else target)
    if reset == "hard":
        neurons = [name for name, node in graph.nodes.items() if type(node).__name__ == "IF"]
        raise CompileError(
            "neurons with a hard reset have no form here: they throw away what exceeds the threshold, so their counts "
            "no longer add up to their input",
            origin=neurons,
            hint="train or convert the network with a soft reset (subtraction), and import it with --reset soft",
        )
    assert chip is not None
    name = Path(source).stem if isinstance(source, (str, PathLike)) else "nir"
    found = frontend.translate(graph, name, input_codes(graph, input_range, input_step))
    known = checksum(source) if isinstance(source, (str, PathLike)) else digest(graph)[:16]
    path: list[passes.Pass] = [
        passes.compose,
        frontend.keep_integers,
        partial(passes.group, members=1, neuron=frontend.neuron_of(found.thresholds)),
        partial(passes.schedule, steps=steps, max_delay=chip.max_delay),
        partial(passes.quantize, target=chip),
        passes.choose_kernels,
    ]
    return passes.run(replace(found.graph, source=known), path)


def input_codes(graph: Any, input_range: tuple[float, float] | None, input_step: float | None) -> InputFormat:
    """The codes in which the input enters."""
    from ganglion.frontend import input_format

    if input_range is not None:
        return input_format.from_range(input_range, input_step)
    if input_step is not None:
        raise InputError("an input step needs an input range as well", hint="give both, such as (0, 1) and 1/255")
    return input_format.by_default(next(iter(graph.inputs), "input"))


def agree(net: Graph, label: str, reset: Any, steps: Any, target: Any, *of_the_input: Any) -> None:
    """Raise `InputError` where options were given for a network that has its own, and differ."""
    hint = "leave the options out, or compile the model anew for others"
    if reset not in (None, "soft"):
        raise InputError(f"{label} was written by ganglion, with a soft reset; reset={reset!r} does not fit", hint=hint)
    if steps is not None and steps != net.steps:
        raise InputError(f"{label} was written for T = {net.steps}; steps={steps!r} does not fit", hint=hint)
    if target is not None:
        chip = chip_of(target)
        if chip is None or chip.name != net.target:
            raise InputError(f"{label} was written for {net.target}; the target {target} does not fit", hint=hint)
    if any(option is not None for option in of_the_input):
        raise InputError(f"{label} was written by ganglion, and knows its input's codes", hint=hint)


__all__ = ["import_nir"]
