"""Names of ops as Python identifiers, and text that is safe inside the generated program."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable

PROGRAM_NAMES = (
    "T", "N", "W", "FACTS", "build", "codes", "np", "sys", "Path", "main", "len", "Network", "Facts", "requirements",
)  # fmt: skip
CONNECTIONS = frozenset(["Conv2d", "Delay", "OneToOne", "Sparse", "dense"])
NEURONS = frozenset(["GroupNeuron", "MaxPool", "PhaseNeuron", "Readout"])
RESERVED = CONNECTIONS | NEURONS | {"InputSource", *PROGRAM_NAMES}


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A readable identifier for each name, all distinct and none in `taken`: `/layer1/conv.1/Conv` ->
    `layer1_conv_1_Conv`."""
    used = {*taken, *RESERVED}
    result = {}
    for name in names:
        base = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_") or "op"
        if base[0].isdigit() or keyword.iskeyword(base):
            base = f"op_{base}"
        identifier, count = base, 1
        while identifier in used:
            count += 1
            identifier = f"{base}_{count}"
        used.add(identifier)
        result[name] = identifier
    return result


def quoted(text: str) -> str:
    """`text` as a Python literal, in double quotes."""
    return json.dumps(text)


def one_line(text: str) -> str:
    """`text` for a comment or a docstring: one line, without quotes or backslashes that could end it."""
    return " ".join(text.split()).replace("\\", "/").replace('"', "'")
