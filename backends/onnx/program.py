"""Runs the spiking network in this folder on onnxruntime; needs numpy and onnxruntime, and nothing of ganglion.

    python run.py --input codes.npy --output counts.npz
    python run.py --input codes.npy --output counts.npz --form window

`codes.npy` holds integers (N, *shape): the input's codes. `counts.npz` holds the spike counts (T, N, *shape) of every
population by its name, and by the readout's name its potentials; the logits are those of the last step * unit / T.

`--form step` runs step.onnx, one time-step at a time, `--lanes` samples side by side and the others behind them in the
same pipeline; `--form window` runs window.onnx, all time-steps of a sample at once. Both give the same integers.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]

DTYPES = {"int32": np.int32, "int64": np.int64}


def facts_of(session: ort.InferenceSession) -> dict[str, Any]:
    """What the model says of itself: names, shapes and levels of its inputs and outputs, and which state goes where."""
    facts: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map["ganglion"])
    return facts


def results_of(facts: dict[str, Any], record: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The populations `record` and the readout, by name."""
    readout = facts["readout"]
    return {name: facts["populations"][name] for name in record} | {readout["name"]: readout}


def step_by_step(
    session: ort.InferenceSession, codes: Any, record: Sequence[str], lanes: int, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """`codes` (N, *shape) through the pipeline, `lanes` samples side by side -> int32 (T, N, *shape) by name."""
    facts = facts_of(session)
    T, depth, N = facts["steps"], facts["depth"], len(codes)
    lanes = min(lanes, N)
    samples = math.ceil(N / lanes)  # of each lane; the last ones are repeated where they do not come out even
    codes = codes[np.minimum(np.arange(lanes * samples), N - 1)].reshape(lanes, samples, *codes.shape[1:])
    codes = codes.astype(np.int32)
    state = {
        s["input"]: np.zeros((*([lanes] if s["batch"] else []), *s["shape"]), DTYPES[s["dtype"]])
        for s in facts["state"]
    }
    recorded = results_of(facts, record)
    results = {name: np.zeros((T, lanes, samples, *p["shape"]), np.int32) for name, p in recorded.items()}
    outputs = list(dict.fromkeys([s["output"] for s in facts["state"]] + [p["tensor"] for p in recorded.values()]))
    last = samples * T + depth
    for g in range(last):
        fed = codes[:, min(g // T, samples - 1)]  # behind the last sample anything may come
        values = dict(zip(outputs, session.run(outputs, {facts["input"]["tensor"]: fed, **state}), strict=True))
        for name, place in recorded.items():
            sample, t = divmod(g - place["level"], T)
            if 0 <= sample < samples:
                results[name][t, :, sample] = values[place["tensor"]]
        state = {s["input"]: values[s["output"]] for s in facts["state"]}
        tell(g + 1, last)
    return {name: r.reshape(T, lanes * samples, *r.shape[3:])[:, :N] for name, r in results.items()}


def whole_windows(
    session: ort.InferenceSession, codes: Any, record: Sequence[str], block: int, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """`codes` (N, *shape), `block` samples at a time -> int32 (T, N, *shape) by name."""
    facts = facts_of(session)
    recorded = results_of(facts, record)
    results = {n: np.zeros((facts["steps"], len(codes), *p["shape"]), np.int32) for n, p in recorded.items()}
    outputs = [place["tensor"] for place in recorded.values()]
    for start in range(0, len(codes), block):
        part = codes[start : start + block].astype(np.int32)
        for name, values in zip(recorded, session.run(outputs, {facts["input"]["tensor"]: part}), strict=True):
            results[name][:, start : start + block] = values
        tell(min(start + block, len(codes)), len(codes))
    return results


def problem(facts: dict[str, Any], codes: Any) -> str:
    """Why the network cannot take `codes`; empty where it can."""
    shape, low, high = tuple(facts["input"]["shape"]), facts["input"]["low"], facts["input"]["high"]
    if codes.shape[1:] != shape or not np.issubdtype(codes.dtype, np.integer) or not len(codes):
        return f"the input codes are {codes.dtype} {codes.shape}; expected integers (N, {', '.join(map(str, shape))})"
    if int(codes.min()) < low or int(codes.max()) > high:
        return f"the input codes {codes.min()}..{codes.max()} are not within {low}..{high}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--input", required=True, metavar="codes.npy", help="integer codes (N, *shape)")
    parser.add_argument("--output", required=True, metavar="counts.npz", help="where the counts go")
    parser.add_argument("--form", choices=("step", "window"), default="step", help="(default: step)")
    parser.add_argument("--lanes", type=int, default=16, metavar="N", help="samples side by side (default: 16)")
    a = parser.parse_args(arguments)
    if a.lanes < 1:
        parser.error("--lanes: at least 1")
    try:
        codes = np.load(a.input, allow_pickle=False)
    except (OSError, ValueError) as error:
        parser.error(f"--input: cannot read {a.input}: {error}")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    model = Path(__file__).with_name(f"{a.form}.onnx")
    if not model.is_file():
        parser.error(f"{model} is missing: write the bundle again")
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    facts = facts_of(session)
    found = problem(facts, codes)
    if found:
        parser.error(f"--input: {found}")
    run = step_by_step if a.form == "step" else whole_windows
    results = run(session, codes, list(facts["populations"]), a.lanes, lambda done, total: None)
    try:
        with open(a.output, "wb") as file:
            np.savez(file, **results)
    except OSError as error:
        parser.error(f"--output: cannot write {a.output}: {error}")
    print(f"{len(codes)} samples, {facts['steps']} time-steps each, {len(results) - 1} populations: {a.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
