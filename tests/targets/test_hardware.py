"""Descriptions of chips: what is unknown stays unknown, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganglion import InputError, targets

MINIMAL = """
name = "mine"
[integers]
weight_bits = 8
max_exponent = 7
membrane_bits = 24
max_delay = 62
scales = "channel"
"""
CHIP = (
    MINIMAL
    + """
[chip]
neurocores = 4
tiles = [2, 1]
cores_per_tile = 2
[core]
memory_KiB = 64
in_axons = "unpublished"
[neuron]
potential_bits = 24
"""
)


def load(tmp_path: Path, text: str) -> targets.Target:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return targets.load(path)


def test_a_description_of_integers_alone_has_no_hardware(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL).hardware is None


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    hardware = load(tmp_path, CHIP).hardware
    assert hardware is not None
    assert (hardware.in_axons, hardware.neurons, hardware.out_axons) == (None, None, None)
    assert hardware.memory is not None
    assert hardware.memory.bytes == 65536


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("neurocores = 4\n", "", "chip.neurocores"),
        ("tiles = [2, 1]", "tiles = 2", "chip.tiles"),
        ("memory_KiB = 64", "", "synaptic memory"),
        ('in_axons = "unpublished"', "in_axons = -3", "core.in_axons"),
        ("[neuron]", "[boards]\nhuge = 0\n[neuron]", "boards"),
    ],
)
def test_a_wrong_description_names_the_key(old: str, new: str, named: str, tmp_path: Path) -> None:
    assert old in CHIP
    with pytest.raises(InputError, match=named):
        load(tmp_path, CHIP.replace(old, new))


@pytest.mark.parametrize("name", targets.BUNDLED)
def test_the_bundled_chips_have_hardware_with_every_assumption_in_words(name: str) -> None:
    hardware = targets.load(name).hardware
    assert hardware is not None
    assert all(len(text) > 20 for text in hardware.assumptions.values())
