"""What a chip has beside its integer formats: cores, memories, axons, timing, energy. Everything may be unknown.

`docs/targets.md` documents the tables of a target description, key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganglion.errors import InputError

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Synapses kept as lists in memory words, one list for an axon, in runs of targets that follow one another.

    words     of a core; None: not known
    word_bits bits of a word
    per_axon  most words of one list
    run       most synapses of one entry; `prefix_bits` are added to every entry
    bits      weight widths that exist
    formats   most different synapse formats (width, exponent) of a core
    """

    words: int | None
    word_bits: int
    per_axon: int | None
    run: int
    prefix_bits: int
    bits: tuple[int, ...]
    formats: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One memory for everything of a core, in bytes.

    bytes, synapses  of a core, and how much of it synapses may take; None: not known
    neuron, synapse, axon_in, axon_out, program   what each takes (of an allocation that is not published: assumed)
    """

    bytes: int | None
    synapses: int | None
    neuron: int
    synapse: int
    axon_in: int
    axon_out: int
    program: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One chip.

    cores, tiles, per_tile   neurocores of a chip; its mesh (columns, rows) of tiles; cores of a tile
    boards                   chips of each board, by its name
    neurons                  most neurons (compartments) of a core; None: not known
    per_neuron               compartments that one neuron with soft reset takes
    in_axons, out_axons      most axons of a core; None: not known
    off_chip                 out-axon entries of an axon to another chip, beyond the one of any other
    thresholds               most different thresholds of a core; None: any
    lists, memory            how synapses are kept: just one of the two
    shares_convolutions      a core keeps a kernel once, not once for every place
    programmable             neurons are programs: any threshold, reset, comparison, state
    payload_bits             of a spike; 0: spikes are binary
    delay_products           most compartments times delay slots (a power of two) of a core; None: any
    sum_bits                 of what arrives in one step, sign included; None: as the membrane
    potential_bits           of a membrane potential in units of exponent 0, sign included
    threshold_bits           of a threshold in the same units, without sign
    bias_max                 largest |bias| in the same units
    subtract_bits            of the mantissa of what lateral inhibition subtracts by one synapse; None: any value
    assumptions              what of this is assumed, by key; a fit that leans on it says so
    timing, energy, power    ns, pJ by set of constants, mW: as the description has them; what is not there is unknown
    """

    cores: int
    tiles: tuple[int, int]
    per_tile: int
    boards: Mapping[str, int]
    neurons: int | None
    per_neuron: int
    in_axons: int | None
    out_axons: int | None
    off_chip: int
    thresholds: int | None
    lists: Lists | None
    memory: Memory | None
    shares_convolutions: bool
    programmable: bool
    payload_bits: int
    delay_products: int | None
    sum_bits: int | None
    potential_bits: int
    threshold_bits: int | None
    bias_max: int | None
    subtract_bits: int | None
    assumptions: Mapping[str, str]
    timing: Table
    energy: Mapping[str, Table]
    power: Table


