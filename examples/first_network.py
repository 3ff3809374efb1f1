"""The shortest path: a trained network becomes a spiking one, and runs.

    python examples/first_network.py --out DIR

takes the digits network of examples/digits.py from DIR, or trains it there, in half a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from digits import digits_files  # beside this script

import ganglion


def main() -> None:
    parser = argparse.ArgumentParser(description="compile a trained network and simulate it")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the folder of the network (default: demo)")
    parser.add_argument("--steps", type=int, default=2, help="T, time-steps per image (default: 2)")
    parser.add_argument("--members", type=int, default=4, help="tau, members per Group Neuron (default: 4)")
    parser.add_argument("--epochs", type=int, default=30, help="of the training, if there has to be one")
    a = parser.parse_args()

    model, images, labels = digits_files(a.out, epochs=a.epochs)
    net = ganglion.compile(model, steps=a.steps, members=a.members)  # ONNX in, a spiking network out
    run = ganglion.simulate(net, images)  # bit-accurate

    print(repr(net))
    print(run)
    for name, rate in run.rates.items():
        print(f"  {name:14} {rate:.3f} spikes per neuron and time-step")
    accuracy = (run.logits.argmax(axis=1) == labels).mean()
    print(f"{100 * accuracy:.1f} % of {len(labels)} test images are told right")
    path = ganglion.save(net, a.out / "first-network.onnx")
    print(f"the network is in {path}: try `ganglion inspect {path}`, or open it in Netron")


if __name__ == "__main__":
    main()
