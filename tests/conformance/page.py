"""docs/operators.md: the result of every case, written from a run and read back as what the next run must give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import onnx

from .outcome import CALIBRATED, LIFTED, PASS, REFUSED, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
Rows = Mapping[tuple[str, str], Outcome]  # by operator and case

HEAD = f"""# Operators

What Ganglion makes of the tests that the [onnx](https://github.com/onnx/onnx) package brings for every backend: one
row per test of an operator that the front end reads, or refuses with advice. Made with onnx {{version}} by

    pytest tests/conformance --update-operators

and not by hand; without the option the same command fails where a result is not the one written here.

The data of a test is the network's input; weights, shapes and axes are constants, as exporters write them (the operands
of Concat and Sum are all data). A test passes where the float network at T = 1 gives the expected values to 1e-5, for
each of its outputs. A wrong value is never "{REFUSED}": it fails. The results:

- **{PASS}**: axis 0 of the test is the batch. Softmax, LogSoftmax and ArgMax at the end are dropped, and applied to the
  logits by the test.
- **{LIFTED}**: axis 0 of the test is no batch, so it runs one axis further in.
- **{CALIBRATED}**: an activation without levels was given 16384 of them from the test's data; to 1e-3.
- **{REFUSED}**: refused by name, for the reason given.

Cases called `_expanded` are the operator written out in simpler ones, as onnx defines it.
"""

NOTES = {
    "Cast": "Nearly all of these have half or quarter precision at one end, or NaN and infinity in their data. Casts "
    "between float32, float64 and the integers of an input or of a quantiser are read.",
    "QuantizeLinear": "Alone it gives integers. What the front end reads is QuantizeLinear with DequantizeLinear "
    "after it (QDQ), as one activation.",
    "Relu": "Its levels come from samples; how good they are is not what is tested here.",
}


def write(rows: Rows, version: str = onnx.__version__) -> str:
    """The page for `rows`."""
    counts = Counter((operator, row.result == REFUSED) for (operator, _), row in rows.items())
    operators = sorted({operator for operator, _ in rows})
    passing = sum(n for (_, refused), n in counts.items() if not refused)
    lines = [HEAD.replace("{version}", version)]
    lines += [f"All: {passing} pass, {len(rows) - passing} not supported.", ""]
    lines += ["| operator | pass | not supported |", "|---|---|---|"]
    lines += [f"| [{op}](#{op.lower()}) | {counts[op, False]} | {counts[op, True]} |" for op in operators]
    for op in operators:
        lines += [
            "",
            f"## {op}",
            "",
            *([NOTES[op], ""] if op in NOTES else []),
            "| case | result | why not |",
            "|---|---|---|",
        ]
        lines += [
            f"| {case} | {row.result} | {row.why.replace('|', '/')} |"
            for (operator, case), row in sorted(rows.items())
            if operator == op
        ]
    return "\n".join(lines) + "\n"


def read(text: str) -> dict[tuple[str, str], Outcome]:
    """The rows of a page."""
    rows, operator = {}, ""
    for line in text.splitlines():
        if line.startswith("## "):
            operator = line[3:]
        elif match := re.fullmatch(r"\| (test_\w+) \| (.*?) \| (.*?) ?\|", line):
            case, result, why = match.groups()
            rows[operator, case] = Outcome(result, why)
    return rows


def version_of(text: str) -> str:
    """The version of onnx that a page was made with."""
    match = re.search(r"Made with onnx (\S+)", text)
    assert match is not None, "the page names the version"
    return match[1]
