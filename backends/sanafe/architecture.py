"""arch.yaml: Loihi 1 as SANA-FE describes a chip, with the energies and times of targets/loihi1.toml.

What that file does not know costs nothing here; so energy and latency are lower bounds, without static power.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ganglion.targets import Hardware, load

KINDS = ("dense", "sparse", "conv")  # of synapses; each has a dendrite of its own, for SANA-FE's delays lie there
TARGET = "loihi1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What a placement must know: members per core, cores per tile, and the width and height of a chip in tiles."""

    compartments: int
    cores_per_tile: int
    width: int
    height: int


@lru_cache(maxsize=1)
def hardware() -> Hardware:
    """Everything that is known of the target."""
    found = load(TARGET).hardware
    assert found is not None  # it is part of the package
    return found


def chip() -> Chip:
    """The target's sizes."""
    known = hardware()
    width, height = known.tiles
    assert known.neurons is not None
    return Chip(compartments=known.neurons, cores_per_tile=known.per_tile, width=width, height=height)


def architecture_text(width: int, height: int, tiles: int) -> str:
    """arch.yaml with the first `tiles` tiles, column after column, of a mesh of `width` and `height`; several chips are
    one larger mesh."""
    sizes, energy, time = chip(), hardware().energy["sanafe"], hardware().timing
    units = "".join(
        SYNAPSE.format(kind=kind, energy=pico(energy["synop_by_lists"][kind]), latency=nano(time["synop"]))
        for kind in KINDS
    )
    return TEMPLATE.format(
        target=TARGET,
        width=width,
        height=height,
        sync=barrier(time["barrier"], sizes.width * sizes.height),
        last_tile=tiles - 1,
        last_core=sizes.cores_per_tile - 1,
        compartments=sizes.compartments,
        hop_ns=pico(energy["hop_ns"]),
        hop_ew=pico(energy["hop_ew"]),
        time_ns=nano(time["hop_ns"]),
        time_ew=nano(time["hop_ew"]),
        synapses=units,
        dendrites="".join(DENDRITE.format(kind=kind) for kind in KINDS),
        access=pico(energy["soma"]["access"]),
        update=pico(energy["soma"]["update"]),
        spike=pico(energy["soma"]["spike_out"]),
        time_access=nano(time["neuron_inactive"]),
        time_update=nano(round(time["neuron_active"] - time["neuron_inactive"], 6)),
        message=pico(energy["message_out"]),
        time_message=nano(time["hop_tile"]),
    )


def barrier(ends: list[float], tiles: int) -> str:
    """SANA-FE's table of the time all tiles take to agree that a step is over: a straight line between the two
    published ends, for 1 and for all tiles of a chip."""
    low, high = ends
    times = [low + (high - low) * (n - 1) / (tiles - 1) for n in range(1, tiles + 1)]
    return "{" + ", ".join(f"{n}: {nano(round(t, 3))}" for n, t in enumerate(times, 1)) + "}"


def pico(value: float) -> str:
    """So many pJ, in J."""
    return f"{value}e-12"


def nano(value: float) -> str:
    """So many ns, in s."""
    return f"{value}e-9"


SYNAPSE = """
            - name: {kind}
              attributes: {{model: current_based, energy_process_spike: {energy}, latency_process_spike: {latency}}}"""

DENDRITE = """
            - name: {kind}_dendrite
              attributes: {{model: accumulator_with_delay, energy_update: 0.0, latency_update: 0.0}}"""

TEMPLATE = """\
# Loihi 1, for SANA-FE: J and s. The numbers are those of ganglion's {target}.toml, which names their sources: energies
# from a regression on Loihi boards (Boyle et al., TCAD 2025), times before silicon (Davies et al., IEEE Micro 2018).
# Not known, and therefore 0: dendrites, messages in, the time of a spike out. The barrier's time between its two
# published ends is a straight line. Static power is not in it.
architecture:
  name: {target}
  attributes:
    topology: mesh
    width: {width}
    height: {height}
    link_buffer_size: 16
    sync_model: table
    latency_sync: {sync}
  tile:
    - name: tile[0..{last_tile}]
      attributes:
        energy_north_hop: {hop_ns}
        latency_north_hop: {time_ns}
        energy_south_hop: {hop_ns}
        latency_south_hop: {time_ns}
        energy_east_hop: {hop_ew}
        latency_east_hop: {time_ew}
        energy_west_hop: {hop_ew}
        latency_west_hop: {time_ew}
      core:
        - name: core[0..{last_core}]
          attributes:
            buffer_position: dendrite
            buffer_inside_unit: true
            max_neurons_supported: {compartments}
          axon_in:
            - name: axon_in
              attributes: {{energy_message_in: 0.0, latency_message_in: 0.0}}
          synapse:{synapses}
          dendrite:{dendrites}
          soma:
            - name: member
              attributes:
                model: leaky_integrate_fire
                energy_access_neuron: {access}
                latency_access_neuron: {time_access}
                energy_update_neuron: {update}
                latency_update_neuron: {time_update}
                energy_spike_out: {spike}
                latency_spike_out: 0.0
          axon_out:
            - name: axon_out
              attributes: {{energy_message_out: {message}, latency_message_out: {time_message}}}
"""
