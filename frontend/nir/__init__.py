"""NIR in: graphs of linear nodes and integrate-and-fire neurons, and networks that ganglion wrote, to the bit.

opened.py     a file or a graph in memory
written.py    what ganglion wrote
translate.py  what others wrote: order, ends, what cannot be read
nodes.py      node by node
neurons.py    the neurons; weights that are integers already
"""

from __future__ import annotations

from .neurons import keep_integers, neuron_of
from .opened import open_graph
from .translate import Imported, translate
from .written import is_written, read_back

__all__ = ["Imported", "is_written", "keep_integers", "neuron_of", "open_graph", "read_back", "translate"]
