"""A network becomes a Lava program of its own, which runs without ganglion and gives the same spikes.

    python examples/deploy_to_lava.py --out DIR

takes the digits network of examples/digits.py from DIR (or trains it there), writes the Lava bundle to DIR/lava, starts
its program as anyone would who has only the bundle, and compares every spike count with the simulator's.

The program needs Python 3.10, lava-nc 0.10.0 and numpy < 2; `make setup` puts them into .venv-lava where a Python 3.10
is found. Without them the bundle is written, and the script says how to run it elsewhere.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from digits import digits_files  # beside this script

import ganglion
from ganglion.backends import lava

NO_LAVA = 3  # the exit code where the bundle is written and cannot be run


def main() -> int:
    parser = argparse.ArgumentParser(description="emit a Lava bundle, run it and compare it with the simulator")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the folder of the network (default: demo)")
    parser.add_argument("--steps", type=int, default=2, help="T, time-steps per image (default: 2)")
    parser.add_argument("--members", type=int, default=4, help="tau, members per Group Neuron (default: 4)")
    parser.add_argument("--images", type=int, default=4, help="test images to run (default: 4)")
    parser.add_argument("--form", choices=("graded", "cluster"), default="graded", help="(default: graded)")
    parser.add_argument("--lava-python", help="an interpreter that has lava-nc 0.10.0")
    parser.add_argument("--epochs", type=int, default=30, help="of the training, if there has to be one")
    a = parser.parse_args()

    model, images, labels = digits_files(a.out, epochs=a.epochs)
    images, labels = images[: a.images], labels[: a.images]
    net = ganglion.compile(model, steps=a.steps, members=a.members)
    bundle = ganglion.emit(net, "lava", a.out / "lava", overwrite=True)
    codes, recorded = a.out / "lava-codes.npy", a.out / "lava-counts.npz"
    np.save(codes, net.input.encode(images)[0])  # what the hardware is sent: integer codes
    print(f"{bundle} holds a Lava program that needs nothing of ganglion; {codes} holds {len(images)} images for it")

    files = ["--input", str(codes), "--output", str(recorded), "--form", a.form]
    try:
        python = str(lava.find_python(a.lava_python).path)
    except ganglion.EngineError as error:
        print(f"it cannot run here: {error}")
        print(f"where Python 3.10 has lava-nc 0.10.0 and numpy < 2:\n  python {bundle}/network.py {' '.join(files)}")
        return NO_LAVA
    subprocess.run([python, str(bundle / "network.py"), *files], check=True)

    with np.load(recorded) as counts:
        print("it recorded", ", ".join(f"{name} {counts[name].shape}" for name in counts.files))
    result = ganglion.compare(model, net, images, labels=labels, lava=a.form, lava_python=a.lava_python)
    print(f"accuracy on Lava: {100 * (result.accuracy['lava'] or 0):.0f} % of {result.lava_samples} images")
    print("equal to the simulator, every spike count at every step" if result.equal else "THE ENGINES DIFFER")
    return 0 if result.equal else 1


if __name__ == "__main__":
    sys.exit(main())
