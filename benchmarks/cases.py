"""What is measured: the cases, the engines of each, and how the networks are made."""

from __future__ import annotations

from typing import Any, NamedTuple

FLOAT = "onnxruntime float32"
INT8 = "onnxruntime int8"
LAYER = "layer"
NUMPY = "layer numpy"
STEP = "step"
SPIKINGJELLY = "spikingjelly"  # every member compares with its threshold; all share one membrane
FLOOR = "spikingjelly floor"  # the same spikes by one division, which a SpikingJelly user may come upon
OWN = "spikingjelly own"  # every member with a membrane of its own, as the paper's own code has it
PEERS = {SPIKINGJELLY: "members", FLOOR: "floor", OWN: "own"}  # the form of the neuron, by engine
LAVA = "lava"  # the bundle as it is written, with our connection processes
LAVA_STOCK = "lava stock"  # the same with Lava's own
LAVAS = (LAVA, LAVA_STOCK)

ANN = (FLOAT, INT8)  # the plain ReLU network: one pass, whatever T is
OURS: dict[str, dict[str, Any]] = {  # how each is asked for
    LAYER: {},
    NUMPY: {"kernel": "float32", "loops": "numpy"},
    STEP: {"engine": "step"},
}

MEMBERS = 4
NETWORKS = ("mlp512", "resnet20", "resnet18", "vgg16")
LARGE = ("resnet34_224", "vgg16_224")
MAX_POOLS = LARGE  # those that keep their max pools; in the others they are average pools
BASE = "resnet20"  # the network whose growth is looked at, and the one that Lava runs
BATCH = 16  # at which the step engine is measured, and the layer engine beside Lava


class Case(NamedTuple):
    """One network, N images in one call, T steps, tau members."""

    network: str
    batch: int
    steps: int
    members: int = MEMBERS


GRID = [Case(network, batch, steps) for network in NETWORKS for steps in (1, 4) for batch in (1, 16, 64)]
BIG = [Case(network, 1, 4) for network in LARGE]
GROWTH = {
    "steps": [Case(BASE, 16, steps) for steps in (1, 2, 4, 8, 16)],
    "members": [Case(BASE, 16, 4, members) for members in (1, 2, 4, 8, 16)],
    "batch": [Case(BASE, batch, 4) for batch in (1, 2, 4, 8, 16, 32, 64)],
    "network": [Case(network, 16, 4) for network in ("resnet20", "resnet32", "resnet44", "resnet56")],
}
QUICK = Case("resnet18", 16, 4)


def all_cases() -> list[Case]:
    """Every case once, in the order of the networks."""
    cases = dict.fromkeys([*GRID, *(case for panel in GROWTH.values() for case in panel), *BIG])
    order = {network: i for i, network in enumerate(dict.fromkeys(case.network for case in cases))}
    return sorted(cases, key=lambda case: order[case.network])


def engines_of(case: Case) -> tuple[str, ...]:
    """The engines that take turns, in this order. Cases that only show growth have two, and the step engine, which
    needs about as long per image at any batch, is measured at one batch."""
    if case not in GRID and case not in BIG:
        return FLOAT, LAYER
    if case in BIG:  # a Group Neuron is no help with max pools in SpikingJelly
        return FLOAT, INT8, LAYER, NUMPY
    return FLOAT, INT8, LAYER, NUMPY, *([STEP] if case.batch == BATCH else []), *PEERS
