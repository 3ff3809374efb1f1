"""Engines outside the simulator that run the same network, each against the simulator's spikes.

To add one: a function that makes an `Executor`, a line in `asked_for`, and its option in `compare` and on the command
line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ganglion.ir import Array, Graph
from ganglion.pipeline import emit, whole

Tell = Callable[[int, int], None]  # done, all


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What an engine made of the samples, in the simulator's integers.

    counts      spike counts (T, N, *shape) by population; a network of which only a part ran leaves out the others
    potentials  the membrane potentials (T, N, *shape) of the readout, by its name; none where it did not run
    remarks     what the engine says beside the spikes, a line each
    """

    counts: Mapping[str, Array]
    potentials: Mapping[str, Array]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """One engine: its name in results, its title in progress bars, how many of the samples it runs (None: all)."""

    name: str
    title: str
    samples: int | None
    run: Callable[[Graph, Array, Tell], Executed]

    @property
    def pair(self) -> str:
        """The name of its comparison with the simulator."""
        return f"{self.name}_vs_simulator"


LAVA_VS_SIMULATOR = "lava_vs_simulator"
ONNX_VS_SIMULATOR = "onnx_vs_simulator"


def asked_for(
    *,
    lava: Literal["graded", "cluster"] | None,
    lava_samples: int | None,
    lava_python: str | PathLike[str] | None,
    sanafe: bool,
    sanafe_samples: int | None,
    sanafe_populations: int | None,
    sanafe_python: str | PathLike[str] | None,
    timeout: float,
    onnx: bool,
) -> list[Executor]:
    """The engines that `compare` was asked for."""
    listed = []
    if lava is not None:
        samples = None if lava_samples is None else whole("lava_samples", lava_samples)
        listed.append(on_lava(lava, samples, lava_python, timeout))
    if onnx:
        listed.append(on_onnxruntime())
    if sanafe:
        samples = None if sanafe_samples is None else whole("sanafe_samples", sanafe_samples)
        part = None if sanafe_populations is None else whole("sanafe_populations", sanafe_populations)
        listed.append(on_sanafe(samples, part, sanafe_python, timeout))
    return listed


def on_lava(
    form: Literal["graded", "cluster"], samples: int | None, python: str | PathLike[str] | None, timeout: float
) -> Executor:
    """Lava's CPU models, in an interpreter of their own, within `timeout` seconds."""
    from ganglion.backends import lava

    def run(net: Graph, codes: Array, tell: Tell) -> Executed:
        with TemporaryDirectory(prefix="ganglion-") as folder:
            bundle = emit(net, "lava", Path(folder) / "bundle")
            ran = lava.run(bundle, codes, form=form, python=python, timeout=timeout, progress=tell)
        return Executed(counts=ran.counts, potentials=ran.potentials)

    return Executor(name="lava", title=f"lava ({form})", samples=samples, run=run)


def on_onnxruntime() -> Executor:
    """The model of a window in standard operators (`ganglion.backends.onnx`), in onnxruntime, in this process."""
    from ganglion.backends import onnx

    def run(net: Graph, codes: Array, tell: Tell) -> Executed:
        ran = onnx.run(net, codes, progress=tell)
        return Executed(counts=ran.counts, potentials=ran.potentials)

    return Executor(name="onnx", title="onnx (window)", samples=None, run=run)


def on_sanafe(
    samples: int | None, populations: int | None, python: str | PathLike[str] | None, timeout: float
) -> Executor:
    """SANA-FE, which also says what a chip would spend, on the first `populations` (None: on the whole network)."""
    from ganglion.backends import sanafe

    def run(net: Graph, codes: Array, tell: Tell) -> Executed:
        with TemporaryDirectory(prefix="ganglion-") as folder:
            bundle = emit(net, "sanafe", Path(folder) / "bundle", populations=populations)
            ran = sanafe.run(bundle, codes, python=python, timeout=timeout, progress=tell)
        part = ", as mapped" if ran.mapped else ""
        part += "" if ran.potentials else f", the first {len(ran.counts)} populations"
        cost = (
            f"SANA-FE: {1e6 * ran.energy.mean():.4g} uJ and {1e6 * ran.latency.mean():.4g} us per sample, alone on "
            f"{ran.cores} cores of Loihi 1{part}; lower bounds, without static power"
        )
        return Executed(counts=ran.counts, potentials=ran.potentials, remarks=(cost,))

    return Executor(name="sanafe", title="sanafe", samples=samples, run=run)
