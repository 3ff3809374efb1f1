"""Neurocores, chips and the limit that binds, for networks of CIFAR shape on both chips in both forms.

    python -m benchmarks.mapping [NETWORK ...] [--members 4]

The networks have random weights: what a core holds depends on shapes, not on values. A Markdown table, as in
docs/mapping.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import ganglion
from ganglion.mapping import Mapping

from .worker import ROOT

NETWORKS = ("vgg16", "resnet18", "resnet20", "mobilenetv2")
STEPS = 4


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.mapping", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--members", type=int, default=4)
    a = parser.parse_args(arguments)
    print("| network | chip | form | tau | fits | cores | chips | what binds | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in a.networks:
        with tempfile.TemporaryDirectory(prefix="ganglion-bench-") as folder:
            model, calibration = exported(name, Path(folder))
            for target in ("loihi1", "loihi2"):
                for members in dict.fromkeys((1, a.members)):
                    net = ganglion.compile(
                        model, steps=STEPS, members=members, target=target, input_range=(0, 1), calibration=calibration
                    )
                    for form in ("cluster", "graded"):
                        begin = time.perf_counter()
                        mapping = ganglion.map(net, target, form=form)
                        print(row(name, mapping, members, time.perf_counter() - begin), flush=True)


def exported(name: str, folder: Path) -> tuple[Path, object]:
    """The network with random weights as ONNX, and images to calibrate its relay populations on."""
    sys.path.insert(0, str(ROOT / "examples"))
    import mobile_models
    import models

    from ganglion.frontend.torch import export

    network = models.NETWORKS.get(name) or models.Network(*mobile_models.MOBILE[name])
    images = models.random_images(network.shape, 8)
    path = folder / f"{name}.onnx"
    export(models.random_network(network), images[:1], path)
    return path, images.numpy() if name == "mobilenetv2" else None  # the others need no relay populations


def row(name: str, mapping: Mapping, members: int, seconds: float) -> str:
    least = "" if mapping.placement else ">= "
    chips = mapping.chips or "-"
    binding = mapping.binding.split(";")[0]
    cells = (
        name,
        mapping.target,
        mapping.form,
        members,
        mapping.fits,
        f"{least}{mapping.core_count:,}",
        chips,
        binding,
    )
    return f"| {' | '.join(map(str, cells))} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
