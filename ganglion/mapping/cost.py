"""What a mapped network costs: counts first; energy and time as bands, where the chip's constants are public.

Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE Micro 2018, table 2
(pre-silicon), and Boyle et al., "SANA-FE", TCAD 2025 (regression on a board) give the two sets of constants for
Loihi 1. Loihi 2 has no public constants: counts, never joules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganglion.ir import Array, Graph, Projection
from ganglion.targets import Hardware

from .layers import Layer
from .place import Placement
from .routes import Routes
from .search import Cut, slots
from .tiles import lateral_synapses

INCLUDED = (
    "spikes, synaptic operations and neuron updates of one sample's window, messages between cores and their hops, and "
    "static power for the time of the window"
)
EXCLUDED = (
    "the input's way onto the chip, the readout's way off it, the host, the embedded processors, resets between "
    "samples, barrier energy, and the idle steps of the pipeline"
)


def costs_of(
    net: Graph,
    hardware: Hardware,
    layers: Mapping[str, Layer],
    cuts: Mapping[str, Cut],
    routes: Mapping[str, Routes],
    placement: Placement | None,
    rates: Mapping[str, Array] | None,
) -> dict[str, Any]:
    """Counts, energy and time of one sample, and what they include.

    `rates` (C, H, W) by population and input: messages per neuron and time-step; None where nothing was measured.
    """
    T = net.steps
    counts: dict[str, Any] = {
        "spikes": None,
        "synaptic_operations": None,
        "messages": None,
        "hops": None,
        "off_chip_messages": None,
        "updates": T * sum(int(c.use["neurons"].sum()) for c in cuts.values()),
        "delay_slots": sum(slots(x) * int(cuts[x.name].use["neurons"].sum()) for x in layers.values()),
        "synapses": sum(int(c.use["synapses"].sum()) for c in cuts.values()),
    }
    for name in ("synaptic words", "memory"):
        if name in next(iter(cuts.values())).use:
            counts[name.replace(" ", "_")] = sum(int(c.use[name].sum()) for c in cuts.values())
    ways: dict[str, float] = {}
    busiest = 0.0
    if rates is not None:
        counts["spikes"] = T * float(sum(rates[x.name].sum() for x in layers.values() if x.fires))
        operations, busiest = _operations(hardware, layers, cuts, rates)
        counts["synaptic_operations"] = T * operations
        if placement is not None:
            counts["messages"] = T * float(sum(r.messages.sum() for r in routes.values()))
            ways = _ways(placement, routes, hardware)
            counts["hops"] = T * (ways["ew"] + ways["ns"])
            counts["off_chip_messages"] = T * ways["off_chip"]
    return {
        "per": "sample",
        "steps": T,
        "counts": {k: (round(v, 1) if isinstance(v, float) else v) for k, v in counts.items()},
        "ann": {"macs": _macs(net), "bits": 8},
        "time_per_step_us": (time := _time(hardware, cuts, busiest, placement)),
        "energy_uJ": _energy(hardware, counts, ways, time, placement, T),
        "included": INCLUDED,
        "excluded": EXCLUDED,
    }


def _macs(net: Graph) -> int:
    """Multiply-accumulates of the network as an ANN: one pass, padding included."""
    return sum(p.synapses(net.typeof(p.inputs[0]).shape) for p in net.of(Projection))


def _operations(
    hardware: Hardware, layers: Mapping[str, Layer], cuts: Mapping[str, Cut], rates: Mapping[str, Array]
) -> tuple[float, float]:
    """Synaptic operations per step of all cores, and of the busiest one, taking each population's as evenly spread."""
    total, busiest = 0.0, 0.0
    for layer in layers.values():
        here = 0.0
        for link in layer.incoming:
            if link.entry:
                fan_out = link.projection.fan_out(link.shape)
                rate = rates[link.source].reshape(link.shape)
                here += float((rate * fan_out).sum()) * layer.members
        if layer.lateral:
            here += float(rates[layer.name].sum()) * lateral_synapses(layer, hardware)
        total += here
        share = cuts[layer.name].use["synapses"]
        busiest = max(busiest, here * float(share.max()) / max(float(share.sum()), 1.0))
    return total, busiest


def _ways(placement: Placement, routes: Mapping[str, Routes], hardware: Hardware) -> dict[str, float]:
    """Hops per step along rows (ew) and columns (ns), messages that stay in a tile, and those between chips."""
    found = {"ew": 0.0, "ns": 0.0, "in_tile": 0.0, "off_chip": 0.0}
    columns = hardware.tiles[0]
    for r in routes.values():
        a, b = r.sources, r.targets
        across = np.abs((placement.chip[a] - placement.chip[b]) * columns + placement.x[a] - placement.x[b])
        along = np.abs(placement.y[a] - placement.y[b])
        found["ew"] += float(across @ r.messages)
        found["ns"] += float(along @ r.messages)
        found["in_tile"] += float(r.messages[(across + along) == 0].sum())
        found["off_chip"] += float(r.messages[placement.chip[a] != placement.chip[b]].sum())
    return found


def _time(
    hardware: Hardware, cuts: Mapping[str, Cut], busiest: float, placement: Placement | None
) -> dict[str, Any] | None:
    """Bounds of one time-step in microseconds: cores work side by side, each one serially, then a barrier."""
    t = hardware.timing
    if "synop" not in t:
        if "min_step_ns" not in t:
            return None
        return {"low": t["min_step_ns"] / 1000, "high": None, "from": "the shortest step published; no other bound is"}
    neurons = max(int(c.use["neurons"].max()) for c in cuts.values())
    synapses = max(int(c.use["synapses"].max()) for c in cuts.values())
    barrier = t.get("barrier", [0, 0])
    low = barrier[0] + neurons * t["neuron_inactive"] + busiest * t["synop"]
    columns, rows = hardware.tiles
    way = columns * t.get("hop_ew", 0) + rows * t.get("hop_ns", 0)
    high = barrier[1] + neurons * t["neuron_active"] + synapses * t["synop"] + way
    return {
        "low": round(low / 1000, 3),
        "high": round(high / 1000, 3),
        "from": "the fullest core: updates and measured synaptic operations, or all synapses at once; published "
        "constants, pre-silicon",
        "observed_on_boards": list(t.get("observed_step_us", [])),
    }


def _energy(
    hardware: Hardware,
    counts: Mapping[str, Any],
    ways: Mapping[str, float],
    time: Mapping[str, Any] | None,
    placement: Placement | None,
    steps: int,
) -> dict[str, Any] | None:
    """Microjoules per sample by set of constants, as a band: no update active, or all; None where none are public."""
    if not hardware.energy or counts["messages"] is None:
        return None
    found: dict[str, Any] = {}
    for name, e in hardware.energy.items():
        moved = steps * (ways["ew"] * e.get("hop_ew", 0.0) + ways["ns"] * e.get("hop_ns", 0.0))
        moved += steps * ways["in_tile"] * e.get("spike_in_tile", 0.0) + counts["messages"] * e.get("message_out", 0.0)
        fixed = counts["synaptic_operations"] * e["synop"] + moved
        band = [fixed + counts["updates"] * e[k] for k in ("neuron_inactive", "neuron_active")]
        found[name] = {"low": round(band[0] / 1e6, 4), "high": round(band[1] / 1e6, 4)}
    static = hardware.power.get("static_mW_per_chip")
    if static is not None and time is not None and time["high"] is not None and placement is not None:
        power = static * placement.chips * steps / 1000  # mW * us = nJ
        found["static"] = {"low": round(power * time["low"], 4), "high": round(power * time["high"], 4)}
    return found