def hardware_of(where: str, data: Table) -> Hardware | None:
    """The hardware in a target description; None where it has none (no table [chip]).

    Raises `InputError`, naming `where` and the key, for what cannot be.
    """
    if "chip" not in data:
        return None
    read = Reader(where, data)
    core, chip = read.table("core"), read.table("chip")
    tiles = chip.get("tiles")
    if not (isinstance(tiles, list) and len(tiles) == 2 and all(type(n) is int and n > 0 for n in tiles)):
        raise InputError(f"{where}: chip.tiles = {tiles!r}; it must be [columns, rows]")
    if not (core.keys() & {"synmem_words", "memory_KiB"}):
        raise InputError(
            f"{where}: [core] says nothing of its synaptic memory",
            hint="give synmem_words (lists in words), or memory_KiB (bytes); see docs/targets.md",
        )
    boards = data.get("boards", {})
    if not all(type(n) is int and n > 0 for n in boards.values()):
        raise InputError(f"{where}: [boards] names the chips of each board by whole numbers, got {dict(boards)}")
    return Hardware(
        cores=read.need("chip", "neurocores"),
        tiles=(tiles[0], tiles[1]),
        per_tile=read.need("chip", "cores_per_tile"),
        boards=dict(boards),
        neurons=read.known("core", "neurons"),
        per_neuron=read.get("neuron", "compartments_soft_reset", 1),
        in_axons=read.known("core", "in_axons"),
        out_axons=read.known("core", "out_axon_entries"),
        off_chip=read.get("core", "off_chip_extra", 0, least=0),
        thresholds=read.known("core", "vth_profiles"),
        lists=_lists(read) if "synmem_words" in core else None,
        memory=None if "synmem_words" in core else _memory(read),
        shares_convolutions=bool(read.table("synapse").get("shares_convolutions", False)),
        programmable=bool(read.table("neuron").get("programmable", False)),
        payload_bits=read.get("neuron", "spike_payload_bits", 0, least=0),
        delay_products=read.known("core", "delay_products"),
        sum_bits=read.known("neuron", "sum_bits"),
        potential_bits=read.need("neuron", "potential_bits"),
        threshold_bits=read.known("neuron", "threshold_bits"),
        bias_max=read.known("neuron", "bias_max"),
        subtract_bits=read.known("neuron", "subtract_bits"),
        assumptions=dict(data.get("assumptions", {})),
        timing=read.table("timing"),
        energy={name: table for name, table in data.get("energy_pJ", {}).items() if isinstance(table, dict)},
        power=read.table("power"),
    )


def _lists(read: Reader) -> Lists:
    bits = read.table("synapse").get("weight_bits", [8])
    if not (isinstance(bits, list) and bits and all(type(b) is int and b > 0 for b in bits)):
        raise InputError(f"{read.where}: synapse.weight_bits = {bits!r}; it must list the widths that exist")
    return Lists(
        words=read.known("core", "synmem_words"),
        word_bits=read.get("core", "synmem_word_bits", 64),
        per_axon=read.known("core", "synmem_words_per_axon"),
        run=read.get("core", "synapses_per_entry", 1),
        prefix_bits=read.get("core", "entry_prefix_bits", 0, least=0),
        bits=tuple(sorted(bits)),
        formats=read.known("core", "synapse_formats"),
    )


def _memory(read: Reader) -> Memory:
    sizes = read.table("core").get("alloc_model_bytes", {})
    if not isinstance(sizes, dict):
        raise InputError(f"{read.where}: core.alloc_model_bytes = {sizes!r}; it must be a table")
    whole, synapses = read.known("core", "memory_KiB"), read.known("core", "synmem_max_KiB")
    return Memory(
        bytes=None if whole is None else whole * 1024,
        synapses=None if synapses is None else synapses * 1024,
        **{key: int(sizes.get(key, 0)) for key in ("neuron", "synapse", "axon_in", "axon_out", "program")},
    )


class Reader:
    """The tables of a description, with errors that name the key."""

    def __init__(self, where: str, data: Table) -> None:
        self.where, self.data = where, data

    def table(self, name: str) -> Table:
        found = self.data.get(name, {})
        if not isinstance(found, dict):
            raise InputError(f"{self.where}: [{name}] must be a table")
        return found

    def known(self, table: str, key: str, least: int = 1) -> int | None:
        """A whole number; None where it is missing or "unknown" or "unpublished"."""
        value = self.table(table).get(key)
        if value is None or value in ("unknown", "unpublished"):
            return None
        if type(value) is not int or value < least:
            raise InputError(
                f"{self.where}: {table}.{key} = {value!r}; it must be a whole number of at least {least}",
                hint='leave it out, or write "unknown", where it is not known',
            )
        return value

    def get(self, table: str, key: str, default: int, least: int = 1) -> int:
        found = self.known(table, key, least)
        return default if found is None else found

    def need(self, table: str, key: str) -> int:
        found = self.known(table, key)
        if found is None:
            raise InputError(f"{self.where}: {table}.{key} is missing", hint="a mapping needs it; see docs/targets.md")
        return found


__all__ = ["Hardware", "Lists", "Memory", "hardware_of"]
