"""The network's synapses in SANA-FE, and the current that enters every neuron from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import sanafe


class Network:
    """What the bundle in `folder` holds: `about` (ganglion.json), `arrays` (weights.npz), and SANA-FE's own objects."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.about = about
        with np.load(folder / "weights.npz") as stored:
            self.arrays = {key: stored[key] for key in stored.files}
        self.membranes: list[dict[str, Any]] = about["membranes"]
        self.groups = {m["label"]: m["groups"] for m in self.membranes}
        self.architecture = sanafe.load_arch(str(folder / "arch.yaml"))
        self.net = sanafe.load_net(str(folder / "network.yaml"), self.architecture)

    def connect(self) -> None:
        """Add the synapses: every member of a source to every member of its target, and lateral inhibition."""
        for p in self.about["projections"]:
            if p["source"]:
                self._project(p, self.groups[p["source"]], self.groups[p["target"]])
        for m in self.membranes:
            if not m["readout"]:
                self._inhibit(m["label"], m["groups"])

    def _project(self, p: dict[str, Any], sources: list[str], targets: list[str]) -> None:
        weight = self.arrays[f"{p['key']}.weight"]
        attributes: dict[str, list[int]] = {}
        if p["kind"] == "dense":  # one entry per pair, source by source
            attributes["weight"] = weight.T.ravel().tolist()
        elif p["kind"] == "conv2d":  # (kh, kw, inputs, outputs)
            attributes["weight"] = weight.transpose(2, 3, 1, 0).ravel().tolist()
        else:
            attributes["weight"] = weight.tolist()
        if p["delay"]:
            attributes["delay"] = [p["delay"]] * len(attributes["weight"])
        pairs = self._pairs(p["key"]) if p["kind"] == "sparse" else []
        for source in (self.net.groups[name] for name in sources):
            for target in (self.net.groups[name] for name in targets):
                if p["kind"] == "dense":
                    source.connect_neurons_dense(target, attributes)
                elif p["kind"] == "conv2d":
                    source.connect_neurons_conv2d(target, attributes, **p["geometry"])
                else:
                    source.connect_neurons_sparse(target, attributes, pairs)

    def _pairs(self, key: str) -> list[tuple[int, int]]:
        return list(zip(self.arrays[f"{key}.source"].tolist(), self.arrays[f"{key}.target"].tolist(), strict=True))

    def _inhibit(self, label: str, members: list[str]) -> None:
        """Every spike of member k, to all members at its place, itself too."""
        for k, name in enumerate(members):
            weight = (-self.arrays[f"{label}.inhibition"][k]).tolist()
            pairs = [(i, i) for i in range(len(weight))]
            for other in members:
                self.net.groups[name].connect_neurons_sparse(self.net.groups[other], {"weight": weight}, pairs)

    def currents(self, codes: np.ndarray) -> dict[str, list[int]]:
        """By population, what every neuron integrates at each step of its window beside spikes, for the input codes
        of one sample: its bias, and the weighted input, which is constant."""
        flat = codes.ravel().astype(np.float64)
        total = {m["label"]: self.arrays[f"{m['label']}.bias"].astype(np.float64) for m in self.membranes}
        for p in self.about["projections"]:
            if not p["source"]:
                weight, source, target = (self.arrays[f"{p['key']}.{part}"] for part in ("weight", "source", "target"))
                neurons = len(total[p["target"]])
                total[p["target"]] = total[p["target"]] + np.bincount(target, weight * flat[source], neurons)
        return {label: np.rint(values).astype(np.int64).tolist() for label, values in total.items()}
