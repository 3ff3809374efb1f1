"""The command line of a bundle."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import IO, Any

import numpy as np

from ganglion.backends.sanafe.library.chip import PARTS, Chip, Result
from ganglion.backends.sanafe.library.network import Network

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2
SHOWN_LINES = 10


class BadInput(Exception):  # noqa: N818
    """What the user gave cannot be used."""


def main(folder: Path, arguments: Sequence[str] | None = None) -> int:
    """Run the network in `folder`. Returns the exit code."""
    about = json.loads((folder / "ganglion.json").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=f"Run the spiking network '{about['name']}' on SANA-FE.")
    parser.add_argument("--input", required=True, type=Path, help="input codes, integers (N, *shape), .npy")
    parser.add_argument("--output", required=True, type=Path, help="the counts (T, N, *shape) by population, .npz")
    parser.add_argument("--samples", type=int, help="only the first SAMPLES samples")
    parser.add_argument("--save-network", type=Path, help="write the whole network, in SANA-FE's YAML, there as well")
    args = parser.parse_args(arguments)
    try:
        codes = read_codes(args.input, about["input"], args.samples)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    with os.fdopen(os.dup(1), "w", buffering=1) as told, tempfile.TemporaryFile("w+") as chatter:
        os.dup2(chatter.fileno(), 1)  # SANA-FE says much
        try:
            with redirect_stdout(chatter):
                execute(folder, about, codes, args.output, args.save_network, told)
        except Exception:
            chatter.flush()
            chatter.seek(0)
            said = "".join(chatter.readlines()[-SHOWN_LINES:])
            print(f"{said}error: SANA-FE failed:\n{traceback.format_exc()}", file=sys.stderr)
            return EXIT_FAILED
    return 0


def read_codes(path: Path, wanted: dict[str, Any], samples: int | None) -> np.ndarray:
    """The input codes (N, *shape), checked."""
    shape, low, high = tuple(wanted["shape"]), wanted["low"], wanted["high"]
    try:
        codes: np.ndarray = np.load(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from None
    if codes.shape[1:] != shape or not np.issubdtype(codes.dtype, np.integer):
        raise BadInput(f"{path}: expected integers (N, {', '.join(map(str, shape))}), got {codes.dtype} {codes.shape}")
    codes = codes[:samples]
    if not len(codes):
        raise BadInput(f"{path}: no samples")
    if int(codes.min()) < low or int(codes.max()) > high:
        raise BadInput(f"{path}: codes {codes.min()}..{codes.max()} are not within {low}..{high}")
    return codes


def execute(
    folder: Path, about: dict[str, Any], codes: np.ndarray, output: Path, saved: Path | None, told: IO[str]
) -> None:
    """Build, load, and run sample by sample; say how far it is, and at the end what it has cost."""
    begin = time.perf_counter()
    network = Network(folder, about)
    network.connect()
    if saved is not None:
        network.net.save(str(saved))
    chip = Chip(network)
    ready = time.perf_counter()
    results = []
    total = len(codes) * chip.last
    for n, sample in enumerate(codes, 1):
        results.append(chip.run(sample))
        print(f"step {n * chip.last}/{total}", file=told)
    write(output, network, results)
    energy = sum(r.energy["total"] for r in results) / len(results)
    latency = sum(r.latency for r in results) / len(results)
    print(f"per sample {energy:.4g} J, {latency:.4g} s", file=told)
    facts = {
        "steps": total,
        "start_seconds": ready - begin,
        "run_seconds": time.perf_counter() - ready,
        "energy": {part: [r.energy[part] for r in results] for part in PARTS},
        "latency": [r.latency for r in results],
    }
    print("done " + json.dumps(facts), file=told)


def write(output: Path, network: Network, results: list[Result]) -> None:
    """The counts (T, N, *shape) and the readout's potentials by name, energy and latency by sample; whole or not at
    all."""
    arrays = {}
    for m in network.membranes:
        values = np.stack([r.values[m["label"]] for r in results], axis=1)
        kind = np.int32 if m["readout"] else np.uint8 if len(m["groups"]) < 256 else np.uint16
        arrays[m["name"]] = values.reshape(*values.shape[:2], *m["shape"]).astype(kind)
    for part in PARTS:
        arrays[f"sanafe:energy_{part}"] = np.array([r.energy[part] for r in results])
    arrays["sanafe:latency"] = np.array([r.latency for r in results])
    work = output.with_name(f".{output.name}.{os.getpid()}.npz")
    try:
        np.savez_compressed(work, **arrays)  # type: ignore[arg-type]  # numpy types the keys as options
        work.replace(output)
    finally:
        work.unlink(missing_ok=True)
