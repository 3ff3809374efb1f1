"""inspect: what a model or a network is, for people and for machines.

subject.py     what is looked at: a network, or a model as imported
formats.py     `inspect`: the formats by name
facts.py       figures and words that several of them show
document.py    JSON, as schemas/inspect.schema.json has it
drawing.py     Graphviz
exchange.py    GraphML
chip.py        where the network lies on a chip: text, facts, the cores of a population
page.py        one HTML page (page.css)
opening.py     one population, opened: population.py, population_text.py
difference.py  two networks, compared
table.py       aligned columns of text
dump.py        the folder of `compile --dump-ir`
"""

from __future__ import annotations

from .difference import Difference, difference
from .document import document, schema
from .dump import Dump
from .formats import FORMATS, Format, inspect, written
from .opening import open_population
from .population import OpenedPopulation
from .subject import Subject, subject_of

__all__ = [
    "FORMATS",
    "Difference",
    "Dump",
    "Format",
    "OpenedPopulation",
    "Subject",
    "difference",
    "document",
    "inspect",
    "open_population",
    "schema",
    "subject_of",
    "written",
]
