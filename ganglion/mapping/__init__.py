"""A network on a chip: populations over neurocores, cores on a mesh, every limit checked, every cost counted.

run.py      map_network, the whole way
layers.py   the populations as a mapper sees them
reach.py    which neurons of a source a projection brings to some of its targets
tiles.py    rectangular tilings, and what each tile takes of a core
search.py   the best tiling of every population
observe.py  what samples do to the network: messages, the largest sums and potentials
checks.py   every condition with its verdict, and what is assumed
routes.py   which cores send to which
place.py    cores on chips and mesh
verify.py   a mapping judged by other code: everything placed once, every spike has a route, no limit exceeded
walk.py     the verifier's walk over all synapses
recount.py  what every core takes, counted anew
cost.py     counts, energy bands, bounds of time
result.py   what a mapping is
text.py     its text in the network's file, and what a file keeps
mesh.py     where everything is in a picture; picture.py: as SVG
words.py    a mapping in words and rows; page.py: as HTML (chip.css)
"""

from __future__ import annotations

from .result import Check, Core, MappedLayer, Mapping
from .run import map_network
from .text import Kept, kept_in
from .verify import verify

__all__ = ["Check", "Core", "Kept", "MappedLayer", "Mapping", "kept_in", "map_network", "verify"]
