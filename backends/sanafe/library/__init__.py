"""What a bundle for SANA-FE needs beside SANA-FE and numpy. Copied into it; never imported by ganglion.

requirements.py   whether this Python can run it
network.py        the synapses, and the current of every neuron
chip.py           the loaded chip: one sample through it
program.py        the command line
"""
