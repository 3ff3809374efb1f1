"""A mapping in words and rows: what the terminal, the pages and the notebooks say of it, written once."""

from __future__ import annotations

from typing import Any

from ganglion.ir import dims

from .mesh import chips_of
from .result import Check, Mapping

NUMBERS = (2, 4)  # columns of `layers` that stand right
WORDS = {"pass": "pass", "fail": "no", "unknown": "assumed"}


def count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def title(mapping: Mapping) -> str:
    """Network, chip, form and cores."""
    least = "" if mapping.placement else "at least "
    return f"{mapping.network} on {mapping.target}, {mapping.form} form: {least}{count(mapping.core_count, 'core')}"


def verdict(mapping: Mapping) -> str:
    """What comes after "fits: yes": cores, chips, conditions, and what binds."""
    board = f" ({mapping.board})" if mapping.board else ""
    chips = f" on {count(mapping.chips, 'chip')}{board}" if mapping.placement else ""
    least = "" if mapping.placement else "at least "
    passed = sum(check.verdict == "pass" for check in mapping.checks)
    return (
        f"{least}{count(mapping.core_count, 'core')}{chips}; {passed} of {len(mapping.checks)} conditions pass; "
        f"what binds: {mapping.binding}"
    )


def layers(mapping: Mapping) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings, and a row for every population; which chips hold it where there are several."""
    chips = chips_of(mapping)
    many = mapping.chips > 1
    rows: list[tuple[str, ...]] = []
    for x in mapping.layers:
        cores = f"{'>= ' if x.broken else ''}{x.cores:,}"
        where = (chips[x.name],) if many else ()
        rows.append((x.name, dims(x.shape), str(x.members), dims(x.extents), cores, *where, x.binding))
    return ("population", "shape", "members", "tile", "cores", *(["chips"] if many else []), "what binds"), rows


def helps(mapping: Mapping) -> list[str]:
    """Which resource binds the populations that do not fit, or take several cores, and what would help."""
    groups: dict[tuple[bool, str, str], list[int]] = {}
    for x in mapping.layers:
        if x.remedy:
            groups.setdefault((not x.broken, x.binding.split(",")[0], x.remedy), []).append(x.cores)
    found = []
    for (fits, resource, remedy), cores in sorted(groups.items()):
        many = count(len(cores), "population")
        filled = f"decides the number of cores of {many}, {sum(cores):,} together; to take fewer"
        found.append(f"{resource}: {filled if fits else f'beyond the limit in {many}; to fit'}: {remedy}")
    return found


def open_checks(mapping: Mapping) -> list[Check]:
    """The conditions that do not simply pass: those that fail, then those that are assumed."""
    return [c for verdict in ("fail", "unknown") for c in mapping.checks if c.verdict == verdict]


def costs(mapping: Mapping) -> dict[str, str]:
    """What a sample costs, by name; in the words of `cost.py` what is counted and what is not."""
    c = mapping.costs
    told = [f"{k.replace('_', ' ')} {f'{v:,}'.removesuffix('.0')}" for k, v in c["counts"].items() if v is not None]
    measured = f"measured on {count(mapping.samples, 'sample')}"
    found = {
        f"per sample of {count(c['steps'], 'step')}": ", ".join(told),
        "spikes": measured if mapping.samples else "not measured (map --input X.npy)",
        "the ANN": f"{c['ann']['macs']:,} multiply-accumulates of {c['ann']['bits']} bits",
    }
    time = c["time_per_step_us"]
    if time is not None:
        high = "unknown" if time["high"] is None else f"{time['high']:,g} us"
        found["one time-step"] = f"at least {time['low']:,g} us, at most {high} ({time['from']})"
    if c["energy_uJ"] is None:
        why = "no constants are public" if mapping.samples else "it takes spikes (--input), and public constants"
        return found | {"energy": f"not told; {why}"}
    return found | {f"energy, {name}": _band(band) for name, band in c["energy_uJ"].items()}


def _band(band: dict[str, Any]) -> str:
    return f"{band['low']:,g} to {band['high']:,g} uJ"
