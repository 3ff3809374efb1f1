"""Lava processes for networks of Group Neurons; needs lava-nc 0.10 and numpy, nothing else.

window.py       when a population is active
neurons/        Group Neuron (one programmable neuron with graded spikes), max-pool and readout
members/        integrate-and-fire member and collector, the parts of a cluster
cluster.py      the Group Neuron as a cluster of members with lateral inhibition
connections/    convolution, dense, one-to-one, sparse and delay
arithmetic.py   what they compute, exact in integers (no Lava)
endpoints/      source of input codes, recorder of spike counts
model.py        bases of the models: an exception ends the program instead of blocking it for ever; the window
requirements.py what is needed to run, and whether it is there (no Lava)
program.py      the command line of a network, and its run
channels.py     a lost wakeup in Lava's channels, mended
guard.py        what a run leaves behind, and what happens when one of its processes dies

Each module that defines processes is a package of its own: to find the models of a process, Lava executes every
other module in that process's folder, once per process. The models stand beside their process, so it need find none.
Ports are flat: a population of shape (C, H, W) has ports of shape (C * H * W,), in C order.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # one Lava process is one OS process; numpy must not be loaded yet
